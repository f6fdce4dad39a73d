"""What a rule's third factor returned, checked: a rule of one's own may return anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plastic.errors import PlasticError
from plastic.rules.rule import Rule, Signals, ThirdFactor


def third_factor_of(rule: Rule, signals: Signals, weights: Mapping[str, Any], shapes: bool = True) -> ThirdFactor:
    """The rule's third factor; PlasticError if it is none, or (`shapes`) its dendrite has not one value per unit or a
    gate an axis missing, which would then stand for another one."""
    third = rule.third_factor(signals, weights)
    if not isinstance(third, ThirdFactor):
        raise PlasticError(
            f"third_factor of rule {rule.name!r} returned {type(third).__name__}; return a plastic.ThirdFactor."
        )
    if not shapes:
        return third
    units, axes = signals.activity.shape[-1], len(signals.activity.shape)
    for name, modulator in (("current", third.current), ("context", third.context)):
        if modulator is not None and modulator.dendrite.shape[-1:] != (units,):
            raise PlasticError(
                f"third_factor of rule {rule.name!r} returned a dendrite of shape {tuple(modulator.dendrite.shape)} as "
                f"its {name} modulator, where the layer has {units} units; its last axis must be {units}."
            )
    gates = {"gate": third.current.gate, "context gate": third.context.gate if third.context is not None else 1.0}
    for name, gate in (gates | {f"modulator of {k}": product.modulator for k, product in third.learn.items()}).items():
        if len(shape := tuple(getattr(gate, "shape", ()))) not in (0, axes):
            raise PlasticError(
                f"third_factor of rule {rule.name!r} returned a {name} of shape {shape}, one axis for another; keep "
                "the last axis, of length 1, as signals.fixation has it."
            )
    return third

"""What a rule's third factor returned, checked: a rule of one's own may return anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plastic.errors import PlasticError
from plastic.rules.rule import Rule, Signals, ThirdFactor


def third_factor_of(rule: Rule, signals: Signals, weights: Mapping[str, Any], shapes: bool = True) -> ThirdFactor:
    """The rule's third factor; PlasticError if it is none, or (`shapes`) its dendrite has not one value per unit."""
    third = rule.third_factor(signals, weights)
    if not isinstance(third, ThirdFactor):
        raise PlasticError(
            f"third_factor of rule {rule.name!r} returned {type(third).__name__}; return a plastic.ThirdFactor."
        )
    units = signals.activity.shape[-1]
    for name, modulator in (("current", third.current), ("context", third.context)):
        if shapes and modulator is not None and modulator.dendrite.shape[-1:] != (units,):
            raise PlasticError(
                f"third_factor of rule {rule.name!r} returned a dendrite of shape {tuple(modulator.dendrite.shape)} as "
                f"its {name} modulator, where the layer has {units} units; its last axis must be {units}."
            )
    return third

"""A rule's lines, called: the one place that knows whether a rule keeps a state, and that checks what it returned,
as a rule of one's own may return anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plastic.errors import PlasticError
from plastic.rules.rule import Array, Moment, Rule, Signals, State, ThirdFactor


def keeps_state(rule: Rule | type[Rule]) -> bool:
    """Whether the rule declares a state; its `third_factor` takes and returns that then."""
    return (rule if isinstance(rule, type) else type(rule)).state is not Rule.state


def third_factor_of(
    rule: Rule, signals: Signals, state: Mapping[str, Any], weights: Mapping[str, Any], shapes: bool = True
) -> tuple[ThirdFactor, State]:
    """The rule's third factor, and what it keeps anew (what it leaves out stays as it is).

    Raises PlasticError if it returned something else or (`shapes`) its dendrite has not one value per unit, or a gate
    an axis missing, which would then stand for another one.
    """
    after: State = {}
    if keeps_state(rule):
        third, after = _pair(rule, "third_factor", "ThirdFactor", rule.third_factor(signals, dict(state), weights))
    else:
        third = rule.third_factor(signals, weights)
    if not isinstance(third, ThirdFactor):
        raise PlasticError(
            f"third_factor of rule {rule.name!r} returned {type(third).__name__}; return a plastic.ThirdFactor."
        )
    if shapes:
        _check_shapes(rule, signals, third)
        _check_state(rule, state, after)
    return third, after


def step_of(
    rule: Rule, now: Moment, state: Mapping[str, Any], weights: Mapping[str, Any]
) -> tuple[Array, State]:  # fmt: skip
    """g of a stepwise rule in one step, and what it keeps anew; PlasticError as of `third_factor_of`."""
    memory = dict(state)
    returned = rule.step(now, memory, weights)
    if not keeps_state(rule):
        return returned, memory  # a rule without a declared state may write into what it was given
    g, after = _pair(rule, "step", "g", returned)
    _check_state(rule, state, after)
    return g, after


def _pair(rule: Rule, method: str, first: str, returned: Any) -> tuple[Any, State]:
    if isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping):
        return returned[0], dict(returned[1])
    raise PlasticError(
        f"{method} of rule {rule.name!r} returned {type(returned).__name__}; as the rule declares a state, return "
        f"({first}, state)."
    )


def _check_state(rule: Rule, before: Mapping[str, Any], after: State) -> None:
    for name, value in after.items():
        old, new = (tuple(getattr(x, "shape", ())) for x in (before.get(name, value), value))
        if old != new:
            raise PlasticError(
                f"rule {rule.name!r} returned its state {name!r} with shape {new}, where it declares {old}; keep it."
            )


def _check_shapes(rule: Rule, signals: Signals, third: ThirdFactor) -> None:
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

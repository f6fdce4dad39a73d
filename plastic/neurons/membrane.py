"""What integrate-and-fire neurons share: a leaky membrane, ways to reset it, refractory steps.

States: `fired`, 1 in the step after a spike, where the reset subtracts; `wait`, steps that are left until the neuron
may fire again, where it is refractory. A neuron that has no such state is neither.
"""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.neurons.neuron import Array, Constants, State

Reset = Literal["zero", "subtract", "none"]


def at_rest(reset: Reset, refractory: int) -> dict[str, float]:
    """The states of a membrane, each at its initial value."""
    subtracts = {"fired": 0.0} if reset == "subtract" else {}
    return {"membrane": 0.0, **subtracts, **({"wait": 0.0} if refractory else {})}


def leaky(
    state: State, drive: Array, constants: Constants, floor: float = -math.inf, held: bool = True
) -> State:  # fmt: skip
    """u = β u + I, less θ after a spike where the reset subtracts; not below the floor. While refractory, u is `held`
    at what the spike left of it, and the drive is lost."""
    u, left, after = constants.decay * state["membrane"] + drive, state["membrane"], State()
    if "fired" in state:
        u, left = (x - constants.threshold * state["fired"] for x in (u, left))
        after["fired"] = state["fired"] * 0
    if floor > -math.inf:
        u = at_least(u, floor)
    if "wait" in state:
        after["wait"] = wait = at_least(state["wait"] - 1, 0.0)
        if held:
            xp: Any = array_namespace(u)
            u = xp.where(wait > 0, left, u)
    return {"membrane": u, **after}


def reset_membrane(state: State, spike: Array, reset: Reset, refractory: int) -> State:
    """What a spike leaves of a membrane."""
    after = dict(state)
    if reset == "zero":
        after["membrane"] = state["membrane"] * (1 - spike)
    if "fired" in state:
        after["fired"] = state["fired"] + spike
    if "wait" in state:
        after["wait"] = state["wait"] + (refractory + 1) * spike
    return after


def at_least(x: Array, low: float) -> Array:
    """max(low, x)."""
    xp: Any = array_namespace(x)
    return xp.where(x > low, x, x * 0 + low)


def at_most(x: Array, high: float) -> Array:
    """min(high, x)."""
    xp: Any = array_namespace(x)
    return xp.where(x < high, x, x * 0 + high)


def check_membrane(name: str, reset: str, refractory: int) -> None:
    """PlasticError for a reset that there is not, and for refractory steps below 0."""
    if reset not in get_args(Reset):
        raise PlasticError(f"neuron {name!r} has no reset {reset!r}; choose one of: {', '.join(get_args(Reset))}.")
    if refractory < 0:
        raise PlasticError(f"refractory of neuron {name!r} is {refractory}; it must be at least 0 steps.")


def check_decay(name: str, option: str, value: float) -> None:
    """PlasticError for a decay per step that is not from 0 to 1."""
    if not 0 <= value <= 1:
        raise PlasticError(f"{option} of neuron {name!r} is {value}; it must be from 0 to 1.")

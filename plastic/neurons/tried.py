"""A neuron's lines, called once on a few numbers: a neuron of one's own may return anything."""

from __future__ import annotations

import keyword
from typing import Any

import numpy as np

from plastic.errors import PlasticError
from plastic.neurons.neuron import Constants, Neuron, State

SHAPE = (2, 5)


def try_out(neuron: Neuron) -> None:
    """PlasticError if a state, a post factor or a spike is not what a neuron's must be; checked without a backend."""
    name, initial = f"neuron {neuron.name!r}", neuron.state
    if not isinstance(initial, dict) or "membrane" not in initial:
        raise PlasticError(f'the state of {name} is {initial!r}; it must be names with numbers, "membrane" among them.')
    for key, value in initial.items():
        if not key.isidentifier() or keyword.iskeyword(key) or isinstance(value, bool | str):
            raise PlasticError(f"the state of {name} has {key!r}: {value!r}; it must be a name with a number.")
    random = np.random.default_rng(0)
    constants = Constants(0.9, 1.0, lambda x: 1 / (1 + 2 * np.abs(x)) ** 2)
    drive = random.normal(size=SHAPE)
    before = {key: value + random.random(SHAPE) for key, value in initial.items()}
    kept = {key: value.copy() for key, value in before.items()}
    state = _checked(neuron, "integrate", neuron.integrate(before, drive, constants), before)
    if any(not np.array_equal(before[key], kept[key]) for key in kept):
        raise PlasticError(f"integrate of {name} changes the state that it is given; return a new one.")
    for method in ("post_factor", "fires"):
        found = getattr(neuron, method)(state, constants)
        if getattr(found, "shape", None) != SHAPE:
            raise PlasticError(f"{method} of {name} returned {_said(found)}; it must have one number for each neuron.")
    if not np.isin(found, (0, 1)).all():
        raise PlasticError(f"fires of {name} returned numbers beside 0 and 1; return is_positive(…) of something.")
    spike = np.zeros(SHAPE)
    spike[0] = 1
    after = _checked(neuron, "after_spike", neuron.after_spike(state, spike, constants), state)
    if moved := [key for key in state if not np.array_equal(after[key][1], state[key][1])]:
        raise PlasticError(
            f"after_spike of {name} changes {', '.join(moved)} of neurons that did not fire; what changes in every "
            "step belongs in integrate."
        )


def _checked(neuron: Neuron, method: str, found: Any, before: State) -> State:
    if not isinstance(found, dict) or set(found) != set(before):
        has = ", ".join(found) if isinstance(found, dict) else type(found).__name__
        raise PlasticError(
            f"{method} of neuron {neuron.name!r} returned {has}; it must return its state, {', '.join(before)}."
        )
    for key, value in found.items():
        if getattr(value, "shape", None) != SHAPE:
            raise PlasticError(
                f"{method} of neuron {neuron.name!r} returned {key!r} as {_said(value)}; it must have one number for "
                "each neuron."
            )
    return found


def _said(value: Any) -> str:
    return f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__

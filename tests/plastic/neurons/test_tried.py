"""A neuron of one's own whose lines are not those of a neuron is refused with one sentence, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from plastic.errors import PlasticError
from plastic.neurons import ALIF, CUBA, LIF, Izhikevich, LeakyIntegrator, Neuron
from plastic.neurons.tried import try_out


@dataclass(frozen=True)
class Odd(Neuron):
    """A leaky neuron that can be wrong in one way."""

    name = "odd"
    wrong: str = ""

    @property
    def state(self) -> Any:
        found: dict[str, Any] = {"membrane": 0.0, "slow": 1.0}
        return {"no membrane": {"slow": 1.0}, "text": found | {"slow": "one"}, "name": found | {"not a name": 0.0}}.get(
            self.wrong, found
        )

    def integrate(self, state: Any, drive: Any, constants: Any) -> Any:
        if self.wrong == "in place":
            state["membrane"] += drive
        after = {"membrane": constants.decay * state["membrane"] + drive, "slow": 0.5 * state["slow"]}
        return {
            "loses": {"membrane": after["membrane"]}, "sums": after | {"slow": after["slow"].sum()},
            "nothing": None,
        }.get(self.wrong, after)  # fmt: skip

    def post_factor(self, state: Any, constants: Any) -> Any:
        return 1.0 if self.wrong == "psi" else constants.psi(state["membrane"] - 1)

    def fires(self, state: Any, constants: Any) -> Any:
        return state["membrane"] * 2 if self.wrong == "graded" else (state["membrane"] > 1).astype(float)

    def after_spike(self, state: Any, spike: Any, constants: Any) -> Any:
        after = {"membrane": state["membrane"] * (1 - spike), "slow": state["slow"] + spike}
        return after | {"slow": 0.9 * after["slow"]} if self.wrong == "decays" else after


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("no membrane", r"the state of neuron 'odd' is .*\"membrane\" among them"),
        ("text", "the state of neuron 'odd' has 'slow': 'one'; it must be a name with a number"),
        ("name", "has 'not a name'"),
        ("in place", "integrate of neuron 'odd' changes the state that it is given; return a new one"),
        ("loses", "integrate of neuron 'odd' returned membrane; it must return its state, membrane, slow"),
        ("nothing", "integrate of neuron 'odd' returned NoneType"),
        ("sums", r"returned 'slow' as an array of shape \(\); it must have one number for each neuron"),
        ("psi", "post_factor of neuron 'odd' returned float"),
        ("graded", "fires of neuron 'odd' returned numbers beside 0 and 1"),
        ("decays", "after_spike of neuron 'odd' changes slow of neurons that did not fire"),
    ],
)
def test_lines_that_are_no_neuron_are_refused(wrong: str, named: str) -> None:
    with pytest.raises(PlasticError, match=named) as raised:
        try_out(Odd(wrong))
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "neuron",
    [
        Odd(), LIF(), LIF(reset="subtract", refractory=2, floor=-1.0), LIF(reset="none"), ALIF(), ALIF(refractory=2),
        CUBA(), CUBA(reset="subtract", refractory=1), Izhikevich(), LeakyIntegrator(),
    ],
)  # fmt: skip
def test_ours_are_neurons(neuron: Neuron) -> None:
    try_out(neuron)
    assert np.isfinite(list(neuron.state.values())).all()

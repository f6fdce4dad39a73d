"""Neurons as statements of Brian2: their text, and that the text does what is declared. Without Brian2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.models.backends.brian2.equations import Equations
from plastic.models.neuron.constants import SpikingStep
from plastic.neurons import ALIF, CUBA, LIF, Constants, Izhikevich, Neuron
from plastic.rules import CLAPP

WORDS = {"int": int, "abs": abs, "exp": math.exp, "sqrt": math.sqrt, "inf": math.inf, "tanh": math.tanh}
WORDS["clip"] = lambda x, low, high: min(max(x, low), high)


@dataclass(frozen=True)
class Odd(Neuron):
    """Every kind of expression, names that Brian2 has for others, and states that need each other's old value."""

    name = "odd"
    word: str = ""

    @property
    def state(self) -> dict[str, float]:
        return {"membrane": 0.25, "g": 0.5, "t": 0.0}

    def integrate(self, state: Any, drive: Any, constants: Any) -> Any:
        xp: Any = array_namespace(drive)
        u, g, t = state["membrane"], state["g"], state["t"]
        if self.word:
            return {"membrane": getattr(xp, self.word)(u), "g": g, "t": t}
        low = xp.where((drive > 0) & (u > -1) | ~(g < 0.6), xp.maximum(u, g), xp.minimum(u, -g))
        u = constants.decay * low + xp.clip(drive, -2.0, 2.0) - xp.tanh(t) ** 2
        return {"membrane": u, "g": t, "t": g + 0.1 * xp.sqrt(xp.abs(t)) - xp.zeros_like(t)}

    def threshold(self, state: Any, constants: Any) -> Any:
        return constants.threshold + 0.125 * state["t"]


def written(neuron: Neuron) -> Equations:
    return Equations.of(CLAPP(), SpikingStep(membrane_decay=0.75, threshold=1.5, slope=2.0, neuron=neuron), 10)


def test_the_text_of_a_neuron() -> None:
    text = written(CUBA())
    assert text.neuron.splitlines()[:3] == [
        "current : 1             # of the neuron",
        "u : 1                   # membrane, in thresholds",
        "drive : 1               # weights of the spikes that arrive",
    ]
    assert text.post_factor.splitlines() == [
        "current_2 = 0.8 * current + drive",
        "current = current_2",
        "u = beta * u + current_2",
        "drive = 0",
        "psi = 1 / (1 + slope * abs(u - theta))**2",
    ]
    assert (text.threshold, text.reset) == ("u - theta > 0", "u = 0.0\ncount += 1")
    assert text.neuron_at_rest == "current = 0.0\nu = 0.0\ndrive = 0\ncount = 0\npost_sum = 0"
    assert text.on_pre["arrive"].startswith("drive_post += w")


def test_the_default_neuron_keeps_its_own_words() -> None:
    text = written(LIF())
    assert text.neuron.startswith("du/dt = -u / tau_m : 1  # membrane, in thresholds\npsi : 1")
    assert (text.threshold, text.reset) == ("u > theta", "u = 0\ncount += 1")
    assert (text.post_factor, text.own.driven) == ("psi = 1 / (1 + slope * abs(u - theta))**2", "u")
    assert "tau_m" in text.constants()


@pytest.mark.parametrize(
    "neuron",
    [
        LIF(reset="subtract", refractory=2, floor=-0.5), LIF(reset="none", refractory=1), ALIF(), ALIF(refractory=2),
        CUBA(reset="subtract", refractory=1), Izhikevich(), Odd(),
    ],
)  # fmt: skip
def test_the_statements_do_what_is_declared(neuron: Neuron) -> None:
    """Run as they stand, one neuron, in Python; Brian2 itself does so in the conformance tests."""
    text, fired = written(neuron), 0
    state = {name: np.array([value]) for name, value in neuron.state.items()}
    constants = Constants(0.75, 1.5, lambda x: 1 / (1 + 2.0 * np.abs(x)) ** 2)
    now: dict[str, Any] = {**WORDS, **text.constants()}
    exec(text.neuron_at_rest, now)
    for drive in np.random.default_rng(7).normal(0.4, 1, size=60):
        now["drive"] = float(drive)
        exec(text.post_factor, now)
        state, did = neuron.step(state, np.array([drive]), constants)
        assert now["u"] == pytest.approx(float(did.membrane[0]), rel=1e-9, abs=1e-9)
        assert now["psi"] == pytest.approx(float(did.post_factor[0]), rel=1e-9, abs=1e-9)
        spikes = bool(eval(text.threshold, now))
        assert spikes == bool(did.spike[0])
        if spikes:
            exec(text.reset, now)
        fired += spikes
        names = text.own.variables
        for name, value in state.items():
            own = "u" if name == "membrane" else f"state_{name}" if f"state_{name} :" in names else name
            assert now[own] == pytest.approx(float(value[0]), rel=1e-9, abs=1e-9), name
    assert now["count"] == fired > 2


def test_states_do_not_take_brian2s_names() -> None:
    assert written(Odd()).own.variables.startswith("u : 1")
    assert "\nstate_g : 1" in written(Odd()).own.variables
    assert "\nstate_t : 1" in written(Odd()).own.variables


def test_what_brian2_has_no_word_for_is_named() -> None:
    with pytest.raises(PlasticError, match="neuron 'odd' computes with cumsum, for which Brian2 has no word"):
        _ = written(Odd("cumsum")).post_factor

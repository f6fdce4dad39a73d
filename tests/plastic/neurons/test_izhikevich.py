"""Izhikevich's neuron beside his published program (but for its overshoot), and the firing that it is known for."""

from __future__ import annotations

import numpy as np
import pytest
from stepping import stepped

from plastic.errors import PlasticError
from plastic.neurons import Izhikevich

KINDS = {  # of the paper's figure 2
    "regular spiking": Izhikevich(gain=1.0),
    "intrinsically bursting": Izhikevich(c=-55.0, d=4.0, gain=1.0),
    "chattering": Izhikevich(c=-50.0, d=2.0, gain=1.0),
    "fast spiking": Izhikevich(a=0.1, d=2.0, gain=1.0),
}


def published(neuron: Izhikevich, current: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """The program of the paper, line by line, for one neuron: v of every ms before it is reset, and when it fires."""
    v, u = neuron.c, neuron.b * neuron.c
    voltages, fired = [], []
    for t, I in enumerate(current):  # noqa: E741 (its name there)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + I)
        v = v + 0.5 * (0.04 * v**2 + 5 * v + 140 - u + I)
        u = u + neuron.a * (neuron.b * min(v, 30) - u)  # the overshoot of the step stays out, which is ours
        voltages.append(v)
        if v >= 30:
            fired.append(t)
            v, u = neuron.c, u + neuron.d
    return np.array(voltages), fired


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_published_program(kind: str) -> None:
    neuron, current = KINDS[kind], 10 + np.random.default_rng(0).normal(0, 2, size=200)
    voltages, fired = published(neuron, current)
    found = stepped(neuron, current, threshold=1.3)
    assert np.flatnonzero(found["spike"]).tolist() == fired
    np.testing.assert_allclose(neuron.c + (30 - neuron.c) * found["membrane"] / 1.3, voltages, rtol=1e-6)
    assert len(fired) >= 5


def spike_times(kind: str) -> list[int]:
    return np.flatnonzero(stepped(KINDS[kind], np.full(1000, 10.0))["spike"]).tolist()


def test_the_kinds_fire_as_they_are_known_to() -> None:
    regular, fast = np.diff(spike_times("regular spiking")), np.diff(spike_times("fast spiking"))
    assert regular[0] * 1.5 < regular[5:].mean()  # adapts
    assert 15 <= len(regular) <= 30  # about 20 spikes in a second
    assert len(fast) > 2 * len(regular)
    assert np.ptp(fast[5:]) <= 2  # and does not adapt
    chattering = np.diff(spike_times("chattering"))
    assert chattering.min() <= 4  # bursts
    assert chattering.max() > 20  # with silence between them
    bursting = np.diff(spike_times("intrinsically bursting"))
    assert bursting[0] <= 8  # one burst
    assert bursting[3:].min() > 2 * bursting[0]  # then single spikes


def test_its_post_factor_is_that_of_the_peak() -> None:
    found = stepped(Izhikevich(), np.full(30, 0.5))
    assert np.array_equal(found["post_factor"], np.maximum(0, 1 - 2 * np.abs(found["membrane"] - 1)))
    assert found["spike"].any()
    assert np.all(found["membrane after"][found["spike"] == 1] == 0)


def test_a_reset_above_the_peak_is_refused() -> None:
    with pytest.raises(PlasticError, match=r"c of neuron 'izhikevich' is 31\.0; it must be below the peak, 30\.0 mV"):
        Izhikevich(c=31.0)

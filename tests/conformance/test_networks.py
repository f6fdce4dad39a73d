"""A network of several rules, a fixed layer, sparse and signed projections: the same on every spiking backend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plastic import Dense, Input, Layer, Network, Patches, Readout, Sparse
from plastic.models.studies.case import Case, run_case
from plastic.models.studies.check import RATES, compare, installed

pytestmark = pytest.mark.usefixtures("numpy_code")

SIGNED = Sparse(0.7, sign=0.75, scale=1.6, bounds=(-3, 3))
NET = Network(
    Input(16, 4),
    Layer(10, Patches(2, shared=False), rule="clapp"),
    Layer(12, SIGNED, rule=None),
    Layer(9, Sparse(0.8, sign=(1, 1, -1) * 4, scale=1.6), rule="vicreg", learning_rate=0.002),
    Layer(8, Dense(bounds=(-1.5, 1.5), scale=2), rule="dfa"),
    Readout(4, learning_rate=0.05),
)
CASE = Case("clapp", layout=NET, widths=(10, 12), streams=1, stimuli=40, learning_rate=0.05)


def test_the_reference_lives_and_keeps_what_is_asked() -> None:
    """All layers fire, those that learn move, the fixed one does not, and limits hold before every stimulus."""
    track = run_case(CASE, "reference")
    assert all(RATES[0] <= rate <= RATES[1] for rate in track.rates())
    moved = track.moved()
    assert moved["layer2.weight"] == 0
    assert min(moved[name] for name in ("layer1.weight", "layer3.weight", "layer4.weight", "readout.weight")) > 0.005
    for weights in track.weights:
        for name, signs in (("layer2.weight", ([1] * 8 + [-1] * 2) * 2), ("layer3.weight", [1, 1, -1] * 4)):
            signed = weights[name] * np.array(signs)
            assert signed.min() >= 0
            assert 0 < (signed == 0).mean() < 0.6
        assert abs(weights["layer4.weight"]).max() <= 1.5
    assert (track.weights[-1]["layer3.weight"] == 0).mean() >= (track.weights[0]["layer3.weight"] == 0).mean()


@pytest.mark.parametrize("backend", installed())
def test_every_backend_does_the_same(backend: str) -> None:
    found = compare(CASE, backend)
    assert found.agrees, found.record()
    assert found.spikes > 500
    assert np.any(found.differing == 0)


def test_several_streams_under_adam() -> None:
    case = replace(CASE, streams=4, optimizer="adam", stimuli=12, learning_rate=0.02)
    found = compare(case, "snntorch")
    assert found.agrees, found.record()

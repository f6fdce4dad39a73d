"""A network of several rules, a fixed layer, sparse and signed projections: the same on every spiking backend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import plastic
from plastic import Dense, Input, Layer, Network, Patches, Readout, Sparse
from plastic.models.runs.views import LayerStep
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
DOWN = Network(  # a context of the top layer; feedback down a chain, through a sparse layer
    Input(16, 4),
    Layer(10, Patches(2), rule="clapp++:feedback=dfb:negatives=saccade"),
    Layer(11, Sparse(0.8, scale=2.0), rule="fa"),
    Layer(9, rule="fa"),
    Readout(4),
)
STEPS = Network(  # rules that weigh steps above one that does not
    Input(16, 4),
    Layer(10, Patches(2), rule="clapp++:feedback=dfb:negatives=saccade"),
    Layer(9, Sparse(0.8, scale=2.0), rule="eprop:learning_signal=step"),
    Layer(8, Dense(scale=2.0), rule="eprop:learning_signal=step"),
    Readout(4),
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


CASES = {"fixed and signed": CASE} | {
    name: replace(CASE, layout=net, stimuli=20) for name, net in {"down": DOWN, "steps": STEPS}.items()
}


@pytest.mark.parametrize("backend", installed())
@pytest.mark.parametrize("name", CASES)
def test_every_backend_does_the_same(name: str, backend: str) -> None:
    """Live, too: `agrees` is false of layers that are silent, or that learn and did not move."""
    found = compare(CASES[name], backend)
    assert found.agrees, found.record()
    assert found.spikes > 500
    assert (found.error < 1e-6).all()


@pytest.mark.parametrize("backend", installed())
def test_what_is_seen_of_a_sparse_layer_is_the_same(backend: str) -> None:
    """No eligibility where no synapse is, and none of these comes to be."""
    task = plastic.stimuli.rhm(levels=2, symbols=4, classes=4, synonyms=2, train=24, test=8, seed=0)
    net = Network(Input(16, 4), Layer(10, Patches(2), rule="dfa"), Layer(9, Sparse(0.6), rule="clapp"))

    def step(name: str) -> tuple[LayerStep, np.ndarray, np.ndarray]:
        sim = plastic.Simulation(net, task, backend=name, batch=1, learning_rate=0.05, dtype="float64")
        before = sim.weights["layer2"]
        sim.train(8, progress=False)
        return sim.step()[1], before, sim.weights["layer2"]

    (truth, start, end), (found, *_) = step("reference"), step(backend)
    assert (truth.eligibility[..., start == 0] == 0).all()
    assert np.abs(truth.eligibility).max() > 0
    np.testing.assert_allclose(found.eligibility, truth.eligibility, atol=1e-9)
    assert ((end == 0) == (start == 0)).all()
    assert 0.2 < (start == 0).mean() < 0.6
    assert not np.array_equal(start, end)


def test_several_streams_under_adam() -> None:
    case = replace(CASE, streams=4, optimizer="adam", stimuli=12, learning_rate=0.02)
    found = compare(case, "snntorch")
    assert found.agrees, found.record()

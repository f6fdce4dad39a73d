"""Synapses that are not there, Dale's law and bounds hold exactly, from the first weight on, whatever changes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import plastic
from plastic import Dense, Input, Layer, Network, Patches, Sparse
from plastic.models.network.compiled import compiled
from plastic.models.network.limits import limits
from plastic.models.neuron.constants import SpikingStep
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.rules import CLAPP

TASK = plastic.stimuli.rhm(levels=2, train=24, test=8, symbols=4, synonyms=2, classes=4, seed=1)
common: dict[str, Any] = {
    "bounds": st.none() | st.tuples(st.sampled_from([-0.4, -0.05]), st.sampled_from([0.1, 0.5])),
    "sign": st.none() | st.sampled_from(["excitatory", "inhibitory", 0.5]),
    "scale": st.none() | st.just(1.5),
}
projections = st.one_of(
    st.builds(Dense, **common),
    st.builds(Patches, st.just(2), st.booleans(), **common),
    st.builds(Sparse, st.sampled_from([0.2, 0.7]), **common),
    st.builds(Sparse, indices=st.just(((0, 0), (3, 1), (3, 2), (7, 4))), **common),
)


def ensemble(backend: str, optimizer: str, network: Network, seeds: tuple[int, ...] = (0,), **more: Any) -> Ensemble:
    spiking = None if backend == "rate" else SpikingStep()
    given = Settings(
        CLAPP(), layout=network, backend=backend, spiking=spiking, optimizer=optimizer, batch=4, **more,
        dtype=torch.float64 if backend == "reference" else torch.float32,
    )  # fmt: skip
    return Ensemble(given, [TASK] * len(seeds), list(seeds), [0.3] * len(seeds))


@given(st.sampled_from(["rate", "snntorch", "reference"]), st.sampled_from(["sgd", "adam"]), projections, st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_limits_hold_from_the_first_weight_on(backend: str, optimizer: str, projection: Any, scaled: bool) -> None:
    network = Network(Input(16, 4), Layer(6, projection), Layer(5, Dense(sign=0.5, scale=1.5), rule="dfa"))
    scaled = scaled and projection in (Dense(), Dense(sign="excitatory"), Patches(2), Patches(2, False))
    seeds = (3,) if backend == "reference" else (3, 4)
    given = ensemble(backend, optimizer, network, seeds, initial_rate=0.1 * scaled)
    within = limits(given.network, seeds)
    assert "layer2.weight" in within
    start = {name: weight.clone() for name, weight in given.parameters.items()}
    for _ in range(3):
        for name, (low, high) in within.items():
            weight = given.parameters[name].double().numpy()
            exact = weight.astype(given.parameters[name].numpy().dtype)
            assert (exact >= low.astype(exact.dtype)).all()
            assert (exact <= high.astype(exact.dtype)).all()
            assert (weight[(low == 0) & (high == 0)] == 0).all()
        given.train(1)
    moved = [name for name, weight in given.parameters.items() if not torch.equal(weight, start[name])]
    assert backend != "rate" or "layer2.weight" in moved  # so few neurons may be silent


def test_signs_are_drawn_by_size_and_chance_by_the_members_own_seed() -> None:
    made = ensemble("rate", "sgd", Network(Input(16, 4), Layer(64, Sparse(0.3, sign=0.75))), (0, 1))
    weight = made.parameters["layer1.weight"].numpy()
    assert (weight[..., np.arange(16) % 4 < 3] >= 0).all()
    assert (weight[..., np.arange(16) % 4 == 3] <= 0).all()
    there = weight != 0
    assert there.mean() == pytest.approx(0.3, abs=0.05)
    assert there[0].any(0).all()
    assert (there[0] != there[1]).any()
    alone = ensemble("rate", "sgd", made.settings.layout or Network(Input(1)), (1,))
    assert torch.equal(alone.parameters["layer1.weight"][0], made.parameters["layer1.weight"][1])
    inputs = 0.3 * 16
    assert (weight[there] ** 2).mean() == pytest.approx(2 / inputs, rel=0.15)


def test_a_learning_rate_of_its_own_takes_the_place_of_the_runs() -> None:
    def change(rate: float, **own: Any) -> dict[str, torch.Tensor]:
        network = Network(Input(16, 4), Layer(6, **own), Layer(5), plastic.Readout(4, **own))
        given = Settings(
            plastic.rules.DFA(), layout=network, backend="rate", optimizer="sgd", batch=4, dtype=torch.float64
        )
        made = Ensemble(given, [TASK], [0], [rate])
        before = {name: weight.clone() for name, weight in made.parameters.items()}
        made.train(1)
        return {name: weight - before[name] for name, weight in made.parameters.items()}

    usual, mixed = change(0.01), change(0.01, learning_rate=0.03)
    assert usual["layer2.weight"].abs().max() > 0
    torch.testing.assert_close(mixed["layer1.weight"], 3 * usual["layer1.weight"])
    torch.testing.assert_close(mixed["readout.weight"], 3 * usual["readout.weight"])
    torch.testing.assert_close(mixed["layer2.weight"], usual["layer2.weight"])


def test_what_has_no_limits_has_none() -> None:
    assert limits(compiled(Network(Input(4), Layer(3), Layer(2, Dense(scale=2)))), [0]) == {}

"""What is recorded of a chip is what its learning engine did: weights again in integers, from the recorded factors."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import plastic
from plastic.config import CHIPS, Architecture, Config, Stimuli, Training
from plastic.defaults import resolve
from plastic.errors import PlasticError
from plastic.hardware.backend import make_chip
from plastic.models.simulate import simulate

RECORD = "gate,dendrite,modulator,weight,weight_change,eligibility@stimulus"


@pytest.fixture(scope="module")
def config() -> Config:
    given = Config(
        rule="clapp",
        backend="loihi",
        stimuli=Stimuli(levels=2, symbols=4, classes=4, synonyms=2, train_size=24, test_size=8),
        network=Architecture(width=10, weights="local"),
        training=Training(steps=80, probes=0),
        record=RECORD,
    )
    return dataclasses.replace(given, chip=dataclasses.replace(given.chip, rounding="nearest"))


def test_recorded_factors_give_the_recorded_weights_in_integers(config: Config, tmp_path: Path) -> None:
    """ΔW = m · e as the engine computes it: −8 · tag · (−4 · level) · 2^exponent, to the nearest weight, at every
    stimulus and synapse, in whole numbers without a tolerance."""
    program = make_chip(resolve(config)).emulator.program
    simulate(config, tmp_path / "run", make_network=make_chip)
    run = plastic.open_run(tmp_path / "run")
    for number, (layer, scale) in enumerate(zip(program.layers, program.scales, strict=True), 1):
        assert layer.plasticity is not None
        (product,) = layer.plasticity.weight_change
        weight, tag, level = (
            whole(run.signal(name, number).values * scale[unit])
            for name, unit in (("weight", "weight"), ("eligibility", "tag"), ("modulator", "modulator"))
        )
        change = whole(run.signal("weight_change", number).values * scale["weight"])
        moved = 0
        for stimulus in range(80):
            engine = -8 * tag[stimulus, 0] * (-4 * level[stimulus, 0][:, :, None])
            added = (engine >> product.shift) << (product.exponent + 7)
            accumulator = np.clip((weight[stimulus] << 7) + added, -(2**15) - 1, 2**15 - 1)
            expected = np.clip((accumulator + 63) >> 7, -256, 255)
            np.testing.assert_array_equal(weight[stimulus] + change[stimulus], expected)
            moved += int((change[stimulus] != 0).sum())
            if stimulus < 79:
                np.testing.assert_array_equal(weight[stimulus + 1], expected)
        assert moved > 100
        gate, dendrite = run.signal("gate", number).values, run.signal("dendrite", number).values
        told = gate[:, 0, None, None] * dendrite[:, 0] * scale["modulator"]  # before it becomes one of 31 levels
        open_range = np.abs(told) < 15
        assert np.abs(level[:, 0] - told)[open_range].max() <= 1
        np.testing.assert_array_equal(np.sign(level[:, 0])[~open_range], np.sign(told)[~open_range])
        assert {-1, 1} <= set(np.sign(gate).ravel().astype(int).tolist())


@pytest.mark.parametrize("backend", CHIPS)
def test_a_chip_is_not_run_as_another_network(backend: str, config: Config, tmp_path: Path) -> None:
    with pytest.raises(PlasticError, match="make_chip"):
        simulate(dataclasses.replace(config, backend=backend), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def whole(values: np.ndarray) -> np.ndarray:
    """Integers, if that is what they are."""
    rounded = np.rint(values)
    np.testing.assert_allclose(values, rounded, atol=1e-6)
    return rounded.astype(np.int64)

"""What is recorded of a chip is what its learning engine did: weights again in integers, from the recorded factors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import plastic
from plastic.config import CHIPS, Architecture, Config, Stimuli, Training
from plastic.defaults import resolve
from plastic.errors import PlasticError
from plastic.hardware.backend import make_chip
from plastic.models.simulate import simulate

RECORD = "gate,dendrite,modulator,weight,weight_change,eligibility@stimulus"

ALL = RECORD + "; pre_spike,pre_trace,membrane,post_factor,spike; own"


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


def in_integers(run: Any, number: int, scale: Any) -> tuple[NDArray[np.int64], ...]:
    """Weight, tag, modulator and weight change of a layer's record, as the chip has them."""
    signals = {"weight": "weight", "eligibility": "tag", "modulator": "modulator", "weight_change": "weight"}
    return tuple(whole(run.signal(name, number).values * scale[unit]) for name, unit in signals.items())


def test_recorded_factors_give_the_recorded_weights_in_integers(config: Config, tmp_path: Path) -> None:
    """ΔW = m · e as the engine computes it: −8 · tag · (−4 · level) · 2^exponent, to the nearest weight, at every
    stimulus and synapse, in whole numbers without a tolerance."""
    program = make_chip(resolve(config)).emulator.program
    simulate(config, tmp_path / "run", make_network=make_chip)
    run = plastic.open_run(tmp_path / "run")
    for number, (layer, scale) in enumerate(zip(program.layers, program.scales, strict=True), 1):
        assert layer.plasticity is not None
        (product,) = layer.plasticity.weight_change
        weight, tag, level, change = in_integers(run, number, scale)
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
        told = gate[:, 0, None, None] * dendrite[:, 0] * scale["modulator"]  # before it is one of the levels −7 … 7
        open_range = np.abs(told) < 7.5
        assert np.abs(level[:, 0] - told)[open_range].max() <= 1
        np.testing.assert_array_equal(level[:, 0][~open_range], 7 * np.sign(told)[~open_range])
        assert {-1, 1} <= set(np.sign(gate).ravel().astype(int).tolist())


@pytest.mark.parametrize("backend", CHIPS)
def test_a_chip_is_not_run_as_another_network(backend: str, config: Config, tmp_path: Path) -> None:
    with pytest.raises(PlasticError, match="make_chip"):
        simulate(dataclasses.replace(config, backend=backend), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def uniform(seed: int, per_step: int, steps: int) -> np.ndarray:
    """The number that each step uses of a stream of Lava's: the first of all goes unused, then all but the last."""
    drawn = np.random.Generator(np.random.PCG64(seed)).random(1 + per_step * steps)[1:]
    return drawn[per_step - 1 :: per_step]


def decayed(value: np.ndarray, random: np.ndarray) -> np.ndarray:
    """y1 as the engine sees it: e^(−1/65535) of what was sent, rounded at random."""
    left = value * np.exp(-1 / np.array([65535]))[0]
    return np.floor(left).astype(np.int64) + (random < left - np.floor(left))


def test_recorded_factors_give_the_recorded_weights_where_the_chip_rounds_at_random(
    config: Config, tmp_path: Path
) -> None:
    """The same with stochastic rounding, for the numbers that Lava's streams give.

    About once in 1000 steps the engine rounds a modulator of none down by one; the weights then move within the
    stimulus, by an eighth of a level times a tag that is not recorded. Those stimuli are set apart and counted.
    """
    stimuli = 80
    given = dataclasses.replace(config, chip=dataclasses.replace(config.chip, rounding="stochastic"), seed=3)
    program = make_chip(resolve(given)).emulator.program
    simulate(given, tmp_path / "run", make_network=make_chip)
    run, length = plastic.open_run(tmp_path / "run"), program.time_steps + 1
    rounding = np.floor(uniform(2, 1, stimuli * length) * 128).astype(np.int64)[length - 1 :: length]
    for number, (layer, scale) in enumerate(zip(program.layers, program.scales, strict=True), 1):
        assert layer.plasticity is not None
        (product,) = layer.plasticity.weight_change
        weight, tag, level, change = in_integers(run, number, scale)
        up = rounded_up = quiet_ones = 0
        for position in range(layer.positions):
            first = layer.plasticity.seed + given.seed + 4 * position + 2
            random = uniform(first, 2, stimuli * length).reshape(stimuli, length)
            quiet = (decayed(np.int64(64), random[:, :-1]) == 64).all(1)
            quiet_ones += int(quiet.sum())
            for stimulus in np.flatnonzero(quiet):
                sent = decayed(64 - 8 * level[stimulus, 0, position], random[stimulus, -1]) - 64
                engine = tag[stimulus, 0, position] * sent[:, None] * product.mantissa
                before = weight[stimulus, position]
                exact = (before << 7) + ((engine >> product.shift) << (product.exponent + 7))
                expected = np.clip((exact + 127 - rounding[stimulus]) >> 7, -256, 255)
                np.testing.assert_array_equal(before + change[stimulus, position], expected)
                moved = (exact & 127) != 0
                up += int(moved.sum())
                rounded_up += int((expected > exact >> 7)[moved].sum())
        assert quiet_ones > 0.85 * stimuli * layer.positions
        assert up > 100
        assert 0.1 < rounded_up / up < 0.9  # not all the same way


@pytest.mark.parametrize("precision", ["fixed", "float"])
def test_lava_records_what_the_others_do(precision: str, config: Config, tmp_path: Path) -> None:
    """In fixed point what the emulator does, bit for bit; in floating point factors whose product is the change."""
    pytest.importorskip("lava")
    chip = dataclasses.replace(config.chip, precision=precision, rounding="stochastic")
    given = dataclasses.replace(
        config, backend="lava", chip=chip, training=dataclasses.replace(config.training, steps=6), record=ALL
    )
    simulate(given, tmp_path / "lava", make_network=make_chip)
    run = plastic.open_run(tmp_path / "lava")
    if precision == "float":
        factors = [run.signal(name, 2).values for name in ("gate", "dendrite", "eligibility", "weight_change")]
        gate, dendrite, eligibility, change = (values[:, 0] for values in factors)
        product = 0.05 * gate[:, None, None, None] * dendrite[..., None] * eligibility
        np.testing.assert_allclose(product, change.reshape(product.shape), rtol=1e-6, atol=1e-9)
        assert np.abs(change).max() > 0
        return
    emulated = dataclasses.replace(given, backend="loihi", chip=dataclasses.replace(chip, precision="fixed"))
    simulate(emulated, tmp_path / "loihi", make_network=make_chip)
    other = plastic.open_run(tmp_path / "loihi")
    assert set(run.traces) == set(other.traces)
    for name in run.traces:
        np.testing.assert_array_equal(run.traces[name].values, other.traces[name].values, err_msg=str(name))
    assert run.signal("weight_change", 2).values.any()
    assert run.signal("spike", 1).values.any()


def whole(values: np.ndarray) -> np.ndarray:
    """Integers, if that is what they are."""
    rounded = np.rint(values)
    np.testing.assert_allclose(values, rounded, atol=1e-6)
    return rounded.astype(np.int64)

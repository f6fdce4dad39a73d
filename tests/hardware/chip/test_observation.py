"""What is recorded of a chip is what its learning engine did: weights again in integers, from the recorded factors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import plastic
from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.hardware.chip.on_lava import quantised_of
from plastic.models.runs.build import make_ensemble
from plastic.models.runs.simulate import simulate

RECORD = "gate,dendrite,modulator,weight,weight_change,rounding,eligibility@stimulus"

ALL = RECORD + "; pre_spike,pre_trace,membrane,post_factor,spike; own"


@pytest.fixture(scope="module")
def config() -> Config:
    given = Config(
        rule="clapp",
        backend="loihi",
        stimuli=Stimuli(levels=2, symbols=4, classes=4, synonyms=2, train_size=24, test_size=8),
        network=Architecture(width=10, weights="local"),
        training=Training(steps=80, probes=0, probe="ridge"),
        record=RECORD,
    )
    return dataclasses.replace(given, chip=dataclasses.replace(given.chip, rounding="nearest"))


@dataclasses.dataclass(frozen=True)
class Recorded:
    """The record of one layer as the chip has it, in whole numbers: (stimuli, …)."""

    weight: NDArray[np.int64]  # (stimuli, positions, neurons, fan_in), as `change` and `tag`
    change: NDArray[np.int64]
    rounding: NDArray[np.int64]  # with 7 bits after the point
    tag: NDArray[np.int64]
    level: NDArray[np.int64]  # of the modulator, (stimuli, positions, neurons)
    told: NDArray[np.int64]  # gate · dendrite with 24 bits after the point, before it is one of the levels


def in_integers(run: Any, number: int, scale: Any) -> Recorded:
    def signal(name: str, unit: float) -> NDArray[np.int64]:
        value = run.signal(name, number)
        return whole((value[:, 0] if "stream" in value.dims else value).values * unit)

    gate, dendrite = signal("gate", 1), signal("dendrite", 2**24)
    change, rounding = signal("weight_change", scale["weight"]), signal("rounding", 128 * scale["weight"])
    tag = signal("eligibility", scale["tag"])
    told = gate[:, None, None] * dendrite
    assert {-1, 0, 1} <= set(gate.tolist())
    level = signal("modulator", scale["modulator"])
    return Recorded(signal("weight", scale["weight"]), change, rounding, tag, level, told)


def uniform(seed: int, count: int, per_step: int = 1) -> NDArray[np.float64]:
    """The number that each step uses of a stream of Lava's: the first of all goes unused, then all but the last."""
    return np.random.Generator(np.random.PCG64(seed)).random(1 + per_step * count)[per_step::per_step]


def mixed(z: int) -> int:
    """The finaliser of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def level_numbers(seed: int, stimulus: int, layer: int, units: int, bits: int) -> list[int]:
    """What rounds the modulators of a layer at random: a counter, mixed."""
    start = mixed((seed << 40) + (stimulus << 8) + layer)
    return [mixed((start + (unit + 1) * 0x9E3779B97F4A7C15) % 2**64) >> (64 - bits) for unit in range(units)]


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_recorded_factors_give_the_recorded_weights_in_integers(rounding: str, config: Config, tmp_path: Path) -> None:
    """η · gate · dendrite · eligibility is the weight change as the engine computes it, at every stimulus and synapse,
    in whole numbers without a tolerance, for the random numbers that round the level and the weight.

    level = gate · dendrite · scale >> shift, at most ± 7; ΔW = −4 · tag · (−8 · level) · 2^exponent.
    """
    stimuli = 80
    given = dataclasses.replace(config, chip=dataclasses.replace(config.chip, rounding=rounding), seed=3)
    program = quantised_of(make_ensemble(resolve(given))).program
    simulate(given, tmp_path / "run")
    run, length = plastic.open_run(tmp_path / "run"), program.time_steps + 1
    up = np.full(stimuli, 63)
    if rounding == "stochastic":  # at the learning step of each stimulus, the last one
        up = 127 - np.floor(uniform(2, stimuli * length) * 128).astype(np.int64)[length - 1 :: length]
    for number, (layer, scale) in enumerate(zip(program.layers, program.scales, strict=True), 1):
        assert layer.plasticity is not None
        (product,), shift = layer.plasticity.weight_change, layer.modulator_shift
        found = in_integers(run, number, scale)
        moved = fractions = rounded_up = 0
        for stimulus in range(stimuli):
            half = np.full(layer.units, 1 << (shift - 1))
            if rounding == "stochastic":
                half = np.array(level_numbers(given.seed, stimulus, number - 1, layer.units, shift))
            told = found.told[stimulus] * layer.modulator_scale + half.reshape(layer.positions, layer.neurons)
            level = np.clip(told >> shift, -7, 7)
            np.testing.assert_array_equal(found.level[stimulus], level)
            engine = -4 * found.tag[stimulus] * (-8 * level[..., None])
            assert not (engine % 2**product.shift).any()  # the shift loses nothing
            exact = (found.weight[stimulus] << 7) + ((engine >> product.shift) << (product.exponent + 7))
            expected = np.clip((np.clip(exact, -(2**15) - 1, 2**15 - 1) + up[stimulus]) >> 7, -256, 255)
            np.testing.assert_array_equal(found.weight[stimulus] + found.change[stimulus], expected)
            np.testing.assert_array_equal(found.rounding[stimulus], (expected << 7) - exact)
            if stimulus < stimuli - 1:  # and nothing else moves weights
                np.testing.assert_array_equal(found.weight[stimulus + 1], expected)
            moved += int((found.change[stimulus] != 0).sum())
            fractions += int((exact & 127 != 0).sum())
            rounded_up += int((expected > exact >> 7)[exact & 127 != 0].sum())
        assert moved > 100
        assert fractions > 100
        assert 0.1 < rounded_up / fractions < 0.9  # not all the same way


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
def test_the_record_of_every_step_is_what_the_chip_has(rounding: str, config: Config, tmp_path: Path) -> None:
    """Traces from spikes, and tags from traces and post factors, in whole numbers for the random numbers that round
    them; the last tag is the one that the weights change by."""
    stimuli, record = 12, "pre_spike,pre_trace,post_factor,eligibility; eligibility,gate,modulator@stimulus"
    given = dataclasses.replace(
        config, chip=dataclasses.replace(config.chip, rounding=rounding), seed=3, record=record,
        training=dataclasses.replace(config.training, steps=stimuli),
    )  # fmt: skip
    program = quantised_of(make_ensemble(resolve(given))).program
    simulate(given, tmp_path / "run")
    run, length, time = plastic.open_run(tmp_path / "run"), program.time_steps + 1, program.time_steps
    up = np.full((stimuli, length), 63)
    if rounding == "stochastic":
        up = 127 - np.floor(uniform(2, stimuli * length) * 128).astype(np.int64).reshape(stimuli, length)
    for number, (layer, scale) in enumerate(zip(program.layers, program.scales, strict=True), 1):
        assert layer.plasticity is not None
        product, left = layer.plasticity.tag_change[0], np.exp(-1 / np.array([layer.plasticity.trace_tau]))[0]
        seen = {
            name: whole(run.traces[f"layer{number}_{name}"].values[:, 0] * unit)
            for name, unit in {
                "pre_spike": 1, "pre_trace": scale["trace"], "post_factor": scale["post_factor"],
                "eligibility": scale["tag"], "eligibility_stimulus": scale["tag"],
            }.items()
        }  # fmt: skip
        for position in range(layer.positions):
            random = np.full((stimuli, length), 0.5)
            if rounding == "stochastic":
                first = layer.plasticity.seed + given.seed + 4 * position
                random = uniform(first, stimuli * length, 2).reshape(stimuli, length)
            for stimulus in range(stimuli):
                part = slice(stimulus * time, (stimulus + 1) * time)
                arrives, x1, y2 = (seen[k][part, position] for k in ("pre_spike", "pre_trace", "post_factor"))
                tags = seen["eligibility"][part, position]
                trace, tag = np.zeros_like(x1[0]), np.zeros_like(tags[0])
                for t in range(time):
                    kept = trace * left
                    trace = np.floor(kept).astype(np.int64) + (random[stimulus, t] < kept - np.floor(kept))
                    if t + 1 < time:  # what is sent in the last step arrives never
                        trace = np.minimum(trace + layer.plasticity.trace_impulse * arrives[t + 1], 127)
                        np.testing.assert_array_equal(x1[t], trace)
                    trace = x1[t]
                    added = ((x1[t] * y2[t][:, None] * product.mantissa) >> product.shift) << (product.exponent + 7)
                    tag = np.minimum(((tag << 7) + added + up[stimulus, t]) >> 7, 255)
                    np.testing.assert_array_equal(tags[t], tag)
                np.testing.assert_array_equal(tag, seen["eligibility_stimulus"][stimulus, position])
        assert seen["eligibility"].max() > 50
        assert seen["pre_trace"].max() > 30


@pytest.mark.parametrize("precision", ["fixed", "float"])
def test_lava_records_what_the_others_do(precision: str, config: Config, tmp_path: Path) -> None:
    """In fixed point what the emulator does, bit for bit; in floating point factors whose product is the change."""
    pytest.importorskip("lava")
    chip = dataclasses.replace(config.chip, precision=precision, rounding="stochastic")
    record = ALL if precision == "fixed" else ALL.replace("rounding,", "")  # floats are not rounded
    given = dataclasses.replace(
        config, backend="lava", chip=chip, training=dataclasses.replace(config.training, steps=6), record=record
    )
    simulate(given, tmp_path / "lava")
    run = plastic.open_run(tmp_path / "lava")
    if precision == "float":
        factors = [run.signal(name, 2).values for name in ("gate", "dendrite", "eligibility", "weight_change")]
        gate, dendrite, eligibility, change = (values[:, 0] for values in factors)
        product = 0.05 * gate[:, None, None, None] * dendrite[..., None] * eligibility
        np.testing.assert_allclose(product, change.reshape(product.shape), rtol=1e-6, atol=1e-9)
        assert np.abs(change).max() > 0
        return
    emulated = dataclasses.replace(given, backend="loihi", chip=dataclasses.replace(chip, precision="fixed"))
    simulate(emulated, tmp_path / "loihi")
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

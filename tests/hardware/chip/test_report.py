"""What a network loses as integers: the report against numbers worked out by hand, and the files of a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from plastic.cli import main
from plastic.hardware.chip.options import circuit_of
from plastic.hardware.compiler.options import Chip, Quantised, Ranges
from plastic.hardware.compiler.quantiser import quantise
from plastic.models.network.layer import dense
from plastic.models.neuron.constants import SpikingStep
from plastic.rules import load_rule


def quantised(ranges: Ranges, weight: np.ndarray, chip: Chip | None = None, rate: float = 0.1) -> Quantised:
    """Two inputs, two neurons, DFA."""
    rule, network, step = load_rule("dfa", {}), dense(2, (2,), 3), SpikingStep(trace_timing="emitted")
    given = {"layer1.weight": weight, "layer1.B": np.zeros((2, 3)), "readout.weight": np.zeros((3, 2))}
    return quantise(rule, network, step, 20, rate, given, [ranges], circuit_of(rule, network, rate), chip)


def test_the_report_is_what_a_pencil_says() -> None:
    """S_w = ⌊255 / (1.25 · 2)⌋ = 102 steps per threshold; an update η m e = 0.1 · 0.1 · 1 is 1.02 of them."""
    found = quantised(Ranges(2.0, 10.0, 0.5, 1.0, 0.1), np.array([[1.0, -2.0], [0.5, 3.0]])).report[0]
    assert found.threshold == 102
    assert found.weight_step == pytest.approx(1 / 102)
    assert found.typical_update == pytest.approx(0.1 * 0.1 * 1.0 * 102)
    assert found.largest_weight == pytest.approx(2 * 102 / 255)
    assert found.weights_beyond == 0.25  # 3 · 102 = 306
    assert found.expected == "weights saturate"
    impulse = math.floor(127 * (1 - math.exp(-0.1)) / (1 - math.exp(-2.0)))  # λ = 0.9 has τ = 10, 20 steps
    assert impulse == 13  # the largest tag is 127 · 13 · 10 = 16510 times a gain of m · 2^k / 1024, m ≤ 7, up to 255
    assert found.largest_tag == pytest.approx(16510 * 14 / 1024 / 255)


@pytest.mark.parametrize(
    ("ranges", "chip", "rate", "words"),
    [
        (Ranges(2.0, 10.0, 0.5, 1.0, 0.1), Chip(), 0.1, "fits"),
        (Ranges(2.0, 10.0, 0.5, 1.0, 0.1), Chip(weight_bits=4), 0.1, "below half a step"),  # 1.02 / 16
        (Ranges(2.0, 10.0, 0.5, 1.0, 0.04), Chip(), 0.1, "below half a step"),  # 0.41
        (Ranges(2.0, 10.0, 1e-4, 1.0, 1e-5), Chip(), 0.1, "coarse"),
    ],
)
def test_what_to_expect_is_said(ranges: Ranges, chip: Chip, rate: float, words: str) -> None:
    assert words in quantised(ranges, np.array([[1.0, -2.0], [0.5, 1.5]]), chip, rate).report[0].expected


@pytest.mark.painted
def test_a_run_on_a_chip_says_what_it_lost(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = "--rule dfa --backend loihi --width 8 --steps 20 --train-size 64 --test-size 60 --time-steps 12 --probes 0"
    assert main(["simulate", *given.split(), "--weight-bits", "6", "--out", str(run)]) == 0
    assert (run / "quantisation.png").read_bytes().startswith(b"\x89PNG")
    lost = json.loads((run / "quantisation.json").read_text())
    assert lost["calibrated_on"] == "snntorch"
    layers = lost["layers"]
    weights = load_file(run / "weights.safetensors")
    assert len(layers) == 2
    for number, layer in enumerate(layers, 1):
        steps = weights[f"layer{number}.weight"].astype(np.float64) / layer["weight_step"]
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)  # the step is the chip's
        assert layer["weight_step"] == pytest.approx(4 / layer["scales"]["weight"])  # 6 bits of 8
        assert 0.8 < layer["neuron_steps_that_agree"] <= 1
        assert layer["spikes_integer"] > 100
        assert layer["spikes_float"] == pytest.approx(layer["spikes_integer"], rel=0.2)
        assert 0 < layer["largest_weight_error"] <= 2 * layer["weight_step"]  # the first bit is lost at the start too
        whole = np.rint(steps * 4).ravel()
        assert layer["weights_at_bounds_in_the_end"] == pytest.approx(np.mean((whole <= -256) | (whole >= 252)))

"""Experiments on one synapse of a chip against scalar loops by hand, in integers and in floating point, and on Lava."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from plastic.cli import main
from plastic.errors import PlasticError
from plastic.hardware.chip.synapse import integer_program, probe_on_chip
from plastic.hardware.program.spec import Program
from plastic.models.neuron.constants import SpikingStep
from plastic.models.studies.synapse import STRONG, WEAK
from plastic.rules import load_rule

STEP = SpikingStep(membrane_decay=0.8, trace_decay=0.85)
LAGS = [-50, -25, 0, 25, 50]
DECAY = math.exp(-1 / 6)  # the chip's, nearest to 0.85
Z, C = 1 / 160, 19 / 160  # one spike, after a context of nineteen; W_pred = 1: gate open, modulator ± C


def by_hand_in_integers(program: Program, lag: int) -> tuple[int, int]:
    """Tag and weight after a fixation, each operation on whole numbers, with all rounding to the nearest."""
    (layer,) = program.layers
    assert layer.plasticity is not None
    constants, (gain, _), (product,) = layer.constants, layer.plasticity.tag_change, layer.plasticity.weight_change
    strong = int(layer.weight[0, 0, 1])
    v = x1 = tag = fired = 0
    for t in range(160):
        v = (v * (4096 - constants.membrane_decay) >> 12) + (strong << 6 if t == 80 + lag else 0)
        distance = abs(v - (constants.threshold << 6)) >> constants.post_factor_shift
        y2 = int(constants.post_factor[min(distance, len(constants.post_factor) - 1)])
        if v > constants.threshold << 6:
            v, fired = 0, fired + 1
        x1 = round(x1 * math.exp(-1 / layer.plasticity.trace_tau)) + (
            layer.plasticity.trace_impulse if t == 79 else 0
        )  # when it is sent
        added = (x1 * y2 * gain.mantissa >> gain.shift) << (gain.exponent + 7)
        tag = min(((tag << 7) + added + 63) >> 7, 255)
    assert fired == 1
    level = math.floor(C * program.scales[0]["modulator"] + 0.5)
    assert 0 < level <= 7
    change = ((-8 * level) * tag * product.mantissa >> product.shift) << (product.exponent + 7)
    return tag, (change + 63) >> 7


def test_the_window_of_spike_times_is_the_one_by_hand_in_integers() -> None:
    rule, step = load_rule("clapp"), replace(STEP, trace_decay=0.6)  # rounded to nearest, a slower one never ends
    program, rate = integer_program(rule, "stdp", len(LAGS), step, "nearest")
    scale = program.scales[0]
    _, outcomes, _ = probe_on_chip(rule, "loihi", "stdp", len(LAGS), step, 1, "nearest")
    assert [one.x for one in outcomes] == LAGS * 2
    for one in outcomes[: len(LAGS)]:
        tag, change = by_hand_in_integers(program, int(one.x))
        assert one.eligibility * scale["tag"] == pytest.approx(tag, abs=1e-9)
        assert one.weight_change * scale["weight"] * rate == pytest.approx(change, abs=1e-9)
        assert one.spread == 0
    tags = [one.eligibility * scale["tag"] for one in outcomes]
    assert 100 < max(tags) < 255
    assert tags[LAGS.index(0)] > 1.5 * tags[LAGS.index(-25)]


def by_hand(lag: int) -> float:
    """Eligibility in floating point, with the trace that a spike enters when it is sent and the chip's constants."""
    u = x = e = 0.0
    for t in range(160):
        u = STEP.membrane_decay * u + (STRONG if t == 80 + lag else 0.0) + (WEAK if t == 80 else 0.0)
        x = DECAY * x + (t == 79)
        e += x / (1 + STEP.slope * abs(u - STEP.threshold)) ** 2
        u = 0.0 if u > STEP.threshold else u
    return e


def test_the_mean_over_repeats_is_the_window_in_floating_point() -> None:
    _, outcomes, told = probe_on_chip(load_rule("clapp"), "loihi", "stdp", len(LAGS), STEP, 256)
    assert told["trace_decay"] == pytest.approx(DECAY)
    for one in outcomes:
        assert one.gate == one.fixation
        assert one.dendrite == pytest.approx(C, rel=1e-5)
        assert one.modulator == pytest.approx(one.fixation * C, rel=0.02)
        assert one.eligibility == pytest.approx(by_hand(int(one.x)), rel=0.04)
        assert one.weight_change == pytest.approx(one.fixation * C * by_hand(int(one.x)), rel=0.06)
        assert 0 < one.spread < 0.5 * abs(one.weight_change)


def test_lava_finds_the_same_bit_for_bit() -> None:
    pytest.importorskip("lava")
    rule = load_rule("clapp")
    emulated, on_lava = (probe_on_chip(rule, backend, "stdp", 2, STEP, 1) for backend in ("loihi", "lava"))
    assert emulated == on_lava
    assert {np.sign(one.weight_change) for one in on_lava[1]} == {-1, 1}


def test_the_gate_closes_on_the_chip_where_the_hinge_says() -> None:
    _, outcomes, _ = probe_on_chip(load_rule("clapp"), "loihi", "gate-sweep", 5, STEP, 64)
    z, c = 12 / 100, 49 / 100
    for one in outcomes:
        assert one.dendrite == pytest.approx(one.x * c, rel=1e-5, abs=1e-6)
        assert one.gate == (one.fixation if one.fixation * z * one.x * c < 1 else 0)
    assert {one.gate for one in outcomes} == {-1, 0, 1}
    moved = [one for one in outcomes if one.gate and one.x]
    assert all(np.sign(one.weight_change) == np.sign(one.gate * one.x) for one in moved)
    assert all(one.weight_change == one.spread == 0 for one in outcomes if not one.gate)


def test_the_command_says_what_the_chip_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "probe.svg"
    arguments = [
        "--backend",
        "loihi",
        "--rule",
        "lpl",
        "--rule-options",
        "sides=current",
        "--points",
        "3",
        "--protocol",
        "pairing-frequency",
    ]
    assert main(["probe-rule", *arguments, "--repeats", "4", "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["chip"]["repeats"] == 4
    assert 0 < record["chip"]["weight_step"] < 0.01
    assert "mean ± SD of 4 repeats" in out.read_text()


def test_what_a_chip_cannot_have_is_refused() -> None:
    with pytest.raises(PlasticError, match="sides=both credits two stimuli"):
        probe_on_chip(load_rule("clapp", {"sides": "both"}), "loihi", "stdp", 3, STEP, 1)
    with pytest.raises(PlasticError, match="no eligibility in a tag"):
        probe_on_chip(load_rule("espp", {"gate": "online"}), "loihi", "stdp", 3, STEP, 1)

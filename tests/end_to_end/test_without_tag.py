"""Without a tag: dw = x1 · (y2 − 64) with y2 = 64 + 2 · level of m_i ψ_i, for rules whose modulator is known before."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from chips import compare

from plastic.cli import main
from plastic.experiments.studies.chip_exact import settings, task
from plastic.hardware.chip.on_lava import quantised_of
from plastic.hardware.chip.options import Hardware, circuit_of
from plastic.hardware.chip.refusals import chip_options
from plastic.hardware.compiler.options import Chip
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.emulator.kernels import _level
from plastic.hardware.program.spec import ChipLayer, Program, Rounding
from plastic.models.network.layer import tree
from plastic.models.training.ensemble import Ensemble
from plastic.rules import all_rules, load_rule

RULE = "drtp"
SMALL = [
    "--symbols", "4", "--classes", "4", "--synonyms", "2", "--width", "8", "--time-steps", "10", "--steps", "12",
    "--probes", "0", "--probe", "ridge", "--train-size", "24", "--test-size", "8", "--learning-rate", "0.1",
]  # fmt: skip


def ensemble(rounding: Rounding, seed: int = 0, rate: float = 0.1) -> Ensemble:
    chip = Chip(rounding, seed=seed, eligibility="none")
    given = replace(settings(RULE, "loihi"), options=Hardware(chip, calibration=(50, 4)))
    return Ensemble(given, [task(seed)], [seed], [rate])


def program(made: Ensemble) -> Program:
    return quantised_of(made).program


def stimuli(made: Ensemble, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    spikes, targets = [], []
    for k in range(count):
        shown = made.stream.next()
        spikes.append(made.encode(shown.inputs, "spikes", k)[0, :, 0].numpy())
        targets.append(np.eye(made.network.classes, dtype=np.int64)[shown.labels[0, 0]])
    return np.stack(spikes), np.ones(count, np.int64), np.stack(targets)


def test_which_rules_know_their_modulator_before_is_read_from_their_declaration() -> None:
    network = tree(4, 8, 2, (6, 5), 8, shared=False)
    fitting = {n: load_rule(n, o) for n in all_rules() if (o := chip_options(n)) is not None}
    early = {name for name, rule in fitting.items() if rule.acts.learn and circuit_of(rule, network, 0.1).known_before}
    assert early == {RULE}


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_emulator_and_lava_agree_bit_for_bit(rounding: Rounding) -> None:
    made = ensemble(rounding, seed=1)
    found = compare(program(made), *stimuli(made, 20), seed=1, every=10)
    assert found.differing == []
    assert all(0.01 < rate < 0.7 for rate in found.rates), found.rates
    assert all(moved > 0.1 for moved in found.moved), found.moved
    assert found.largest_tag == 0  # there is none
    assert max(abs(m).max() for m in found.modulators) > 40


def test_levels_are_the_nearest_and_end_at_31() -> None:
    for modulator in (-127, -126, -64, -1, 0, 1, 63, 126, 127):
        for psi in range(128):
            nearest = math.floor(Fraction(modulator * psi, 512) + Fraction(1, 2))
            assert _level(modulator, psi) == max(-31, min(31, nearest))
    assert math.floor(Fraction(127 * 127, 512) + Fraction(1, 2)) == 32  # the only one beyond


def test_weights_change_in_every_step_as_the_rule_says() -> None:
    """Σ η m_i Σ_t ψ_i x̄_j in plain numpy from the spikes and membranes that the emulator shows, not its factors; and
    nothing changes after the stimulus."""
    made = ensemble("stochastic", rate=0.05)
    given, emulator = program(made), Emulator(program(made), [0])
    first = emulator.weights
    expected = [np.zeros(weight[0].shape) for weight in first]
    for spikes, fixation, target in zip(*(part[:, None] for part in stimuli(made, 25)), strict=True):
        done = emulator.stimulus(spikes, True, fixation, target)
        before = emulator.weights
        emulator.learn(done, fixation, target)
        assert all((a == b).all() for a, b in zip(emulator.weights, before, strict=True))
        below = spikes[0].astype(float)
        for index, whole in enumerate(expected):
            modulator = -made.parameters[f"layer{index + 1}.B"][0].double().numpy() @ target[0]
            membrane, scale = done.signals[index][0][0], given.scales[index]["weight"]
            e = eligibility(below, membrane / (64 * scale), given.layers[index].constants.threshold / scale, made)
            whole += 0.05 * scale * by_position(modulator[:, None] * e, given.layers[index])
            below = done.spikes[index][0].astype(float)
    for weight, start, whole in zip(emulator.weights, first, expected, strict=True):
        change, moved = (weight[0] - start[0]).astype(float), np.abs(whole) > 4
        assert moved.sum() > 30
        assert np.corrcoef(change[moved], whole[moved])[0, 1] > 0.95
        assert 0.85 < (change * whole).sum() / (whole**2).sum() < 1.15


def eligibility(below: np.ndarray, membrane: np.ndarray, threshold: float, made: Ensemble) -> np.ndarray:
    """Σ_t ψ_i[t] x̄_j[t] of all units and all inputs."""
    step = made.settings.step
    psi = 1 / (1 + step.slope * np.abs(membrane - threshold)) ** 2
    trace, found = np.zeros(below.shape[1]), np.zeros((membrane.shape[1], below.shape[1]))
    for t in range(len(below)):
        trace = step.trace_decay * trace + below[t]
        found += psi[t][:, None] * trace
    return found


def by_position(all_pairs: np.ndarray, layer: ChipLayer) -> np.ndarray:
    """(positions, neurons, fan_in): each unit with the inputs that it has."""
    p, n, k = layer.positions, layer.neurons, layer.fan_in
    return np.stack([all_pairs[i * n : (i + 1) * n, i * k : (i + 1) * k] for i in range(p)])


def test_a_run_and_its_bundle_without_a_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    arguments = ["simulate", "--rule", RULE, "--backend", "loihi", "--eligibility", "none", *SMALL]
    assert main([*arguments, "--out", str(run)]) == 0
    assert main(["export", str(run), "--to", "lava", str(bundle), "--stimuli", "12"]) == 0
    rules = json.loads((bundle / "manifest.json").read_text())["learning_rules"]
    assert all(rule["dt"] is None and "u0*x1*(y2-64)" in rule["dw"] for rule in rules)
    capsys.readouterr()
    assert main(["verify", str(bundle), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["emulator"]["weights_moved"] > 20


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rule", "clapp", "--backend", "loihi"], "take --eligibility tag"),
        (["--rule", "espp", "--backend", "lava"], "take --eligibility tag"),
        (["--rule", "eprop", "--backend", "loihi"], "take --eligibility tag"),
        (["--rule", RULE, "--backend", "lava", "--precision", "float"], "take --precision fixed"),
        (["--rule", RULE, "--backend", "snntorch"], "chip"),
    ],
)
def test_what_needs_the_tag_is_refused(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", *arguments, "--eligibility", "none", *SMALL, "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert len(told.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_tag_and_no_tag_are_two_programs() -> None:
    tagged = Hardware(Chip("nearest"), calibration=(50, 4))
    made = Ensemble(replace(settings(RULE, "loihi"), options=tagged), [task(0)], [0], [0.1])
    assert program(made).eligibility == "tag"
    assert program(ensemble("nearest")).eligibility == "none"

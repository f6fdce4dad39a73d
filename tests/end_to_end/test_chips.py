"""`plastic simulate` on chips from the command line: every rule that fits runs, every other is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import plastic
from plastic.cli import main
from plastic.experiments.studies.chip_exact import RATE
from plastic.hardware.chip.refusals import chip_options
from plastic.rules import all_rules, load_rule

FITTING = {name: options for name in all_rules() if (options := chip_options(name)) is not None}
SMALL = [
    "--symbols", "4", "--classes", "4", "--synonyms", "2", "--width", "8", "--time-steps", "10", "--steps", "8",
    "--probes", "0", "--probe", "ridge", "--train-size", "24", "--test-size", "8",
]  # fmt: skip
FILES = {
    "config.toml", "metrics.jsonl", "picture.png", "result.json", "traces.zarr", "versions.json", "weights.safetensors",
}  # fmt: skip


def simulate(out: Path, rule: str, *more: str, options: dict[str, str] | None = None) -> int:
    """On L = 2, with the rule's options for a chip."""
    given = [f"{k}={v}" for k, v in (options if options is not None else FITTING.get(rule, {})).items()]
    chosen = ["--rule-options", *given] if given else []
    return main(["simulate", "--rule", rule, *chosen, "--learning-rate", str(RATE.get(rule, 0.1)), *SMALL, *more,
                 "--out", str(out)])  # fmt: skip


def whole(run: Path) -> dict[str, np.ndarray]:
    """The last weights of a run folder that has all its files."""
    assert {path.name for path in run.iterdir()} >= FILES
    result = json.loads((run / "result.json").read_text())
    assert len(result["probe_accuracy"]) == len(result["untrained_accuracy"]) == 2
    opened = plastic.open_run(run)
    assert opened.signal("pre_spike", 1).values.sum() > 0
    return load_file(run / "weights.safetensors")


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, marks=[pytest.mark.painted] if rule == "clapp" else []) for rule in FITTING]
)
def test_every_rule_that_fits_runs_on_loihi(rule: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert simulate(run, rule, "--backend", "loihi", "--record", "pre_spike;weight@stimulus") == 0
    last = whole(run)
    lost = json.loads((run / "quantisation.json").read_text())["layers"]
    for name in ("picture.png", "quantisation.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG") == (rule == "clapp")
    weight = plastic.open_run(run).signal("weight", 2).values
    assert (np.ptp(weight, axis=0) > 0).any() == load_rule(rule, {}).acts.learn
    for number, layer in enumerate(lost, 1):
        steps = last[f"layer{number}.weight"].astype(np.float64) * layer["scales"]["weight"]
        np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)  # whole numbers, 8 bits and a sign
        assert -256 <= steps.min() < steps.max() <= 255


@pytest.mark.parametrize("rule", [name for name in all_rules() if name not in FITTING])
@pytest.mark.parametrize("backend", ["loihi", "lava"])
def test_every_other_rule_is_refused(
    rule: str, backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(tmp_path / "run", rule, "--backend", backend) == 2
    told = capsys.readouterr().err
    assert len(told.strip().splitlines()) == 1
    assert f"rule {rule!r}" in told
    assert ";" in told  # what is to be done
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "more", [["--rounding", "nearest", "--weight-bits", "6"], ["--precision", "float"]], ids=["fixed", "float"]
)
def test_lava_runs_whole(more: list[str], tmp_path: Path) -> None:
    """In fixed point with fewer bits, beside the emulator; and in floating point, beside the reference."""
    lava, other = tmp_path / "lava", tmp_path / "other"
    assert simulate(lava, "dfa", "--backend", "lava", *more) == 0
    fixed = more[0] == "--rounding"
    beside = ["--backend", "loihi", *more] if fixed else ["--backend", "reference", "--trace-timing", "emitted"]
    alone = [] if fixed else ["--batch", "1", "--optimizer", "sgd", "--weights", "local"]
    assert simulate(other, "dfa", *beside, *alone) == 0
    found, expected = whole(lava), whole(other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=0 if fixed else 1e-6)
    spikes = [plastic.open_run(run).signal("pre_spike", 2).values for run in (lava, other)]
    np.testing.assert_array_equal(*spikes)


def test_a_config_repeats_a_run_on_a_chip(tmp_path: Path) -> None:
    assert simulate(tmp_path / "a", "clapp", "--backend", "loihi", "--seed", "3") == 0
    assert main(["simulate", "--config", str(tmp_path / "a" / "config.toml"), "--out", str(tmp_path / "b")]) == 0
    first, again = whole(tmp_path / "a"), whole(tmp_path / "b")
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--backend", "loihi", "--batch", "4"], "one stream"),
        (["--backend", "loihi", "--weights", "shared"], "take --weights local"),
        (["--backend", "loihi", "--trace-timing", "arrived"], "--trace-timing emitted"),
        (["--backend", "loihi", "--weight-bits", "9"], "2 to 8"),
        (["--backend", "loihi", "--rounding", "up"], "rounding"),
        (["--backend", "loihi", "--optimizer", "adam"], "take --optimizer sgd"),
        (["--backend", "loihi", "--weight-bound", "1"], "leave --weight-bound out"),
        (["--backend", "loihi", "--learning-rate", "1e9"], "lower the learning rate"),
        (["--backend", "loihi", "--topology", "dense", "--width", "600"], "at most"),
        (["--backend", "lava", "--precision", "double"], "precision"),
        (["--backend", "snntorch", "--weight-bits", "6"], "--weight-bits"),
    ],
)
def test_what_a_chip_has_not_is_one_sentence(
    more: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate(tmp_path / "run", "clapp", *more) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())

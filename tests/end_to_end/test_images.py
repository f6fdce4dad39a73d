"""Convolutional networks on images through the command line, from the user's files to the run folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from plastic.cli import main
from plastic.models.backends.refusals import refusal
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.metrics import layer_metrics
from plastic.rules import all_rules, load_rule
from plastic.stimuli.digit_images import digits_task

TINY = ["--backend", "rate", "--steps", "24", "--width", "2", "--batch", "8", "--probes", "1", "--probe", "ridge"]


def write_cifar10(folder: Path) -> None:
    """Six files of images whose brightness tells their class."""
    draw = np.random.default_rng(0)
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        labels = np.arange(20) % 10
        pixels = draw.integers(0, 30, (20, 3072)) + 22 * labels[:, None]
        rows = np.concatenate([labels[:, None], pixels], axis=1).astype(np.uint8)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())


def run(folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["simulate", *TINY, *arguments, "--out", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.parametrize("pairing", [pytest.param("class", marks=pytest.mark.painted), "within"])
def test_cifar10_from_files_by_the_vgg(pairing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cifar10(tmp_path)
    data = ["--rule", "clapp++", "--data", "cifar10", "--data-path", str(tmp_path), "--pairing", pairing]
    sizes = ["--train-size", "60", "--test-size", "20"]
    result = run(tmp_path / "run", [*data, *sizes], capsys)
    assert len(result["probe_accuracy"]) == 6
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    assert [weights[f"layer{k}.weight"].shape for k in (1, 2, 6)] == [(2, 27), (4, 18), (16, 144)]
    assert weights["layer1.B"].shape == (8 * 8 * 2,) * 2
    painted = (tmp_path / "run" / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert painted == (pairing == "class")
    again = run(tmp_path / "again", ["--config", str(tmp_path / "run" / "config.toml")], capsys)
    assert again["probe_accuracy"] == result["probe_accuracy"]


@pytest.mark.parametrize("name", [n for n, rule in all_rules().items() if refusal(rule(), "rate", 16) is None])
def test_every_rule_trains_a_convolutional_network(name: str) -> None:
    task = digits_task(100, "within")
    settings = Settings(load_rule(name), (2,) * 4, topology="conv", batch=16, activation="tanh")
    ensemble = Ensemble(settings, [task, task], [0, 1], [1e-3, 1e-3])
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    metrics: dict[str, list[float | None]] = {}
    ensemble.train(3)
    ensemble.step(layer_metrics(metrics))
    assert all(torch.isfinite(v).all() for v in ensemble.parameters.values())
    moved = {k for k, v in ensemble.parameters.items() if not torch.equal(v, before[k])}
    assert ("layer4.weight" in moved) == (name != "none")
    assert ("layer1.weight" in moved) == (name not in ("none", "last-layer"))
    assert len(metrics["activity"]) == 4


def test_members_of_an_ensemble_are_their_single_runs() -> None:
    task = digits_task(100, "within")
    settings = Settings(load_rule("clapp++"), (2,) * 3, topology="conv", batch=8, dtype=torch.float64)
    pair = Ensemble(settings, [task, task], [0, 1], [1e-3, 1e-3])
    alone = Ensemble(settings, [task], [1], [1e-3])
    pair.train(3)
    alone.train(3)
    for name, value in alone.parameters.items():
        torch.testing.assert_close(pair.parameters[name][1], value[0], rtol=1e-9, atol=1e-12)

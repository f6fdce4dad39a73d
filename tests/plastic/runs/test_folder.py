"""Run folders: what an earlier plastic left, and what a kill or a full disk can leave."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import plastic
from plastic.cli import main
from plastic.config.file import from_toml, to_toml
from plastic.errors import PlasticError
from plastic.runs.folder import RunFolder, read_result
from plastic.traces.opened import open_run

# What the plastic that wrote no version into its files put into the checkpoint beside OLD_CONFIG.
OLD_FINGERPRINT = "0a464cda5d98e5f2b058c78b13d3fe9e2fe6ea09efdc40a07ab3e8f0f0635f3d"
OLD_CONFIG = """\
rule = "clapp"
backend = "rate"
mask = "sample"
rule_options = []
seed = 3
device = "auto"
dtype = "float32"
record = "none"
threads = 1

[stimuli]
data = "rhm"
data_path = ""
levels = 2
symbols = 4
synonyms = 2
classes = 4
branching = 2
pairing = "class"
input_format = "whitened"
train_size = 24
test_size = 8
fixation_probability = 0.5
fixation_error = 0.0

[network]
topology = "tree"
depth = 2
width = 8
weights = "shared"
activation = "relu"

[spiking]
time_steps = 20
membrane_decay = 0.9
trace_decay = 0.9
threshold = 1.0
surrogate = "fast-sigmoid"
slope = 2.0
learning_period = 1
trace_timing = "arrived"
coding = "poisson"
input_rate = 0.5
initial_rate = 0.0

[training]
steps = 20
batch = 8
learning_rate = 0.001
optimizer = "adam"
weight_bound = inf
context = "held"
statistics = "batch"
statistics_time_constant = 100.0
probes = 1

[chip]
rounding = "stochastic"
weight_bits = 8
eligibility = "tag"
precision = "fixed"
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run by the settings of the old file, to its end."""
    home = tmp_path_factory.mktemp("finished")
    (home / "old.toml").write_text(OLD_CONFIG)
    assert main(["simulate", "--config", str(home / "old.toml"), "--out", str(home / "run")]) == 0
    return home / "run"


@pytest.fixture
def whole(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, in the folder where the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    shutil.copytree(finished, tmp_path / "whole")
    return tmp_path / "whole"


def half_done(whole: Path, config: str, fingerprint: bytes) -> Path:
    """The folder as it was when its only checkpoint was written, with this config.toml."""
    folder = whole.with_name("killed")
    shutil.copytree(whole, folder)
    for name in ("result.json", "weights.safetensors"):
        (folder / name).unlink()
    (folder / "config.toml").write_text(config)
    saved = load_file(folder / "checkpoint.safetensors")
    save_file(saved | {"settings": np.frombuffer(fingerprint, np.uint8)}, folder / "checkpoint.safetensors")
    return folder


def test_a_run_of_an_earlier_plastic_goes_on_as_it_would_have(whole: Path) -> None:
    old = bytes.fromhex(OLD_FINGERPRINT)
    assert hashlib.sha256(OLD_CONFIG.encode()).digest() == old
    killed = half_done(whole, OLD_CONFIG, old)
    assert main(["simulate", "--resume", "killed"]) == 0
    for name in ("weights.safetensors", "metrics.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert (killed / "config.toml").read_text() == OLD_CONFIG
    assert (whole / "config.toml").read_text() == to_toml(from_toml(OLD_CONFIG)) != OLD_CONFIG


def test_a_run_of_an_earlier_plastic_is_probed_as_it_was(whole: Path) -> None:
    """Ridge by its closed form, on the features of the network that the run ended with."""
    sim = plastic.load(whole)
    task, measured = sim.ensemble.tasks[0], []
    train, test = (sim.ensemble.features(0, e, f"probe-{n}") for e, n in ((task.train, "train"), (task.test, "test")))
    for a, b in zip(train, test, strict=True):
        deviation = np.where(a.std(0) > 0, a.std(0), 1)
        x, y = (a - a.mean(0)) / deviation, np.eye(task.classes)[task.train.labels]
        w = np.linalg.solve(x.T @ x + 0.01 * len(x) * np.eye(x.shape[1]), x.T @ (y - y.mean(0)))
        answers = ((b - a.mean(0)) / deviation @ w + y.mean(0)).argmax(1)
        measured.append(float(np.mean(answers == task.test.labels)))
    result = read_result(whole)
    assert result is not None
    assert result["probe"] == "ridge"
    assert result["probe_accuracy"] == pytest.approx(measured)
    assert result["readout_accuracy"] is None


def test_a_setting_that_has_come_since_does_not_change_an_old_run(whole: Path) -> None:
    """The file is then what the fingerprint was made of, and not the settings as they are today."""
    older = OLD_CONFIG.replace("threads = 1\n", "")
    assert older != OLD_CONFIG
    fingerprint = hashlib.sha256(older.encode()).digest()
    killed = half_done(whole, older, fingerprint)
    folder, saved = RunFolder.open(killed)
    folder.write_checkpoint(saved)
    assert load_file(killed / "checkpoint.safetensors")["settings"].tobytes() == fingerprint  # and goes on again
    (killed / "config.toml").write_text(older.replace("seed = 3", "seed = 4"))
    with pytest.raises(PlasticError, match="was changed after"):
        RunFolder.open(killed)


def test_a_run_of_the_latent_pairing_of_earlier_versions_goes_on_by_its_law(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whose strings tests/conformance/test_one_law.py writes out; without a version it must be said which is meant."""
    older = OLD_CONFIG.replace('"class"', '"latent:1"')
    Path("old.toml").write_text(f"version = 2\n{older}")
    assert main(["simulate", "--config", "old.toml", "--out", "run"]) == 0
    fingerprint = hashlib.sha256(older.encode()).digest()
    killed = half_done(Path("run"), older, fingerprint)
    capsys.readouterr()
    assert main(["simulate", "--resume", "killed"]) == 2
    assert "put 'version = 3' above it for today's, 'version = 2' for a run made before" in capsys.readouterr().err
    (killed / "config.toml").write_text(f"version = 2\n{older}")
    assert main(["simulate", "--resume", "killed"]) == 0
    for name in ("weights.safetensors", "metrics.jsonl"):
        assert (killed / name).read_bytes() == Path("run", name).read_bytes()
    Path("new.toml").write_text(f"version = 3\n{older}")
    assert main(["simulate", "--config", "new.toml", "--out", "new"]) == 0
    assert Path("new/weights.safetensors").read_bytes() != Path("run/weights.safetensors").read_bytes()
    shown = [read_result(Path(name))["distinct_shown_at_most"] for name in ("run", "new")]  # type: ignore[index]
    assert shown == [24, 24]  # of 32 strings 8 are to test on


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"\0" * 40])
def test_a_result_that_cannot_be_read_is_none(content: bytes, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = json.loads((whole / "result.json").read_text())
    assert read_result(whole) == good
    (whole / "result.json").write_bytes(content)
    assert read_result(whole) is None
    assert open_run(whole).result is None
    capsys.readouterr()
    assert main(["export", "whole", "--to", "nir", "x.nir"]) == 2
    assert "has not ended; finish it with: plastic simulate --resume" in capsys.readouterr().err
    assert main(["simulate", "--resume", "whole"]) == 0
    again = read_result(whole)
    assert again is not None
    assert again["probe_accuracy"] == good["probe_accuracy"]


def test_an_empty_config_is_not_the_defaults(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (whole / "result.json").unlink()
    (whole / "config.toml").write_text("")
    for arguments in (["--resume", "whole"], ["--config", "whole/config.toml"]):
        capsys.readouterr()
        assert main(["simulate", *arguments]) == 2
        assert "the config 'whole/config.toml' is empty" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_what_a_killed_process_was_writing_is_removed_when_the_run_goes_on(whole: Path) -> None:
    half = whole / ".plastic-x1y2.partial"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"cut off")
    (whole / "result.json").unlink()
    assert main(["simulate", "--resume", "whole"]) == 0
    assert not half.exists()

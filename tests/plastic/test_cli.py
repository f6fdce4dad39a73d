"""The command line as a user meets it: what it prints, writes and refuses."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import plastic
from plastic import cli
from plastic.backends import backends, capabilities
from plastic.cli import main
from plastic.config.defaults import resolve
from plastic.config.file import from_toml, read_config
from plastic.doctor import PARTS, of_backends
from plastic.models.backends.refusals import refusal
from plastic.rules import BUILT_IN, rule_class
from plastic.runs.folder import RunFolder

KEYS = [
    "rule", "backend", "seed", "probe", "probe_accuracy", "untrained_accuracy", "readout_accuracy", "chance",
    "wall_seconds", "run",
]  # fmt: skip
pytestmark = pytest.mark.usefixtures("numpy_code")

TINY = [
    "--steps", "20", "--width", "8", "--batch", "8", "--probes", "1", "--train-size", "64", "--test-size", "60",
    "--probe", "ridge",  # the faster one
]  # fmt: skip


def tiny(backend: str) -> list[str]:
    """TINY, with one stream where the backend has no more; skips where it is not installed."""
    if backend == "brian2":
        pytest.importorskip("brian2")
    return [*TINY, "--batch", "1"] if capabilities(backend).streams == 1 else TINY


RHM = ["--levels", "2"]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that do not look at it; it takes most of a tiny run's time."""
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)


def everything(folder: Path) -> dict[str, bytes | None]:
    """Every file below the folder with its content, every folder with None."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def result_of(output: str) -> dict[str, Any]:
    return json.loads(output.splitlines()[-1])


KINDS = ("clapp", "vicreg", "lpl-spiking", "ff", "bp", "none")  # circuit, averages, every step, labelled, chain, fixed


def runs() -> list[Any]:
    """One rule of each kind on every backend, the others on one backend in turn, on one of two kinds of data in turn.

    What a rule learns on each backend is held by tests/conformance, and what is refused by docs/backends.md; here it
    is that the command runs and writes.
    """
    where = [name for name, backend in backends().items() if not backend.can.integers]  # those: end_to_end/test_chips
    return [
        pytest.param(
            rule.name, backend, ("rhm", "digits")[(row + column) % 2], id=f"{rule.name}-{backend}",
            marks=[pytest.mark.painted] if rule.name in ("clapp", "vicreg", "bp", "none") else [],
        )
        for row, rule in enumerate(BUILT_IN)
        for column, backend in enumerate(where)
        if rule.name in KINDS or column == row % len(where)
    ]  # fmt: skip


@pytest.mark.parametrize(("rule", "backend", "data"), runs())
def test_simulate_writes_a_run_and_prints_its_result(
    rule: str,
    backend: str,
    data: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    size = [*RHM, *tiny(backend)] if data == "rhm" else ["--depth", "3", *tiny(backend)]
    arguments = ["simulate", "--rule", rule, "--backend", backend, "--data", data, *size, "--seed", "3"]
    probe = "logistic" if rule in KINDS else "ridge"  # with fewer fits, where it is the command that is looked at
    status = main([*arguments, "--probe", probe, "--out", "here/run", "--json"])
    refused = refusal(rule_class(rule)(), backend, capabilities(backend).streams or 8)
    if refused is not None:
        assert status == 2
        assert refused in capsys.readouterr().err
        assert not (tmp_path / "here").exists()
        return
    assert status == 0
    printed, errors = capsys.readouterr()
    result = result_of(printed)
    assert list(result) == KEYS
    assert len(printed.splitlines()) == 1  # the table goes to stderr, so that the output can be piped
    assert f"{probe.title()} probes, test accuracy" in map(str.strip, errors.splitlines())  # on a line of its own
    layers = 2 if data == "rhm" else 3
    assert (result["rule"], result["backend"], result["seed"]) == (rule, backend, 3)
    for key in ("probe_accuracy", "untrained_accuracy"):
        assert len(result[key]) == layers
        assert all(0 <= accuracy <= 1 for accuracy in result[key])
    if rule == "none":
        assert result["probe_accuracy"] == result["untrained_accuracy"]
    assert 1 / 10 <= result["chance"] < 0.5
    assert result["run"] == "here/run"

    run = tmp_path / "here" / "run"
    assert not list(run.glob("*.partial"))
    assert {path.name for path in run.iterdir()} == {
        "config.toml",
        "versions.json",
        "metrics.jsonl",
        "weights.safetensors",
        "traces.zarr",
        "result.json",
        "picture.png",
        "checkpoint.safetensors",
        "state.safetensors",
    }
    config = read_config(run / "config.toml")
    assert resolve(config) == config
    whole = json.loads((run / "result.json").read_text())
    presentations = (config.training.steps or 0) * (config.training.batch or 0)
    assert whole["train_size"] == config.stimuli.train_size
    assert whole["distinct_shown_at_most"] == min(whole["train_size"], presentations)
    assert (config.rule, config.backend, config.stimuli.data, config.seed) == (rule, backend, data, 3)
    painted = request.node.get_closest_marker("painted") is not None
    assert (run / "picture.png").read_bytes().startswith(b"\x89PNG") == painted
    assert {"python", "plastic", "torch", "numpy", "snntorch"} <= set(json.loads((run / "versions.json").read_text()))
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    reads_out = "error" in rule_class(rule).reads.signals
    assert (result["readout_accuracy"] is not None) == reads_out
    assert ("readout" in errors) == reads_out
    assert all(("readout_accuracy" in row) == reads_out for row in metrics if "probe_accuracy" in row)
    own = {"readout_accuracy": result["readout_accuracy"]} if reads_out else {}
    assert {k: v for k, v in metrics[0].items() if k != "readout_accuracy"} == {
        "step": 0, "probe_accuracy": result["untrained_accuracy"],
    }  # fmt: skip
    assert metrics[-1] == {"step": 20, "probe_accuracy": result["probe_accuracy"], **own}
    assert [row["step"] for row in metrics] == sorted(row["step"] for row in metrics)
    if backend == "snntorch":
        measured = [row for row in metrics if "activity" in row]
        assert len(measured) == 20
        assert all(len(row[key]) == layers for row in measured for key in ("loss", "activity", "open_gates"))
        assert all(0 <= rate <= 1 for row in measured for rate in row["activity"])
    weights = load_file(run / "weights.safetensors")
    assert {f"layer{k}.weight" for k in range(1, layers + 1)} <= set(weights)
    assert all(np.isfinite(weight).all() for weight in weights.values())
    fan_in, classes = (2 * 8, 8) if data == "rhm" else (64, 10)
    label = classes if rule_class(rule).reads.presentation == "labelled" else 0  # beside every patch
    assert weights["layer1.weight"].shape == (8, fan_in + label)


def test_without_json_a_table_and_the_folder_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["simulate", "--rule", "clapp", "--backend", "rate", *RHM, *TINY]
    assert main(arguments) == 0
    assert main(arguments) == 0
    printed, errors = capsys.readouterr()
    for word in ("layer", "class", "untrained", "chance", "level 1", "optimizer adam (a filter per synapse)"):
        assert word in " ".join(printed.split())
    assert "run folder: runs/clapp-rate-rhm-seed0 " in printed
    assert "run folder: runs/clapp-rate-rhm-seed0-2 " in printed  # the first one is kept
    assert errors == ""


def test_the_probe_is_a_setting_that_outputs_name(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["simulate", "--rule", "bp", "--backend", "rate", *RHM, *TINY, "--width", "32", "--learning-rate", "0.01"]
    found = {}
    for kind, named in (("ridge", "Ridge"), ("logistic", "Logistic")):
        assert main([*given, "--probe", kind, "--out", kind]) == 0
        printed = capsys.readouterr().out
        assert f"{named} probes, test accuracy" in printed
        found[kind] = json.loads(Path(kind, "result.json").read_text())
        assert found[kind]["probe"] == read_config(Path(kind, "config.toml")).training.probe == kind
        assert f" {found[kind]['readout_accuracy']:.3f} " in next(x for x in printed.splitlines() if "│ readout" in x)
    assert found["ridge"]["probe_accuracy"] != found["logistic"]["probe_accuracy"]
    assert found["ridge"]["readout_accuracy"] == found["logistic"]["readout_accuracy"]  # the same network
    assert main(["simulate", "--probe", "lasso"]) == 2
    capsys.readouterr()
    with pytest.raises(SystemExit, match="0"):
        main(["simulate", "--help"])
    assert "--probe {logistic,ridge}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "backend", [pytest.param(name, marks=[pytest.mark.painted] if name == "snntorch" else []) for name in backends()]
)
def test_a_run_is_repeated_by_its_config(backend: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--pairing", "latent:1", "--learning-rate", "0.01", "--seed", "5", "--mask", "batch"]
    size = [*RHM, *tiny(backend), *(["--steps", "8"] if capabilities(backend).integers else [])]
    assert main(["simulate", "--rule", "clapp", "--backend", backend, *size, *options, "--out", "a", "--json"]) == 0
    first = result_of(capsys.readouterr().out)
    assert main(["simulate", "--config", "a/config.toml", "--out", "b", "--json"]) == 0
    again = result_of(capsys.readouterr().out)
    assert again["probe_accuracy"] == first["probe_accuracy"]
    for name in ("config.toml", "weights.safetensors", "metrics.jsonl", "picture.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert stored(tmp_path / "a") == stored(tmp_path / "b")
    # an option beside it replaces a setting, and another seed is another run
    assert main(["simulate", "--config=a/config.toml", "--seed", "6", "--out", "c", "--json"]) == 0
    assert result_of(capsys.readouterr().out)["seed"] == 6
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() != (
        tmp_path / "c" / "weights.safetensors"
    ).read_bytes()
    assert read_config(tmp_path / "c" / "config.toml").training.learning_rate == 0.01


def stored(run: Path) -> dict[str, bytes]:
    """Every file of the traces of a run."""
    store = run / "traces.zarr"
    files = {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}
    assert len(files) > 100
    return files


KILLED = """
import json, os, signal, sys
from pathlib import Path
from plastic.config.file import read_config
from plastic.models.runs.simulate import simulate

def report(row):
    if row["step"] >= 75:  # the checkpoint is of step 65, so that ten steps are lost
        os.kill(os.getpid(), signal.SIGKILL)

simulate(read_config(Path(sys.argv[1])), Path(sys.argv[2]), report)
"""


@pytest.mark.usefixtures("no_picture")
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("rate", ["--rule-options", "sides=both", "--pairing", "latent:1+fresh"]),  # holds eligibility, draws views
        ("rate", ["--context", "recomputed"]),
        ("snntorch", ["--pairing", "within", "--weights", "local"]),  # the view remembers which half it showed
    ],
)
def test_a_killed_run_ends_as_if_it_had_not_been(
    backend: str, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [
        "--width",
        "8",
        "--batch",
        "8",
        "--train-size",
        "64",
        "--test-size",
        "60",
        "--steps",
        "130",
        "--probe",
        "ridge",
    ]
    rule = ["simulate", "--rule", "clapp", "--backend", backend, *RHM, *common, "--probes", "1", *options]
    assert main([*rule, "--out", "whole", "--json"]) == 0
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "whole/config.toml", "killed"], check=False, capture_output=True, timeout=120
    )
    assert killed.returncode == -9, killed.stderr.decode()
    run = tmp_path / "killed"
    assert (run / "checkpoint.safetensors").is_file()
    assert not (run / "weights.safetensors").exists()
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] == 75
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 76, "loss": [0.')  # a line cut off, as by a kill while writing
    (run / ".plastic-0.partial").mkdir()
    (run / ".plastic-0.partial" / "checkpoint.safetensors").write_bytes(b"cut off too")

    capsys.readouterr()
    assert main(["simulate", "--resume", "killed", "--json"]) == 0
    result = result_of(capsys.readouterr().out)
    assert result["run"] == "killed"
    assert {path.name for path in run.iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
    for name in ("weights.safetensors", "metrics.jsonl", "config.toml", "checkpoint.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert stored(run) == stored(tmp_path / "whole")
    whole = json.loads((tmp_path / "whole" / "result.json").read_text())
    assert result["probe_accuracy"] == whole["probe_accuracy"]
    assert result["untrained_accuracy"] == whole["untrained_accuracy"]
    # learning went on after the checkpoint, so the equality above says something
    saved = load_file(run / "checkpoint.safetensors")
    weights = load_file(run / "weights.safetensors")
    assert int(saved["step"]) == 65
    assert (saved["parameter/layer2.weight"][0] != weights["layer2.weight"]).any()

    assert main(["simulate", "--resume", "killed"]) == 2
    assert "has ended already" in capsys.readouterr().err


Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Runs the command, which must end with status 2, one line on stderr, and nothing written."""

    def check(*arguments: str) -> str:
        before = everything(tmp_path)
        capsys.readouterr()
        assert main(list(arguments)) == 2
        printed, errors = capsys.readouterr()
        assert errors.startswith("plastic: ")
        assert errors.count("\n") == 1
        assert errors.endswith("\n")
        assert printed == ""
        assert everything(tmp_path) == before
        return errors

    return check


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--rule", "clap"], "unknown rule 'clap'"),
        (["--rule", "gone.py:MyRule"], "no rule file 'gone.py'"),
        (["--backend", "nest"], "unknown backend 'nest'"),
        (["--mask", "half"], "'half'; choose one of: sample, batch, none"),
        (["--rule", "none", "--mask", "batch"], "changes no weights, so --mask batch means nothing"),
        (["--rule", "dfa", "--rule-options", "upper_mask=none"], "has no option 'upper_mask'"),
        (["--rule", "eprop", "--rule-options", "feedback=learnt"], "'learnt'"),
        (["--rule", "clapp++", "--rule-options", "f=relu"], "has no f 'relu'"),
        (["--rule", "infonce", "--rule-options", "negatives=0"], "at least 1 of negatives"),
        (["--rule-options", "margin=wide"], "'margin'"),
        (["--rule-options", "marign=1"], "no option 'marign'"),
        (["--rule-options", "margin"], "KEY=VALUE"),
        (["--pairing", "halves"], "unknown pairing 'halves'"),
        (["--pairing", "latent:3"], "latent:2"),
        (["--pairing", "within", "--symbols", "4", "--classes", "4", "--synonyms", "4"], "no information"),
        (["--data", "digits", "--pairing", "latent:1"], "choose class or within"),
        (["--data", "digits", "--train-size", "1800"], "--train-size from 10 to"),
        (["--data", "digits", "--symbols", "4"], "--symbols is of --data rhm, and this is digits"),
        (["--data", "digits", "--levels", "4"], "--levels is of --data rhm, and this is digits"),
        (["--time-steps", "50"], "--time-steps is of spiking networks"),
        (["--backend", "snntorch", "--activation", "tanh"], "--activation is of rate networks"),
        (["--backend", "snntorch", "--calibration", "60"], "--calibration is of chips, and snntorch is none"),
        (["--topology", "dense", "--weights", "local"], "--weights is of --topology tree"),
        (["--statistics-time-constant", "10"], "add --statistics traces"),
        (["--data", "digits", "--topology", "tree"], "--topology dense"),
        (["--data", "digits", "--topology", "conv", "--backend", "snntorch"], "add --backend rate"),
        (["--data", "rhm", "--topology", "conv", "--backend", "rate"], "take tree or dense"),
        (["--data", "cifar10", "--backend", "rate"], "add --data-path DIR, a folder with data_batch_1.bin"),
        (["--data", "mnist", "--data-path", "nowhere", "--backend", "rate"], "there is no folder 'nowhere'"),
        (["--data", "stl10", "--data-path", ".", "--backend", "rate"], "train_X.bin"),
        (["--data", "mnist5000", "--pairing", "latent:1", "--backend", "rate"], "choose class or within"),
        (["--data", "digits", "--data-path", "."], "needs no files"),
        (["--data", "digits", "--topology", "conv", "--backend", "rate", "--depth", "6"], "lower --depth to 5"),
        (["--data", "imagenet"], "unknown data 'imagenet'"),
        (["--symbols", "2", "--synonyms", "4"], "no such RHM"),
        (["--synonyms", "9"], "--synonyms to 8"),
        (["--levels", "0"], "--levels is 0"),
        (["--levels", "40"], "--levels"),
        (["--branching", "1"], "--branching"),
        (["--train-size", "511", "--test-size", "4"], "--train-size"),
        (["--train-size", "100000"], "--train-size"),
        (["--train-size", "1"], "--train-size"),
        (["--test-size", "2"], "--test-size"),
        (["--depth", "3"], "--depth"),  # four positions cannot be grouped by two three times
        (["--activation", "step"], "unknown activation 'step'"),
        (["--backend", "snntorch", "--surrogate", "step"], "unknown surrogate 'step'"),
        (["--backend", "snntorch", "--coding", "phase"], "unknown coding 'phase'"),
        (["--optimizer", "lion"], "unknown optimizer 'lion'"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--width", "100000000"], "lower --width or --depth"),
        (["--batch", "1000000000000"], "lower --batch"),
        (["--learning-rate", "0"], "--learning-rate"),
        (["--steps", "0"], "--steps"),
        (["--fixation-probability", "1.5"], "--fixation-probability"),
        (["--seed", "-1"], "--seed"),
        (["--config", "gone.toml"], "cannot read the config 'gone.toml'"),
        (["--config=gone.toml"], "cannot read the config 'gone.toml'"),
        (["--out", "file/below"], "cannot write the run folder 'file/below'"),
        (["--out", "file"], "'file' exists and is not an empty folder"),
        (["--out", "full"], "'full' exists and is not an empty folder"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence_and_status_2(
    options: list[str], named: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("here")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("irreplaceable")
    start = ["simulate", "--rule", "clapp", "--backend", "rate", *RHM, *TINY]
    if "--data" in options:
        start = [part for part in start if part not in RHM]
    assert named in refused(*start, *options)


def test_a_gpu_that_is_not_there_is_named(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "no CUDA device" in refused("simulate", "--backend", "rate", *RHM, *TINY, "--device", "cuda")


def test_an_empty_folder_may_be_the_run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["simulate", "--rule", "none", "--backend", "rate", *RHM, *TINY, "--out", "empty"]) == 0


def test_a_damaged_config_is_refused(refused: Refused, tmp_path: Path) -> None:
    for text, named in (
        ("seed = [", "not valid TOML"),
        ("sead = 1", "'sead'"),
        ("seed = 'one'", "must be int"),
        ("\x00", "TOML"),
    ):
        (tmp_path / "config.toml").write_text(text)
        assert named in refused("simulate", "--config", "config.toml")


def test_a_rule_file_with_a_long_complaint_gets_one_line(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("raise RuntimeError('first\\nsecond')")
    message = refused("simulate", "--rule", "bad.py:MyRule", "--backend", "rate", *RHM, *TINY)
    assert "'bad.py' does not run: RuntimeError: first second" in message
    refused("rules", "show", "bad.py:MyRule")


RAISES = """
from dataclasses import dataclass
from plastic.rules import CLAPP

@dataclass(frozen=True)
class Mine(CLAPP):
    def third_factor(self, signals, weights):
        return super().third_factor(signals, weights["forgotten"])
"""


@pytest.mark.parametrize("backend", ["rate", "reference", "snntorch", "brian2", "loihi"])
@pytest.mark.usefixtures("numpy_code")
def test_a_rule_that_raises_is_named_with_its_line(backend: str, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(RAISES)
    message = refused("simulate", "--rule", "mine.py:Mine", "--backend", backend, *RHM, *tiny(backend), "--out", "run")
    assert re.search(r"[Ll]ine 8 of (the rule file )?'(.*/)?mine\.py'", message)
    assert "forgotten" in message


RETURNS = """
from dataclasses import dataclass, replace
from plastic.rules import CLAPP, Modulator

@dataclass(frozen=True)
class Short(CLAPP):
    def third_factor(self, signals, weights):
        third = super().third_factor(signals, weights)
        return replace(third, current=Modulator(third.current.gate, third.current.dendrite[..., :-1]))

@dataclass(frozen=True)
class Flat(CLAPP):  # its gate fits the units of the last layer, where there are as many as streams
    def third_factor(self, signals, weights):
        third = super().third_factor(signals, weights)
        return replace(third, current=Modulator(third.current.gate[..., 0], third.current.dendrite))

@dataclass(frozen=True)
class Crossed(CLAPP):
    def third_factor(self, signals, weights):
        third = super().third_factor(signals, weights)
        learn = {k: replace(v, modulator=v.modulator[..., 0]) for k, v in third.learn.items()}
        return replace(third, learn=learn)

@dataclass(frozen=True)
class Taken(CLAPP):
    def circuit(self, layer):
        return {"weight": super().circuit(layer)["W_pred"]}

@dataclass(frozen=True)
class Nothing(CLAPP):
    def third_factor(self, signals, weights):
        super().third_factor(signals, weights)
"""


@pytest.mark.parametrize("backend", ["rate", "reference", "loihi"])
@pytest.mark.parametrize(
    ("rule", "named"),
    [
        ("Short", "its last axis must be"),
        ("Flat", "a gate of shape"),
        ("Crossed", "a modulator of W_pred of shape"),
        ("Taken", "has a 'weight', as the layer has"),
        ("Nothing", "returned NoneType; return a plastic.ThirdF"),
    ],
)
def test_a_third_factor_that_is_none_is_refused(
    rule: str, named: str, backend: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(RETURNS)
    arguments = ("simulate", "--rule", f"mine.py:{rule}", "--backend", backend, *RHM, *tiny(backend))
    assert named in refused(*arguments)


def test_an_error_that_is_not_of_a_rule_file_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.Cite, "run", lambda self: {}["ours"])
    with pytest.raises(KeyError, match="ours"):
        main(["cite", "dfa"])


@pytest.fixture
def half_done(tmp_path: Path, no_picture: None, capsys: pytest.CaptureFixture[str]) -> Path:
    """A run folder as a kill after the last checkpoint leaves it."""
    assert main(["simulate", "--rule", "clapp", "--backend", "snntorch", *RHM, *TINY, "--out", "run"]) == 0
    run = tmp_path / "run"
    for name in ("result.json", "weights.safetensors"):  # the traces were written before the checkpoint
        (run / name).unlink()
    return run


def test_a_run_that_cannot_go_on_is_refused(refused: Refused, half_done: Path, tmp_path: Path) -> None:
    checkpoint = half_done / "checkpoint.safetensors"
    good = checkpoint.read_bytes()
    arrays = load_file(checkpoint)

    def rewritten(**changes: np.ndarray) -> None:
        save_file({k: v for k, v in (arrays | changes).items() if v is not None}, checkpoint)

    def broken(content: bytes) -> Callable[[], object]:
        return lambda: checkpoint.write_bytes(content)

    for damage in (
        broken(b""),
        broken(good[:100]),
        broken(good[:-20]),
        broken(bytes(len(good))),
        broken(b"\xff" * len(good)),
        lambda: save_file({k: v for k, v in arrays.items() if k != "step"}, checkpoint),
        lambda: save_file({k: v for k, v in arrays.items() if k != "parameter/layer1.weight"}, checkpoint),
        lambda: rewritten(**{"parameter/layer1.weight": np.zeros((1, 5, 3), np.float32)}),
        lambda: checkpoint.unlink(),
    ):
        damage()
        message = refused("simulate", "--resume", "run")
        assert "checkpoint.safetensors" in message
        assert "--config run/config.toml" in message
    checkpoint.write_bytes(good)
    (half_done / "metrics.jsonl").rename(tmp_path / "moved.jsonl")
    assert "metrics.jsonl" in refused("simulate", "--resume", "run")
    (tmp_path / "moved.jsonl").rename(half_done / "metrics.jsonl")
    assert main(["simulate", "--resume", "run"]) == 0  # undamaged, it does go on


def test_a_run_does_not_go_on_with_other_settings(refused: Refused, half_done: Path) -> None:
    config = half_done / "config.toml"
    good = config.read_text()
    for before, after in (("seed = 0", "seed = 1"), ('optimizer = "sgd"', 'optimizer = "adam"')):
        assert before in good
        config.write_text(good.replace(before, after))
        assert "config.toml of 'run' was changed" in refused("simulate", "--resume", "run")
    config.write_text("# looked at\n" + good)  # the same settings
    assert main(["simulate", "--resume", "run"]) == 0


def test_a_run_does_not_go_on_with_another_rule_in_its_file(
    refused: Refused, half_done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The config names a file; what is in it is part of the settings."""
    rule = tmp_path / "own.py"
    rule.write_text("from plastic.rules import CLAPP\n")
    config = dataclasses.replace(read_config(half_done / "config.toml"), rule="own.py:CLAPP")
    _, arrays = RunFolder.open(half_done)
    shutil.rmtree(half_done)
    RunFolder.create(half_done, config).write_checkpoint(arrays)
    (half_done / "metrics.jsonl").write_text("")
    RunFolder.open(half_done)
    rule.write_text("from plastic.rules import CLAPP  # of today\n")
    assert "or the file of its rule or neuron was; undo" in refused("simulate", "--resume", "run")


@pytest.mark.parametrize("name", ["picture.png", ".plastic-0.partial/weights.safetensors", "traces.zarr/deep/link"])
def test_a_run_does_not_go_on_through_a_link(name: str, refused: Refused, half_done: Path, tmp_path: Path) -> None:
    """A folder that came from elsewhere could have the run write over any file of the user's."""
    (tmp_path / "mine").write_text("precious")
    (half_done / name).parent.mkdir(parents=True, exist_ok=True)
    (half_done / name).symlink_to(tmp_path / "mine")
    assert f"'{Path(name).name}' in it is a link" in refused("simulate", "--resume", "run")
    assert (tmp_path / "mine").read_text() == "precious"


def test_resume_needs_a_run_and_takes_no_other_options(refused: Refused, half_done: Path) -> None:
    assert "nowhere/config.toml" in refused("simulate", "--resume", "nowhere")
    for options in (["--steps", "40"], ["--out", "other"], ["--config", "run/config.toml"]):
        assert "leave the other options out" in refused("simulate", "--resume", "run", *options)


@pytest.mark.parametrize("backend", ["rate", "snntorch"])
@pytest.mark.parametrize("rule", ["clapp", "bp"])
@pytest.mark.parametrize("rate", ["1e30", "inf"])
def test_a_run_that_diverges_names_the_learning_rate(
    rule: str, backend: str, rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    too_large = "1e300" if capabilities(backend).dtypes[0] == "float64" and rate == "1e30" else rate
    options = ["--optimizer", "sgd", "--learning-rate", too_large, "--out", "run"]
    assert main(["simulate", "--rule", rule, "--backend", backend, *RHM, *tiny(backend), *options]) == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "diverged" in errors
    assert "--learning-rate" in errors
    assert "the run folder 'run' has what was before" in errors
    assert not {"result.json", "weights.safetensors", "picture.png"} & {p.name for p in (tmp_path / "run").iterdir()}
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert "NaN" not in line
        assert "Infinity" not in line


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ("simulate --stpes 3", "there is no option '--stpes' (did you mean --steps?); `plastic simulate --help`"),
        ("simulate --steps many", "--steps takes a whole number, not 'many'; `plastic simulate --help`"),
        ("simulate --steps=-1.5", "--steps takes a whole number, not '-1.5'; `plastic simulate --help`"),
        ("simulate --fixation-probability half", "--fixation-probability takes a number, not 'half'"),
        ("simulate clapp", "there is no place in `plastic simulate` for 'clapp'; `plastic simulate --help`"),
        ("simulate --rule", "--rule needs a value"),
        ("sweep", "`plastic sweep` needs PATH; `plastic sweep --help`"),
        ("train", "there is no command 'train'; `plastic --help`"),
        ("", "say which command: simulate, align"),
    ],
)
def test_a_command_line_that_does_not_parse_gets_one_sentence(
    arguments: str, wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("plastic: ")
    assert wrong in said.err
    assert said.err.count("\n") == 1
    assert everything(tmp_path) == {}


def test_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulate", "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for option in (
        "rule", "backend", "data", "levels", "symbols", "synonyms", "classes", "branching", "pairing", "train-size",
        "width", "steps", "batch", "learning-rate", "optimizer", "seed", "device", "dtype", "out", "json", "config",
        "resume", "mask",
    ):  # fmt: skip
        assert re.search(rf"--{option}\b(?!-)", shown), option


def test_rules_lists_every_rule_with_its_factors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    table = capsys.readouterr().out
    assert main(["rules", "--json"]) == 0
    record = result_of(capsys.readouterr().out)
    assert list(record) == ["rules"]
    listed = {rule["name"]: rule for rule in record["rules"]}
    assert list(listed) == [rule.name for rule in BUILT_IN]
    for rule in BUILT_IN:
        assert rule.name in table
        shown = listed[rule.name]
        assert (shown["third"], shown["post"], shown["pre"]) == (rule.about.third, rule.about.post, rule.about.pre)
        assert shown["modulator"] in ("none", "scalar", "broadcast")
        assert {"weight_transport", "layer_scalars", "broadcast", "memory", "second_pass", "batch_statistics"} <= set(
            shown["ledger"]
        )
    assert listed["bp"]["ledger"]["weight_transport"] != "no"
    assert listed["dfa"]["ledger"]["weight_transport"] == "no"


@pytest.mark.parametrize("rule", BUILT_IN)
def test_rules_show_has_equation_ledger_defaults_and_citation(rule: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "show", rule.name]) == 0
    page = capsys.readouterr().out
    for row in (
        "equation",
        "third",
        "post",
        "pre",
        "modulator",
        "locality ledger",
        "options",
        "defaults from",
        "citation",
    ):
        assert row in page
    assert rule.about.citation.splitlines()[0] in page
    assert "mask = sample" in page
    assert main(["rules", "show", rule.name, "--json"]) == 0
    record = result_of(capsys.readouterr().out)
    assert record["name"] == rule.name
    assert record["equation"] == rule.about.equation
    assert record["citation"] == rule.about.citation


def test_a_rule_without_a_ledger_does_not_pass_for_local(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).parents[2] / "docs/examples/my_rule.py"
    assert main(["rules", "show", f"{file}:Overlap"]) == 0
    page = capsys.readouterr().out
    assert "not declared" in next(line for line in page.splitlines() if "locality ledger" in line)
    assert "overlap: CLAPP without lateral weights" in page  # its docstring, as it has no title
    assert main(["rules"]) == 0
    assert "not declared" not in capsys.readouterr().out


def test_rules_refuses_what_it_has_not(refused: Refused) -> None:
    assert "unknown rule 'hebb'" in refused("rules", "show", "hebb")
    assert "which rule?" in refused("rules", "show")
    assert "unknown action 'list-all'" in refused("rules", "list-all")
    assert "unknown rule 'hebb'" in refused("cite", "dfa", "hebb")


def entries(bibtex: str) -> list[str]:
    """Keys of a BibTeX text, whose braces must be balanced."""
    depth, keys = 0, []
    for line in bibtex.splitlines():
        if line.startswith("@"):
            assert depth == 0
            keys.append(line.partition("{")[2].rstrip(","))
        depth += line.count("{") - line.count("}")
    assert depth == 0
    return keys


def test_cite_prints_bibtex_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cite", "dfa", "dfa"]) == 0
    assert entries(capsys.readouterr().out) == ["nokland2016direct", "cagnetta2024how"]
    assert main(["cite"]) == 0
    keys = entries(capsys.readouterr().out)
    assert len(keys) == len(set(keys)) == len({rule.about.citation for rule in BUILT_IN}) + 1


def test_doctor_reports_backends_and_remedies(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for backend in backends():
        assert f"backend {backend}" in report
    missing = [part for part in (*of_backends(), *PARTS) if importlib.util.find_spec(part.module) is None]
    assert all(part.optional for part in missing)  # extras
    assert report.count("│ missing") == len(missing)
    assert f"torch {torch.__version__.partition('+')[0]}" in report
    for part in (*of_backends(), *PARTS):
        assert part.name in report
    assert "cpu" in report

    monkeypatch.setitem(sys.modules, "snntorch", None)  # as if it were not installed
    assert main(["doctor"]) == 1
    report = " ".join(capsys.readouterr().out.split())
    assert "missing" in report
    assert "pip install snntorch" in report


def test_the_module_runs_as_a_command_and_imports_torch_only_to_simulate() -> None:
    light = (
        "import sys; from plastic.cli import main; status = main(); assert 'torch' not in sys.modules; sys.exit(status)"
    )
    for command in (["-m", "plastic.cli"], ["-c", light]):
        done = subprocess.run(
            [sys.executable, *command, "cite", "dfa"], capture_output=True, text=True, check=False, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "nokland2016direct" in done.stdout


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"plastic {plastic.__version__}\n"


@pytest.mark.parametrize("command", ["cite", "rules"])  # text as it is, and a table
def test_a_pipe_that_nobody_reads_is_no_error(command: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "plastic.cli", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=120)) == ("", 0)


def test_settings_of_a_file_that_the_backend_does_not_read_are_kept(
    no_picture: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--backend", "snntorch", "--time-steps", "5", *RHM, *TINY, "--out", "spikes"]) == 0
    rates = ["simulate", "--config", "spikes/config.toml", "--backend", "rate", "--out", "rates"]
    assert main(rates) == 0
    assert read_config(tmp_path / "rates" / "config.toml").spiking.time_steps == 5
    assert main([*rates, "--threshold", "2"]) == 2
    assert "--threshold is of spiking networks" in capsys.readouterr().err


def test_an_interrupt_keeps_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from plastic.terminal.report import LiveDisplay

    def stop(self: LiveDisplay, row: dict[str, Any]) -> None:
        if row["step"] >= 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(LiveDisplay, "update", stop)
    assert main(["simulate", "--backend", "snntorch", *RHM, *TINY, "--out", "run"]) == 130
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "run" / "checkpoint.safetensors").is_file()
    assert from_toml((tmp_path / "run" / "config.toml").read_text()).training.steps == 20
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--resume", "run"]) == 0

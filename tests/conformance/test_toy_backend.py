"""A backend of another package, installed beside plastic by an entry point alone: commands, check and conformance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from plastic.cli import main

TOY = Path(__file__).parents[1] / "helpers" / "toy_backend.py"
SMALL = [
    "--levels", "2", "--symbols", "4", "--classes", "4", "--synonyms", "2", "--width", "10", "--train-size", "24",
    "--test-size", "8", "--batch", "4",
]  # fmt: skip


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds another package, as pip would have installed it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(TOY, folder / "toy_backend.py")
    info = folder / "toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[plastic.backends]\ntoy = toy_backend:TOY\n")
    return folder


# Runs commands one after the other, and prints the status, output and errors of each.
ALL = """
import contextlib, io, json, sys
from plastic.cli import main
found = []
for command in json.loads(sys.argv[1]):
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        status = main(command)
    found.append((status, printed.getvalue(), errors.getvalue()))
print(json.dumps(found))
"""


def run(outside: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    (cwd / "brian_preferences").write_text("codegen.target = 'numpy'\n")  # without a compiler
    path = os.pathsep.join([str(outside), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip


def test_it_runs_by_the_command_and_does_what_the_reference_does(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*SMALL, "--optimizer", "sgd", "--learning-rate", "0.02", "--steps", "30", "--probes", "1", "--json"]
    whole = {b: ["simulate", "--backend", b, *given, "--out", b] for b in ("toy", "reference")}
    commands = [
        whole["toy"],
        ["simulate", "--backend", "toy", "--mask", "none", *SMALL],
        ["check", "--rule", "dfa", "--stimuli", "20", "--json"],
    ]
    done = run(outside, tmp_path, "-c", ALL, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    simulated, refused, checked = json.loads(done.stdout)
    assert (refused[0], "more than a toy" in refused[2]) == (2, True)
    assert not (tmp_path / "runs").exists()
    does_what_check_says(checked)

    monkeypatch.chdir(tmp_path)
    assert main(whole["reference"]) == 0
    assert simulated[0] == 0, simulated[2]
    results = [json.loads(text.splitlines()[-1]) for text in (simulated[1], capsys.readouterr().out)]
    assert results[0]["backend"] == "toy"
    assert results[0]["probe_accuracy"] == results[1]["probe_accuracy"]
    toy, reference = (load_file(tmp_path / backend / "weights.safetensors") for backend in ("toy", "reference"))
    for name, value in reference.items():
        np.testing.assert_allclose(toy[name], value, rtol=1e-9, atol=1e-12)


def does_what_check_says(checked: tuple[int, str, str]) -> None:
    """`plastic check` holds it to the reference."""
    status, printed, errors = checked
    assert status == 0, errors
    found = {one["backend"]: one for one in json.loads(printed.splitlines()[-1])["comparisons"]}
    assert found["toy"]["agrees"]
    assert found["toy"]["spikes"] > 100
    assert found["toy"]["dtype"] == "float64"


def test_conformance_runs_it(outside: Path, tmp_path: Path) -> None:
    chosen = "dense and (clapp or vicreg or infonce) or goes_on"
    suite = ("pytest", "--pyargs", "plastic.experiments.conformance", "--plastic-backend", "toy")
    quick = ("-p", "no:cacheprovider", "-q", "-m", "not slow", "-k", chosen)
    done = run(outside, tmp_path, "-m", *suite, *quick)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "failed" not in done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 3


def test_without_its_package_the_name_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--backend", "toy"]) == 2
    assert "unknown backend 'toy'; --backend is one of: rate, reference" in capsys.readouterr().err

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


def run(outside: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    (cwd / "brian_preferences").write_text("codegen.target = 'numpy'\n")  # without a compiler
    path = os.pathsep.join([str(outside), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip


def test_it_runs_by_the_command_and_does_what_the_reference_does(outside: Path, tmp_path: Path) -> None:
    given = [*SMALL, "--optimizer", "sgd", "--learning-rate", "0.02", "--steps", "30", "--probes", "1", "--json"]
    weights, results = {}, {}
    for backend in ("toy", "reference"):
        done = run(outside, tmp_path, "plastic.cli", "simulate", "--backend", backend, *given, "--out", backend)
        assert done.returncode == 0, done.stderr
        results[backend] = json.loads(done.stdout.splitlines()[-1])
        weights[backend] = load_file(tmp_path / backend / "weights.safetensors")
    assert results["toy"]["backend"] == "toy"
    assert results["toy"]["probe_accuracy"] == results["reference"]["probe_accuracy"]
    for name, value in weights["reference"].items():
        np.testing.assert_allclose(weights["toy"][name], value, rtol=1e-9, atol=1e-12)
    refused = run(outside, tmp_path, "plastic.cli", "simulate", "--backend", "toy", "--mask", "none", *SMALL)
    assert (refused.returncode, "more than a toy" in refused.stderr) == (2, True)
    assert not (tmp_path / "runs").exists()


def test_check_holds_it_to_the_reference(outside: Path, tmp_path: Path) -> None:
    done = run(outside, tmp_path, "plastic.cli", "check", "--rule", "dfa", "--stimuli", "20", "--json")
    assert done.returncode == 0, done.stderr
    found = {one["backend"]: one for one in json.loads(done.stdout.splitlines()[-1])["comparisons"]}
    assert found["toy"]["agrees"]
    assert found["toy"]["spikes"] > 100
    assert found["toy"]["dtype"] == "float64"


def test_conformance_runs_it(outside: Path, tmp_path: Path) -> None:
    chosen = "dense and (clapp or vicreg or infonce) or goes_on"
    suite = ("pytest", "--pyargs", "plastic.experiments.conformance", "--plastic-backend", "toy")
    quick = ("-p", "no:cacheprovider", "-q", "-m", "not slow", "-k", chosen)
    done = run(outside, tmp_path, *suite, *quick)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "failed" not in done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 3


def test_without_its_package_the_name_is_unknown(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path, "plastic.cli", "simulate", "--backend", "toy")
    assert done.returncode == 2
    assert "unknown backend 'toy'; --backend is one of: rate, reference" in done.stderr

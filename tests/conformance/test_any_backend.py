"""The suite as the writer of a backend runs it: on backends that plastic does not know, one right and one wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path


def test_a_backend_of_another_package_is_compared(tmp_path: Path) -> None:
    helpers = Path(__file__).parents[1] / "helpers"
    chosen = "clapp:tree-local or streams-4 or was or everything"
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-p", "toy_backends",
            "--pyargs", "plastic.experiments.conformance", "--plastic-backend", "toy",
            "--plastic-backend", "toy-slower", "-k", chosen,
        ],
        cwd=tmp_path, env={"PYTHONPATH": str(helpers), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    outcomes = {test: outcome for outcome, test in re.findall(r"^(PASSED|FAILED) \S*::(\S+)", done.stdout, re.M)}
    assert outcomes, done.stdout + done.stderr
    assert outcomes == {
        "test_it_does_what_the_reference_does[toy-clapp:tree-local]": "PASSED",
        "test_it_does_what_the_reference_does[toy-slower-clapp:tree-local]": "FAILED",
        "test_it_goes_on_where_it_was[toy]": "PASSED",
        "test_it_goes_on_where_it_was[toy-slower]": "PASSED",
        "test_not_everything_is_refused[toy]": "PASSED",
        "test_not_everything_is_refused[toy-slower]": "PASSED",
    }
    assert "the backend toy runs 1 stream, not 4" in done.stdout


def test_what_is_not_held_to_the_reference_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--pyargs", "plastic.experiments.conformance", "--plastic-backend", "rate"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode != 0
    assert "the backend rate is not one that is held to the reference" in done.stdout

"""The suite fails a backend that is wrong, as its writer would run it, and names one that it is not for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plastic.experiments.conformance.test_backend import pytest_generate_tests as generate


def test_a_backend_that_learns_a_little_slower_fails(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-p", "slower_backend",
            "--pyargs", "plastic.experiments.conformance", "--plastic-backend", "slower",
            "-k", "clapp:tree-local or streams-4 or everything",
        ],
        cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).parents[1] / "helpers"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    outcomes = {test: outcome for outcome, test in re.findall(r"^(PASSED|FAILED) \S*::(\S+)", done.stdout, re.M)}
    assert outcomes == {
        "test_it_does_what_the_reference_does[slower-clapp:tree-local]": "FAILED",
        "test_not_everything_is_refused[slower]": "PASSED",
    }, done.stdout + done.stderr
    assert re.search(r"SKIPPED.*stream.*not 4", done.stdout)


def test_what_is_not_held_to_the_reference_is_named() -> None:
    metafunc: Any = SimpleNamespace(config=SimpleNamespace(getoption=lambda *names, **default: ["rate"]))
    with pytest.raises(pytest.UsageError, match="the backend rate is not one that is held to the reference"):
        generate(metafunc)

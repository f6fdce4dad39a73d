"""docs/python.md, run as it stands, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

import plastic

TEXT = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")


def test_the_page_is_a_script_that_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.S | re.M)
    assert len(blocks) == 8
    script = tmp_path / "script.py"
    script.write_text("import matplotlib\nmatplotlib.use('Agg')\n" + "\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert re.findall(r"^(\d+)$", done.stdout, re.M) == re.findall(r"learned\)  # (\d+)", TEXT)
    largest, difference = map(float, done.stdout.splitlines()[-1].split())
    assert largest > 0.01  # weights moved
    assert difference < 1e-5 * largest
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert folders == ["script", "script-chip", "script-seed2"]
    runs = [plastic.open_run(tmp_path / "runs" / name) for name in folders]
    assert [run.config.backend for run in runs] == ["snntorch", "loihi", "snntorch"]
    assert [run.config.seed for run in runs] == [1, 1, 2]
    assert all(run.result for run in runs)
    assert [run.metrics[-1]["step"] for run in runs] == [251, 100, 251]
    untouched = plastic.Simulation.of(runs[1].config).weights
    assert {k for k, v in runs[1].weights.items() if not np.array_equal(v, untouched[k])} == set(untouched)


def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    example = next(block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "plastic.Simulation" in block)
    assert len(example.split("\n\n")[1].splitlines()) == 5
    (tmp_path / "script.py").write_text(example, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert plastic.load(tmp_path / "runs" / "script").learned == 200

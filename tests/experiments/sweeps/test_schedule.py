"""Many machines: a real scheduler and workers in processes of their own, one of them killed at work."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from plastic.cli import main
from plastic.experiments.sweeps.run import RESULTS, run_sweep
from plastic.experiments.sweeps.store import read_rows

pytest.importorskip("distributed")

SWEEP = """
name = "many"

[settings]
backend = "rate"
levels = 2
symbols = 6
classes = 4
synonyms = 3
width = 12
batch = 16
steps = 300
test_size = 40
probes = 0
probe = "ridge"

[[arm]]
name = "clapp"
rule = "clapp"

[[arm]]
name = "dfa"
rule = "dfa"

[[grid]]
train_size = [40, 50, 60]
seed = [0, 1]
"""


def started(*arguments: str) -> subprocess.Popen[str]:
    """A part of a Dask cluster; threads of linear algebra as in a sweep's own processes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s"}
    return subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment,
    )  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """Address of a scheduler, and its two workers, without a nanny that would start a dead one anew."""
    scheduler = started("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
    workers: list[subprocess.Popen[str]] = []
    try:
        assert scheduler.stderr is not None
        address = next(found[0] for line in scheduler.stderr if (found := re.findall(r"tcp://[\d.]+:\d+", line)))
        for name in ("first", "second"):
            directory = ["--local-directory", str(tmp_path / name)]
            workers.append(started("dask_worker", address, "--no-nanny", "--nthreads", "1", "--name", name, *directory))
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.communicate()


def test_a_killed_worker_costs_no_result_and_none_comes_twice(
    cluster: tuple[str, list[subprocess.Popen[str]]], tmp_path: Path
) -> None:
    address, workers = cluster
    file, out = tmp_path / "many.toml", tmp_path / "out"
    file.write_text(SWEEP.replace('name = "many"', 'name = "many"\npack = 1'))
    command = [sys.executable, "-m", "plastic.cli", "sweep", str(file), "--out", str(out), "--scheduler", address]
    sweep = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while sweep.poll() is None and len(read_rows(out / RESULTS)) < 2:
        time.sleep(0.02)
    before = len(read_rows(out / RESULTS))
    workers[0].send_signal(signal.SIGKILL)
    workers[0].wait()
    said, shown = sweep.communicate(timeout=540)
    assert sweep.returncode == 0, shown
    assert 2 <= before < 12, "it was over before a worker was killed"
    assert json.loads(said.splitlines()[-1])["networks"] == 12
    assert "/status" in shown, "the dashboard is linked"
    rows = read_rows(out / RESULTS)
    assert len(rows) == len({row["key"] for row in rows}) == 12
    run_sweep(file, out=tmp_path / "here")
    alone = {row["key"]: row["course"] for row in read_rows(tmp_path / "here" / RESULTS)}
    assert {row["key"]: row["course"] for row in rows} == alone


def test_a_scheduler_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "many.toml"
    file.write_text(SWEEP)
    assert main(["sweep", str(file), "--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]) == 2
    error = capsys.readouterr().err
    assert "no Dask scheduler answers at 'tcp://127.0.0.1:9'" in error
    assert not (tmp_path / "out").exists()

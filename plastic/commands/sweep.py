"""plastic sweep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

if TYPE_CHECKING:
    from plastic.experiments.run_sweep import Progress


@dataclass(frozen=True)
class Sweep:
    """Train all networks that a TOML file names: rules × train sizes × seeds × whatever else.

    Results go to one append-only file that survives a kill at any moment; --resume does only what is
    missing, and the numbers come out as if nothing had happened. Networks that differ in seed, data or
    learning rate only are trained side by side; see docs/sweeps.md for the file and for many machines.

    Examples:
      plastic sweep experiments/rhm_efficiency.toml --workers 2
      plastic sweep experiments/rhm_efficiency.toml --workers 2 --resume
      plastic sweep my_sweep.toml --scheduler tcp://127.0.0.1:8786
    """

    file: Annotated[Path, tyro.conf.Positional]
    """The sweep, a TOML file."""
    workers: int = 1
    """Processes on this machine, one thread each."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, whose workers do the work instead."""
    resume: bool = False
    """Go on with what is there already."""
    out: Path | None = None
    """Folder of the results (default runs/sweeps/NAME)."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.experiments.run_sweep import RESULTS, default_store, run_sweep

        console = Console(stderr=self.json)
        with SweepDisplay(console, self.file.stem) as display:
            sweep, rows = run_sweep(self.file, self.out, self.workers, self.scheduler, self.resume, display.update)
        path = (self.out or default_store(sweep)) / RESULTS
        failed = [row for row in rows if "failed" in row]
        console.print(f"{len(rows)} networks in {path}", soft_wrap=True)
        if failed:
            console.print(f"{len(failed)} of them failed, the first: {failed[0]['arm']}: {failed[0]['failed']}")
        if self.json:
            print(json.dumps({"sweep": sweep.name, "results": str(path), "networks": len(rows), "failed": len(failed)}))
        return 0


class SweepDisplay:
    """A bar of the work done, networks done of all, and the time left. Appears with the first update."""

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.bar = Bar(
            TextColumn(title), BarColumn(), TextColumn("{task.fields[members]} networks"), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False), console=console,
            speed_estimate_period=3600,
        )  # fmt: skip
        self.task: TaskID | None = None

    def __enter__(self) -> SweepDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.task is not None:
            self.bar.stop()

    def update(self, progress: Progress) -> None:
        """Show how far the sweep is."""
        members = f"{progress.members}/{progress.members_in_all}"
        if self.task is None:
            if progress.dashboard:
                self.console.print(f"Dask's dashboard: {progress.dashboard}", soft_wrap=True)
            self.task = self.bar.add_task("", total=progress.work_in_all, members=members)
            self.bar.start()
        self.bar.update(self.task, completed=progress.work, members=members)

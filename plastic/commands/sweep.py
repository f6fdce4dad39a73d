"""plastic sweep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plastic.terminal.console import Console
from plastic.terminal.progress import SweepDisplay


@dataclass(frozen=True)
class Sweep:
    """Train all networks that a TOML file names: rules × train sizes × seeds × whatever else.

    Results go to one append-only file that survives a kill at any moment; --resume does only what is
    missing, and the numbers come out as if nothing had happened. Networks that differ in seed, data or
    learning rate only are trained side by side; see docs/sweeps.md for the file and for many machines.

    Examples:
      plastic sweep experiments/sweeps/rhm_efficiency.toml --workers 2
      plastic sweep experiments/sweeps/rhm_efficiency.toml --workers 2 --resume
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
        from plastic.experiments.sweeps.run import RESULTS, default_store, run_sweep

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

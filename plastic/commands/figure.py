"""plastic figure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plastic.terminal.console import Console
from plastic.terminal.progress import SweepDisplay


@dataclass(frozen=True)
class Figure:
    """Make one of the project's figures: train what is missing of its sweep, then write numbers and picture.

    rhm-efficiency: test error against the number of training strings, P* of every rule. depth: what each further
    level of the hierarchy costs. shallow: why direct feedback is hardly behind at L = 2. masking: where it fails
    at L = 3. synonyms: invariance to synonyms per layer. pairings: what counts as the same object. latents: how
    much of it stays. spiking: the same in spikes. all-valid: the hardest grammar, v = m = 8. every-string-valid: P* on
    the grid v = n_c = m. robustness: noise, wrong signals, optimisers, long training. Killed runs go on where they
    were. Settings: experiments/sweeps/NAME.toml.

    Examples:
      plastic figure rhm-efficiency --workers 2
      plastic figure rhm-efficiency --partial      draw what is there already
      plastic figure rhm-efficiency --redraw       P*, intervals and picture anew from rhm-efficiency.json
      plastic figure masking --out my_results
    """

    name: tyro.conf.Positional[str]
    """rhm-efficiency, depth, shallow, masking, synonyms, pairings, latents, spiking, all-valid,
    every-string-valid or robustness."""
    sweep: Path | None = None
    """Another sweep file with the same arms (default: the one that comes with plastic)."""
    store: Path | None = None
    """Folder of the sweep's results (default runs/sweeps/NAME)."""
    out: Path = Path("docs/results")
    """Folder of NAME.json and NAME.png."""
    workers: int = 1
    """Processes on this machine, one thread each."""
    scheduler: str | None = None
    """Address of a running Dask scheduler, whose workers do the work instead."""
    partial: bool = False
    """Train nothing; draw what is there and say what is missing."""
    redraw: bool = False
    """Train nothing and read no store; compute P* and its intervals anew from the errors in NAME.json, and draw."""
    json: Annotated[bool, tyro.conf.arg()] = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.experiments.figures.make import Order, make_figure

        console = Console(stderr=self.json)
        order = Order(
            self.name, self.sweep, self.store, self.out, self.workers, self.scheduler, self.partial, self.redraw
        )
        with SweepDisplay(console, self.name) as display:
            path = make_figure(order, display.update)
        content = json.loads(path.read_text(encoding="utf-8"))
        console.print(f"{path} and {path.with_suffix('.png')}", soft_wrap=True)
        if content["missing"]:
            count = content["networks_in_all"] - content["networks"]
            console.print(f"{count} of {content['networks_in_all']} networks are not trained yet; see 'missing' there.")
        if self.json:
            keys = ("networks", "networks_in_all", "missing")
            print(json.dumps({"figure": self.name, "result": str(path), **{k: content[k] for k in keys}}))
        return 0

"""plastic traces and plastic compare."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.measure import Measurement
from rich.table import Table

from plastic.commands.inspect import parse_window
from plastic.errors import PlasticError
from plastic.terminal.console import Console

if TYPE_CHECKING:
    from plastic.traces.opened import Run
    from plastic.traces.view import Synapse


def parse_synapse(text: str, stream: int, position: int) -> Synapse:
    """The synapse of LAYER:POST,PRE; PlasticError if that is none."""
    from plastic.traces.view import Synapse

    layer, colon, pair = text.partition(":")
    post, comma, pre = pair.partition(",")
    if not (colon and comma and all(part.strip().isdigit() for part in (layer, post, pre))):
        raise PlasticError(f"--synapse is {text!r}; write it as LAYER:POST,PRE, such as 2:3,5 (layers from 1).")
    return Synapse(int(layer), int(post), int(pre), stream, position)


def chosen(
    run: Run, synapse: str | None, window: str | None, stream: int, position: int, other: Run | None = None
) -> tuple[Synapse, tuple[int, int]]:
    """Synapse and window as given, or the liveliest synapse of the top layer early in the run (and in `other`)."""
    from plastic.traces.view import liveliest, typical_window

    when = typical_window(run, other=other) if window is None else parse_window(window)
    if synapse is None and (stream or position):
        raise PlasticError("--stream and --position are of --synapse; add --synapse LAYER:POST,PRE, such as 2:3,5.")
    if synapse is not None:
        return parse_synapse(synapse, stream, position), when
    return liveliest(run, len(run.traces.attrs["layers"]), when, other), when


def print_whole(console: Console, table: Table) -> None:
    """The table with no column cut off, however narrow the terminal or the pipe."""
    console.width = max(console.width, Measurement.get(console, console.options.update(width=1000), table).maximum)
    console.print(table)


@dataclass(frozen=True)
class Traces:
    """All factors of one synapse over a few stimuli, as a figure or as a table in the terminal.

    Pre spikes and their trace, membrane, post factor, eligibility, gate, dendrite, modulator, weight and
    the rule's own signals, as far as the run recorded them.

    Examples:
      plastic traces runs/demo
      plastic traces runs/demo --synapse 2:3,5 --window 401:406 --out figure.pdf
      plastic traces runs/demo --synapse 2:3,5 --window 401:402 --print
    """

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder."""
    synapse: str | None = None
    """LAYER:POST,PRE (default: of the top layer's, the one whose weight changes most in the window)."""
    window: str | None = None
    """Stimuli A:B, from the first to the last (default: a few after a fifth of the run)."""
    stream: int = 0
    """With --synapse: which of the streams."""
    position: int = 0
    """With --synapse: which of the layer's positions."""
    out: Path | None = None
    """PNG, PDF or SVG (default traces.png in the run folder)."""
    print: bool = False
    """Print a table instead of drawing."""
    json: bool = False
    """Print the values as one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.traces.figure import save_synapse
        from plastic.traces.opened import open_run
        from plastic.traces.table import record, tables
        from plastic.traces.view import view

        run, console = open_run(self.run_folder), Console(stderr=self.json)
        displayed = view(run, *chosen(run, self.synapse, self.window, self.stream, self.position))
        if self.print:
            for table in tables(displayed):
                print_whole(console, table)
        else:
            out = self.out or self.run_folder / "traces.png"
            save_synapse(out, run, displayed)
            console.print(f"figure: {out}", soft_wrap=True)
        if self.json:
            print(json.dumps(record(displayed)))
        return 0


@dataclass(frozen=True)
class Compare:
    """The same signals of two runs (two backends, rules or seeds) over each other, with their difference.

    Prints for every signal that both recorded the largest difference and when it first appears, and
    draws one synapse of both.

    Examples:
      plastic compare runs/clapp-snntorch runs/clapp-brian2
      plastic compare runs/a runs/b --synapse 2:3,5 --window 401:406 --out compare.pdf
    """

    first: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_A")]
    """Run folder A."""
    second: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_B")]
    """Run folder B."""
    synapse: str | None = None
    """LAYER:POST,PRE (default: the liveliest of A's top layer that both recorded)."""
    window: str | None = None
    """Stimuli A:B to draw (default: a few after a fifth of the run); the table is of all."""
    stream: int = 0
    """With --synapse: which of the streams."""
    position: int = 0
    """With --synapse: which of the layer's positions."""
    out: Path | None = None
    """PNG, PDF or SVG (default compare.png in the folder of B)."""
    json: bool = False
    """Print the differences as one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.traces.compare import compare_table, differences, save_comparison
        from plastic.traces.opened import open_run
        from plastic.traces.view import view

        a, b = open_run(self.first), open_run(self.second)
        found, left_out = differences(a, b)
        synapse, window = chosen(a, self.synapse, self.window, self.stream, self.position, b)
        out = self.out or self.second / "compare.png"
        save_comparison(out, a, b, view(a, synapse, window), view(b, synapse, window))
        console = Console(stderr=self.json)
        print_whole(console, compare_table(a, b, found))
        if left_out:
            console.print(f"not compared, as not both recorded it alike: {', '.join(left_out)}", soft_wrap=True)
        console.print(f"figure: {out}", soft_wrap=True)
        if self.json:
            print(
                json.dumps(
                    {"a": str(a.path), "b": str(b.path), "figure": str(out), "signals": found, "left_out": left_out}
                )
            )
        return 0

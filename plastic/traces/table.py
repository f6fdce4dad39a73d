"""One synapse over a few stimuli as tables in the terminal, and as plain data."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from plastic.traces.view import Curve, View


def tables(displayed: View) -> list[Table]:
    """What changes in every step, and what changes once per stimulus."""
    steps = [c for c in displayed.curves.values() if c.clock == "step"]
    ends = [c for c in displayed.curves.values() if c.clock == "stimulus"]
    titled = []
    if steps:
        titled.append(_table(f"{displayed.synapse}: every step", displayed, steps))
    if ends:
        titled.append(_table(f"{displayed.synapse}: every stimulus", displayed, ends))
    return titled


def _table(title: str, displayed: View, curves: list[Curve]) -> Table:
    table = Table(title=title)
    about = {b.stimulus: f"{'fixation' if b.fixation else 'saccade'} {b.label}" for b in displayed.stimuli}
    columns = ["time", "stimulus", "label"] + [f"{c.name}\n({c.unit})" for c in curves]
    for column in columns:
        table.add_column(column, justify="left" if column == "label" else "right")
    values = [{int(t): v for t, v in zip(c.time, c.value, strict=True)} for c in curves]
    stimulus = {int(t): int(n) for c in curves for t, n in zip(c.time, c.stimulus, strict=True)}
    for time in sorted(stimulus):
        cells = ["" if time not in one else f"{one[time]:.5g}" for one in values]
        table.add_row(str(time), str(stimulus[time]), about.get(stimulus[time], ""), *cells)
    return table


def record(displayed: View) -> dict[str, Any]:
    """The same as plain data, for JSON."""
    return {
        "synapse": vars(displayed.synapse),
        "stimuli": [vars(boundary) for boundary in displayed.stimuli],
        "signals": {
            name: {"unit": c.unit, "clock": c.clock, "time": c.time.tolist(), "value": c.value.tolist()}
            for name, c in displayed.curves.items()
        },
    }

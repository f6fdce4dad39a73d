"""One synapse over a few stimuli as tables in the terminal, and as plain data."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from plastic.traces.view import Course, View


def tables(shown: View) -> list[Table]:
    """What changes in every step, and what changes once per stimulus."""
    steps = [c for c in shown.courses.values() if c.clock == "step"]
    ends = [c for c in shown.courses.values() if c.clock == "stimulus"]
    titled = []
    if steps:
        titled.append(_table(f"{shown.synapse}: every step", shown, steps))
    if ends:
        titled.append(_table(f"{shown.synapse}: every stimulus", shown, ends))
    return titled


def _table(title: str, shown: View, courses: list[Course]) -> Table:
    table = Table(title=title)
    about = {b.stimulus: f"{'fixation' if b.fixation else 'saccade'} {b.label}" for b in shown.stimuli}
    columns = ["time", "stimulus", "label"] + [f"{c.name}\n({c.unit})" for c in courses]
    for column in columns:
        table.add_column(column, justify="left" if column == "label" else "right")
    values = [{int(t): v for t, v in zip(c.time, c.value, strict=True)} for c in courses]
    stimulus = {int(t): int(n) for c in courses for t, n in zip(c.time, c.stimulus, strict=True)}
    for time in sorted(stimulus):
        cells = ["" if time not in one else f"{one[time]:.5g}" for one in values]
        table.add_row(str(time), str(stimulus[time]), about.get(stimulus[time], ""), *cells)
    return table


def record(shown: View) -> dict[str, Any]:
    """The same as plain data, for JSON."""
    return {
        "synapse": vars(shown.synapse),
        "stimuli": [vars(boundary) for boundary in shown.stimuli],
        "signals": {
            name: {"unit": c.unit, "clock": c.clock, "time": c.time.tolist(), "value": c.value.tolist()}
            for name, c in shown.courses.items()
        },
    }

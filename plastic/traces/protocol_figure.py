"""The outcome of an experiment on one synapse, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from plastic.traces.figure import BLUE, GREY, ORANGE, save

SIDES = ((1.0, "fixation (y = +1)", BLUE, "o"), (-1.0, "saccade (y = −1)", ORANGE, "s"))


def save_protocol(out: Path, record: dict[str, Any]) -> None:
    """Weight change, and beside it what it is made of, against what was varied (PNG, PDF, SVG)."""
    sweep = record["protocol"] == "gate-sweep"
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    figure.suptitle(_title(record), fontsize=11)
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for y, name, colour, marker in SIDES:
        rows = [row for row in record["outcomes"] if row["fixation"] == y]
        x = [row["modulator" if sweep else "x"] for row in rows]
        style = {
            "color": colour,
            "marker": marker,
            "ms": 4,
            "lw": 0 if sweep else 1.2,
            "label": name,
            "mfc": colour if y > 0 else "none",
        }
        change, spread = ([row[key] for row in rows] for key in ("weight_change", "spread"))
        left.plot(x, change, **style)
        if any(spread):
            left.errorbar(x, change, spread, fmt="none", ecolor=colour, elinewidth=0.8, capsize=2)
        if sweep:
            right.plot([row["x"] for row in rows], [row["gate"] for row in rows], **(style | {"lw": 1.2, "ms": 3}))
    right.set_xlabel(record["varied"], fontsize=9)
    if sweep:
        left.set_xlabel("modulator m (a.u.)", fontsize=9)
        right.set_ylabel("gate M", fontsize=9)
    else:
        left.set_xlabel(record["varied"], fontsize=9)
        first = [row for row in record["outcomes"] if row["fixation"] == 1.0]
        right.plot([row["x"] for row in first], [row["eligibility"] for row in first], "o-", ms=4, lw=1.2, color=GREY)
        right.set_ylabel("eligibility Σ ψ x̄ (a.u.)", fontsize=9)
    left.set_ylabel("weight change ΔW / η (thresholds)", fontsize=9)
    left.axhline(0, color=GREY, lw=0.6)
    if record["protocol"] == "stdp":
        left.axvline(0, color=GREY, lw=0.6)
    left.legend(fontsize=8)
    for axis in (left, right):
        axis.tick_params(labelsize=8)
    save(figure, out)


def _title(record: dict[str, Any]) -> str:
    title = f"{record['rule']} on {record['backend']}: {record['protocol']}"
    if (chip := record.get("chip")) is None:
        return title
    repeats = f", mean ± SD of {chip['repeats']} repeats" if chip["repeats"] > 1 else ""
    return f"{title} (η = {chip['learning_rate']:.2g}, weights in steps of {chip['weight_step']:.2g}{repeats})"

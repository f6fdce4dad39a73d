"""Test error and P* at L = 2 against the width: what a second layer learns on a random first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.experiments.figure import Content, top_error
from plastic.experiments.figure_efficiency import CLASSES, STANDARD, SYMBOLS, THRESHOLD
from plastic.experiments.palette import color, mark
from plastic.experiments.store import Row
from plastic.experiments.threshold import p_star

ALL_STRINGS = CLASSES * STANDARD**3  # n_c m^(1 + s) for L = s = 2
BEHIND = 2.5  # times P*(BP): where direct feedback was expected


def analyse(rows: Sequence[Row]) -> Content:
    """Per width and arm: errors, P* and its interval; per width, what 2.5 P*(BP) would be."""
    points: dict[str, dict[str, dict[int, list[float]]]] = {}
    for row in rows:
        s = row["settings"]
        sizes = points.setdefault(str(s["width"]), {}).setdefault(row["arm"], {})
        sizes.setdefault(s["train_size"], []).append(round(top_error(row), 6))
    stars = {width: {arm: p_star(sizes, THRESHOLD) for arm, sizes in arms.items()} for width, arms in points.items()}
    values = {width: {arm: _rounded(star.value) for arm, star in arms.items()} for width, arms in stars.items()}
    return {
        "all_strings": ALL_STRINGS,
        "p_star": values,
        "p_star_interval": {
            width: {arm: [_rounded(star.low), _rounded(star.high)] for arm, star in arms.items()}
            for width, arms in stars.items()
        },
        "p_star_of_bp_times_2.5": {
            w: None if (star := arms.get("bp")) is None else round(BEHIND * star, 1) for w, arms in values.items()
        },
        "points": {w: {arm: {str(p): sizes[p] for p in sorted(sizes)} for arm, sizes in arms.items()}
                   for w, arms in points.items()},
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def draw(content: Content) -> Figure:
    """A panel of errors per width from 32 on; P* against the width."""
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    widths = [width for width in content["points"] if int(width) >= 32]
    axes: Any = figure.subplots(1, len(widths) + 1)
    for axis, width in zip(axes, widths, strict=False):
        _errors(axis, content, width)
    _stars(axes[-1], content)
    figure.suptitle(f"Random Hierarchy Model, v = n_c = {SYMBOLS}, m = {STANDARD}, s = 2, L = 2, rate networks")
    return figure


def _errors(axis: Axes, content: Content, width: str) -> None:
    for number, (arm, sizes) in enumerate(content["points"][width].items()):
        p = [int(size) for size in sizes]
        mean = np.array([np.mean(errors) for errors in sizes.values()])
        spread = np.array([np.std(errors, ddof=1) if len(errors) > 1 else 0.0 for errors in sizes.values()])
        axis.plot(p, mean, "--" if arm == "none" else "-", color=color(arm, number), marker=mark(arm), ms=4, label=arm)
        axis.fill_between(p, mean - spread, mean + spread, color=color(arm, number), alpha=0.15, lw=0)
    axis.axhline(THRESHOLD, color="#777777", lw=1, ls="--")
    axis.set(title=f"width {width}", xlabel="training strings P", ylim=(0, 0.93), xlim=(90, 400))
    axis.set_ylabel("test error (probe of the top layer)")
    axis.legend(fontsize=8)


def _stars(axis: Axes, content: Content) -> None:
    arms = dict.fromkeys(arm for own in content["p_star"].values() for arm in own)
    for number, arm in enumerate(arms):
        reached = {int(w): own[arm] for w, own in content["p_star"].items() if own.get(arm) is not None}
        if reached:
            axis.plot(list(reached), list(reached.values()), "-", color=color(arm, number), marker=mark(arm), label=arm)
    behind = {int(w): star for w, star in content["p_star_of_bp_times_2.5"].items() if star is not None}
    axis.plot(list(behind), list(behind.values()), ":", color=color("bp"), label="2.5 times P* of bp")
    axis.axhline(content["all_strings"], color="#777777", lw=1, ls="--")
    axis.annotate(" all strings of the grammar", (8, content["all_strings"]), fontsize=8, va="bottom")
    widths = [int(width) for width in content["points"]]
    axis.set(title="P* where it is reached", xlabel="width (neurons per layer)", ylabel="P*", xscale="log")
    axis.set_xticks(widths, [str(width) for width in widths])
    axis.minorticks_off()
    axis.legend(fontsize=8, loc="upper left")

"""Test error and P* at L = 2 against the width: what a second layer learns on a random first one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.experiments.figures.efficiency import (
    CLASSES,
    STANDARD,
    SYMBOLS,
    THRESHOLD,
    Curves,
    beside_readouts,
    both_again,
    both_curves,
    draw_errors,
    grammars,
    thresholds,
)
from plastic.experiments.figures.make import Content, error_label
from plastic.experiments.figures.palette import color, mark
from plastic.experiments.sweeps.store import Row

ALL_STRINGS = CLASSES * STANDARD**3  # n_c m^(1 + s) for L = s = 2
BEHIND = 2.5  # times P*(BP): where direct feedback was expected


def analyse(rows: Sequence[Row]) -> Content:
    """Per width and arm: errors, P* and its interval; per width, what 2.5 P*(BP) would be."""
    return _of_curves(*both_curves(rows, _width))


def again(content: Content) -> Content:
    """The same from the points that were written."""
    return _of_curves(*both_again(content, "points"))


def _of_curves(curves: Curves, readouts: Curves) -> Content:
    found = thresholds(curves)
    of_bp = {width: arms.get("bp") for width, arms in found["p_star"].items()}
    behind = {width: None if star is None else round(BEHIND * star, 1) for width, star in of_bp.items()}
    return {"all_strings": ALL_STRINGS, **beside_readouts(found, readouts), "p_star_of_bp_times_2.5": behind}


def _width(settings: Row) -> str:
    return str(settings["width"])


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
    draw_errors(axis, content["points"][width])
    axis.axhline(THRESHOLD, color="#777777", lw=1, ls="--")
    axis.set_title(f"width {width} (bands: standard deviation, {grammars(content, [width])})", fontsize=9)
    axis.set(xlabel="training strings P", ylim=(0, 0.93), xlim=(90, 400))
    axis.set_ylabel(error_label(content))
    axis.legend(fontsize=8)


def _stars(axis: Axes, content: Content) -> None:
    stars = content["p_star"]["probe"]
    arms = dict.fromkeys(arm for own in stars.values() for arm in own)
    for number, arm in enumerate(arms):
        reached = {int(w): own[arm] for w, own in stars.items() if own.get(arm) is not None}
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

"""Test error against P at several depths of the hierarchy, and how P* grows with each level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.experiments.figures.efficiency import (
    CLASSES,
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
from plastic.experiments.figures.palette import color, line, mark
from plastic.experiments.sweeps.p_star import exponent
from plastic.experiments.sweeps.store import Row


def analyse(rows: Sequence[Row]) -> Content:
    """Per depth and arm: errors, P* and its interval, P* over that of bp; per arm, the factor of each further level."""
    ordered = sorted(rows, key=lambda row: int(row["settings"]["levels"]))
    return _of_curves(*both_curves(ordered, _depth), rows[0]["settings"]["synonyms"])


def again(content: Content) -> Content:
    """The same from the points that were written."""
    return _of_curves(*both_again(content, "points"), content["synonyms"])


def _of_curves(curves: Curves, readouts: Curves, synonyms: int) -> Content:
    found = thresholds(curves)
    return {
        "synonyms": synonyms,
        **beside_readouts(found, readouts),
        "p_star_theory": {task: CLASSES * synonyms ** _levels(task) for task in curves},
        "factor_per_level": _factors(found["p_star"]),
    }


def _depth(settings: Row) -> str:
    return f"L={settings['levels']}"


def _levels(task: str) -> int:
    return int(task.removeprefix("L="))


def _reached(stars: dict[str, dict[str, float | None]], arm: str) -> dict[int, float]:
    """P* (or another number that is None where P* is not reached) by depth."""
    return {_levels(task): star for task, own in stars.items() if (star := own.get(arm)) is not None}


def _factors(stars: dict[str, dict[str, float | None]]) -> Content:
    """By how much each further level multiplies P*, by least squares of its logarithm, and the error of that."""
    found: Content = {}
    for arm in dict.fromkeys(arm for own in stars.values() for arm in own):
        reached = _reached(stars, arm)
        if fit := exponent([2.0**levels for levels in reached], list(reached.values())):
            found[arm] = {"factor": round(2 ** fit[0], 2), "standard_error_of_log2": round(fit[1], 3)}
    return found


def draw(content: Content) -> Figure:
    """A panel of errors per depth; P* against depth; P* over that of bp."""
    tasks = list(content["points"])
    figure = Figure(figsize=(3.6 * len(tasks), 8), layout="constrained")
    halves: Any = figure.subfigures(2, 1)
    above, below = halves
    for axis, task in zip(above.subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        _errors(axis, content, task)
    stars, ratios = below.subplots(1, 2)
    _stars(stars, content)
    _ratios(ratios, content)
    missing = content["networks_in_all"] - content["networks"]
    note = f"  ({missing} of {content['networks_in_all']} networks are not trained yet)" if missing else ""
    about = f"v = n_c = {SYMBOLS}, m = {content['synonyms']}, s = 2, rate networks"
    figure.suptitle(f"Random Hierarchy Model, {about}{note}")
    return figure


def _errors(axis: Axes, content: Content, task: str) -> None:
    draw_errors(axis, content["points"][task])
    axis.axhline(THRESHOLD, color="#777777", lw=1, ls="--")
    axis.axvline(content["p_star_theory"][task], color="#777777", lw=1, ls=":")
    axis.set(xscale="log", xlabel="training strings P", ylabel=error_label(content), ylim=(0, 0.93))
    sizes = sorted({int(p) for own in content["points"][task].values() for p in own})
    ticks = [p for p in sizes if p & (p - 1) == 0]
    axis.set_xticks(ticks, [str(p) for p in ticks], fontsize=8)
    axis.minorticks_off()
    theory = f"dotted: n_c m^L = {content['p_star_theory'][task]}"
    axis.set_title(f"{task} ({theory})\nbands: standard deviation, {grammars(content, [task])}", fontsize=9)
    if task == next(iter(content["points"])):
        axis.legend(fontsize=8)


def _arms(content: Content) -> list[str]:
    return [
        arm for arm in dict.fromkeys(arm for own in content["p_star"]["probe"].values() for arm in own) if arm != "none"
    ]


def _bars(axis: Axes, values: Content, intervals: Content, arm: str, name: str, number: int) -> None:
    """An arm's numbers against depth with their intervals; an open end is an arrow."""
    found = _reached(values, arm)
    ends = [intervals[f"L={levels}"][arm] for levels in found]
    below = [0.25 * value if low is None else value - low for value, (low, _) in zip(found.values(), ends, strict=True)]
    above = [0.25 * value if up is None else up - value for value, (_, up) in zip(found.values(), ends, strict=True)]
    if found:
        _, _, bars = axis.errorbar(
            list(found), list(found.values()), [below, above], label=name, ls=line(arm), color=color(arm, number),
            marker=mark(arm), ms=5, capsize=3,
        )  # fmt: skip
        for bar in bars:
            bar.set_linestyle("-")
        for (levels, value), (low, high) in zip(found.items(), ends, strict=True):
            for end, factor, shape in ((low, 0.75, "v"), (high, 1.25, "^")):
                if end is None:
                    axis.plot(levels, factor * value, shape, ms=6, color=color(arm, number))


def _stars(axis: Axes, content: Content) -> None:
    for number, arm in enumerate(_arms(content)):
        factor = content["factor_per_level"].get(arm)
        name = arm if factor is None else f"{arm}: × {factor['factor']:.2f} per level"
        _bars(axis, content["p_star"], content["p_star_interval"], arm, name, number)
    theory = {_levels(task): star for task, star in content["p_star_theory"].items()}
    label = f"n_c m^L: × {content['synonyms']} per level"
    axis.plot(list(theory), list(theory.values()), ":", color="#777777", label=label)
    axis.set(yscale="log", xlabel="levels L", ylabel="P*")
    about = f"over {grammars(content, list(content['points']))}, where most reach it"
    axis.set_title(f"P* with its 95 % t interval {about} (arrows: open, as some do not)", fontsize=9)
    axis.set_xticks(list(theory))
    axis.legend(fontsize=8)


def _ratios(axis: Axes, content: Content) -> None:
    for number, arm in enumerate(_arms(content)):
        _bars(axis, content["p_star_over_bp"], content["p_star_over_bp_interval"], arm, arm, number)
    axis.set(xlabel="levels L", ylabel="P* / P*(bp)", ylim=(0, None))
    about = f"95 % t interval over {grammars(content, list(content['points']))}"
    axis.set_title(f"How much data a rule needs beside backpropagation ({about})", fontsize=9)
    axis.set_xticks([_levels(task) for task in content["points"]])
    axis.legend(fontsize=8)

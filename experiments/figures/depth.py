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
    beside_readouts,
    curves_of,
    draw_errors,
    thresholds,
)
from plastic.experiments.figures.make import Content, error_label, readout_error, top_error
from plastic.experiments.figures.palette import color, line, mark
from plastic.experiments.sweeps.p_star import exponent
from plastic.experiments.sweeps.store import Row


def analyse(rows: Sequence[Row]) -> Content:
    """Per depth and arm: errors, P* and its interval, P* over that of bp; per arm, the factor of each further level."""
    rows = sorted(rows, key=lambda row: int(row["settings"]["levels"]))
    curves = curves_of(rows, _depth, top_error)
    found, synonyms = thresholds(curves), rows[0]["settings"]["synonyms"]
    return {
        "synonyms": synonyms,
        **beside_readouts(found, curves_of(rows, _depth, readout_error)),
        "p_star_theory": {task: CLASSES * synonyms ** _levels(task) for task in curves},
        "factor_per_level": _factors(found["p_star"]),
    }


def _depth(row: Row) -> str:
    return f"L={row['settings']['levels']}"


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
    axis.set_title(f"{task} (dotted: n_c m^L = {content['p_star_theory'][task]})", fontsize=10)
    if task == next(iter(content["points"])):
        axis.legend(fontsize=8)


def _arms(content: Content) -> list[str]:
    return [
        arm for arm in dict.fromkeys(arm for own in content["p_star"]["probe"].values() for arm in own) if arm != "none"
    ]


def _stars(axis: Axes, content: Content) -> None:
    for number, arm in enumerate(_arms(content)):
        reached, intervals = _reached(content["p_star"]["probe"], arm), content["p_star_interval"]
        if not reached:
            continue
        ends = [intervals[f"L={levels}"][arm] for levels in reached]
        spread = [
            [star - (low or star) for star, (low, _) in zip(reached.values(), ends, strict=True)],
            [(high or star) - star for star, (_, high) in zip(reached.values(), ends, strict=True)],
        ]
        factor = content["factor_per_level"].get(arm)
        name = arm if factor is None else f"{arm}: × {factor['factor']:.2f} per level"
        axis.errorbar(
            list(reached), list(reached.values()), spread, ls=line(arm), color=color(arm, number), marker=mark(arm),
            ms=5, capsize=3, label=name,
        )  # fmt: skip
    theory = {_levels(task): star for task, star in content["p_star_theory"].items()}
    label = f"n_c m^L: × {content['synonyms']} per level"
    axis.plot(list(theory), list(theory.values()), ":", color="#777777", label=label)
    axis.set(yscale="log", xlabel="levels L", ylabel="P*")
    axis.set_title("P* with its 95 % interval, where it is reached", fontsize=10)
    axis.set_xticks(list(theory))
    axis.legend(fontsize=8)


def _ratios(axis: Axes, content: Content) -> None:
    for number, arm in enumerate(_arms(content)):
        found = _reached(content["p_star_over_bp"]["probe"], arm)
        axis.plot(
            list(found), list(found.values()), ls=line(arm), color=color(arm, number), marker=mark(arm), ms=5, label=arm
        )
    axis.set(xlabel="levels L", ylabel="P* / P*(bp)", ylim=(0, None))
    axis.set_title("How much data a rule needs beside backpropagation", fontsize=10)
    axis.set_xticks([_levels(task) for task in content["points"]])
    axis.legend(fontsize=8)

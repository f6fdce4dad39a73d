"""Test error against the number of training strings, P*, and how P* scales with m and L."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.errors import PlasticError
from plastic.experiments.figures.make import Content, error_label, readout_error, top_error
from plastic.experiments.figures.palette import color, line, mark
from plastic.experiments.sweeps.p_star import DEFINITION, PStar, exponent, p_star, p_star_ratio
from plastic.experiments.sweeps.store import Row

CLASSES, SYMBOLS = 8, 8
CHANCE_ERROR = 1 - 1 / CLASSES
THRESHOLD = CHANCE_ERROR / 10
STANDARD = 4  # the m of the curves
Errors = dict[int, list[float | None]]  # P → error of each grammar, None where it is missing
Curves = dict[str, dict[str, Errors]]  # by task and arm


def label(levels: int, synonyms: int) -> str:
    return f"L={levels}" if synonyms == STANDARD else f"L={levels}, m={synonyms}"


def analyse(rows: Sequence[Row]) -> Content:
    """Points, P* with intervals, ratios to backpropagation, exponents."""
    return _of_curves(*both_curves(rows, _task))


def again(content: Content) -> Content:
    """The same from the points that were written."""
    return _of_curves(*both_again(content, "points"))


def _of_curves(curves: Curves, readouts: Curves) -> Content:
    found = thresholds(curves)
    values = found["p_star"]
    return {
        **beside_readouts(found, readouts),
        "p_star_theory": {task: CLASSES * m**levels for task in curves for levels, m in [_numbers(task)]},
        "scaling": _scaling(values),
    }


def _task(settings: Row) -> str:
    return label(settings.get("levels", 3), settings.get("synonyms", STANDARD))


def curves_of(rows: Sequence[Row], task: Callable[[Row], str], error: Callable[[Row], float | None]) -> Curves:
    """Errors by task (of a row's settings), arm and P, of the rows that have one; all lists of a task go through the
    same grammars."""
    found: dict[str, dict[str, dict[int, dict[int, float]]]] = {}
    for row in rows:
        if (value := error(row)) is None:
            continue
        s = row["settings"]
        sizes = found.setdefault(task(s), {}).setdefault(row["arm"], {})
        sizes.setdefault(s["train_size"], {})[s["seed"]] = round(value, 6)
    return {name: _aligned(arms) for name, arms in found.items()}


def both_curves(rows: Sequence[Row], task: Callable[[Row], str]) -> tuple[Curves, Curves]:
    """Errors of the probes, and of the networks' own readouts."""
    return curves_of(rows, task, top_error), curves_of(rows, task, readout_error)


def both_again(content: Content, of: str) -> tuple[Curves, Curves]:
    """The same from what was written."""
    return curves_again(content.get(of, {})), curves_again(content.get(f"{of}_of_readout", {}))


def _aligned(arms: dict[str, dict[int, dict[int, float]]]) -> dict[str, Errors]:
    seeds = sorted({seed for sizes in arms.values() for own in sizes.values() for seed in own})
    return {arm: {p: [sizes[p].get(seed) for seed in seeds] for p in sorted(sizes)} for arm, sizes in arms.items()}


def curves_again(points: Content) -> Curves:
    """The curves of written points; PlasticError where their lists cannot go through the same grammars."""
    for task, arms in points.items():
        if len({len(errors) for sizes in arms.values() for errors in sizes.values()}) > 1:
            raise PlasticError(
                f"the points of {task!r} are not of the same grammars; make the figure without --redraw."
            )
    return {
        task: {arm: {int(p): errors for p, errors in sizes.items()} for arm, sizes in arms.items()}
        for task, arms in points.items()
    }


def thresholds(curves: Curves, tenth: Callable[[str], float] = lambda task: THRESHOLD) -> Content:
    """P* and its ratio to that of bp, each with an interval, by task and arm, and the errors that they are of, by P.

    `tenth`: a tenth of chance error, of a task by its name.
    """
    stars = {task: {arm: p_star(sizes, tenth(task)) for arm, sizes in arms.items()} for task, arms in curves.items()}
    ratios = {
        task: {arm: p_star_ratio(sizes, arms.get(_base(arm), {}), tenth(task)) for arm, sizes in arms.items()}
        for task, arms in curves.items()
    }
    errors = " or ".join(f"{error:.4g}" for error in sorted({tenth(task) for task in curves} or {THRESHOLD}))
    return {
        "definition": "threshold: a test error of the top layer's linear probe (probe) or of the network's own readout "
        f"(readout; null also where none is trained or it was not measured) of {errors}, a tenth of chance "
        f"error. {DEFINITION}. p_star_over_bp: the same of P* over that of bp, grammar by grammar (of 'bp, X' for an "
        "arm that is called 'NAME, X')",
        "p_star": _each(stars, lambda star: _rounded(star.value)),
        "p_star_interval": _each(stars, lambda star: [_rounded(star.low), _rounded(star.high)]),
        "p_star_grammars": _each(
            stars, lambda star: {"n": star.grammars, "beyond the largest P": star.beyond, "at or below": star.below}
        ),
        "p_star_over_bp": _each(ratios, lambda star: _rounded(star.value, 3)),
        "p_star_over_bp_interval": _each(ratios, lambda star: [_rounded(star.low, 3), _rounded(star.high, 3)]),
        "points": {
            task: {arm: {str(p): sizes[p] for p in sorted(sizes)} for arm, sizes in arms.items()}
            for task, arms in curves.items()
        },
    }


BESIDE = ("p_star", "p_star_interval", "p_star_over_bp", "p_star_over_bp_interval")


def beside_readouts(
    found: Content, readouts: Curves, tenth: Callable[[str], float] = lambda task: THRESHOLD
) -> Content:
    """What `thresholds` found of the probes, as it is and as `probe`, and as `readout` the same of the networks' own
    readouts, None for an arm that has none."""
    own = thresholds(readouts, tenth)
    both = {}
    for key in BESIDE:
        readout = {task: {arm: own[key].get(task, {}).get(arm) for arm in arms} for task, arms in found[key].items()}
        both[key] = {**found[key], "probe": found[key], "readout": readout}
    return {**found, **both, "points_of_readout": own["points"]}


def _base(arm: str) -> str:
    """The bp that an arm is compared with: "bp, 9000 stimuli" for "dfa, 9000 stimuli", which has the same budget."""
    return ", ".join(["bp", *arm.split(", ")[1:]])


def _each(stars: dict[str, dict[str, PStar]], value: Callable[[PStar], Any]) -> Content:
    return {task: {arm: value(star) for arm, star in arms.items()} for task, arms in stars.items()}


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)


def grammars(content: Content, tasks: Sequence[str]) -> str:
    """How many grammars the P* of these tasks are of, in words."""
    counts = {one["n"] for task in tasks for one in content["p_star_grammars"].get(task, {}).values()}
    return " to ".join(str(n) for n in sorted({min(counts, default=0), max(counts, default=0)})) + " grammars"


def _numbers(task: str) -> tuple[int, int]:
    """L and m of a task's label."""
    levels, _, synonyms = task.removeprefix("L=").partition(", m=")
    return int(levels), int(synonyms or STANDARD)


def _scaling(values: dict[str, dict[str, float | None]]) -> Content:
    """P* against m at each L, and against L at the standard m: what is there, and fitted exponents."""
    found: Content = {}
    for levels in sorted({_numbers(task)[0] for task in values}):
        for arm in sorted({arm for arms in values.values() for arm in arms}):
            points = sorted(
                (m, star) for task, arms in values.items() for task_levels, m in [_numbers(task)]
                if task_levels == levels and (star := arms.get(arm)) is not None
            )  # fmt: skip
            if fit := exponent([m for m, _ in points], [star for _, star in points]):
                entry = {"points": dict(points), "exponent": round(fit[0], 3), "standard_error": round(fit[1], 3)}
                found.setdefault(f"P* against m at L={levels} (theory: {levels})", {})[arm] = entry
    for arm, star in values.get("L=3", {}).items():
        lower = values.get("L=2", {}).get(arm)
        if star is not None and lower is not None:
            ratio = {"ratio": round(star / lower, 2), "theory": STANDARD}
            found.setdefault(f"P*(L=3) / P*(L=2) at m={STANDARD}", {})[arm] = ratio
    return found


def draw(content: Content) -> Figure:
    """Error against P at L = 2 and 3; P* of every rule; P* against m."""
    figure = Figure(figsize=(14, 8.4), layout="constrained")
    axes: Any = figure.subplots(2, 2)
    for axis, task in zip(axes[0], _shown(content), strict=False):
        _curves(axis, content, task)
    _table(axes[1, 0], content)
    _against_m(axes[1, 1], content)
    missing = content["networks_in_all"] - content["networks"]
    note = f"  ({missing} of {content['networks_in_all']} networks are not trained yet)" if missing else ""
    figure.suptitle(f"Random Hierarchy Model, v = n_c = {CLASSES}, s = 2, rate networks{note}", fontsize=12)
    return figure


def _shown(content: Content) -> list[str]:
    """L = 2 and 3 at the standard m, or the first two tasks where there is neither."""
    standard = ["L=2", "L=3"]
    return standard if any(task in content["points"] for task in standard) else list(content["points"])[:2]


def draw_errors(axis: Axes, arms: Mapping[str, Mapping[str, Sequence[float | None]]]) -> None:
    """Mean and standard deviation of the errors of every arm against P."""
    for number, (arm, sizes) in enumerate(arms.items()):
        p = [int(size) for size in sizes]
        known = [[error for error in errors if error is not None] for errors in sizes.values()]
        mean = np.array([np.mean(errors) for errors in known])
        spread = np.array([np.std(errors, ddof=1) if len(errors) > 1 else 0.0 for errors in known])
        axis.plot(p, mean, line(arm), color=color(arm, number), marker=mark(arm), ms=4, label=arm)
        axis.fill_between(p, mean - spread, mean + spread, color=color(arm, number), alpha=0.15, lw=0)


def _curves(axis: Axes, content: Content, task: str) -> None:
    draw_errors(axis, content["points"].get(task, {}))
    if task in content["p_star_theory"]:
        axis.axvline(content["p_star_theory"][task], color="#777777", lw=1, ls=":")
        axis.annotate(
            f" n_c m^L = {content['p_star_theory'][task]}", (content["p_star_theory"][task], 0.89), fontsize=8
        )
    axis.axhline(THRESHOLD, color="#777777", lw=1, ls="--")
    axis.annotate(
        "a tenth of chance error", (0.01, THRESHOLD), xycoords=("axes fraction", "data"), fontsize=8, va="bottom"
    )
    axis.set(xscale="log", xlabel="training strings P", ylabel=error_label(content), ylim=(0, 1.1))
    sizes = sorted({int(p) for own in content["points"].get(task, {}).values() for p in own})
    axis.set_xticks(sizes, [str(p) for p in sizes], fontsize=8)
    axis.minorticks_off()
    full = task if ", m=" in task else f"{task}, m={STANDARD}"
    axis.set_title(f"{full}: mean and standard deviation over {grammars(content, [task])}", fontsize=10)
    if content["points"].get(task):
        axis.legend(fontsize=8, loc="upper right", ncols=2, bbox_to_anchor=(1, 0.95))


def _table(axis: Axes, content: Content) -> None:
    """P* with its interval, a row per rule."""
    tasks = [task for task in _shown(content) if task in content["p_star"]]
    named = dict.fromkeys(arm for task in tasks for arm in content["p_star"][task])
    arms = sorted(named, key=lambda arm: arm == "none")
    last = {task: max(int(p) for sizes in content["points"][task].values() for p in sizes) for task in tasks}
    for number, arm in enumerate(arms):
        for task, filled in zip(tasks, ("none", "full"), strict=False):
            sizes = content["points"][task].get(arm, {})
            if arm not in content["p_star"][task] or str(last[task]) not in sizes:
                continue  # not there, or not to the end
            star, theory = content["p_star"][task][arm], content["p_star_theory"][task]
            low, high = content["p_star_interval"][task][arm]
            y = number + (0.15 if filled == "full" else -0.15)
            if star is None:
                axis.plot(last[task] / theory, y, marker=">", color=color(arm, number), fillstyle=filled, ms=8)
                continue
            axis.plot(star / theory, y, marker="o", color=color(arm, number), fillstyle=filled)
            ends = [(low or star) / theory, (high or last[task]) / theory]
            axis.plot(ends, [y, y], color=color(arm, number), lw=1.5)
            for end, at, shape in ((low, ends[0], "<"), (high, ends[1], ">")):
                if end is None:
                    axis.plot(at, y, shape, ms=5, color=color(arm, number))
    axis.set_yticks(range(len(arms)), arms)
    axis.axvline(1, color="#777777", lw=1, ls=":")
    axis.set(xscale="log", xlabel="P* / (n_c m^L)", ylim=(len(arms) - 0.5, -0.5))
    names = ", ".join(f"{kind}: {task}" for task, kind in zip(tasks, ("open", "filled"), strict=False))
    about = f"P* and 95 % t interval over {grammars(content, tasks)} (arrow ends: open, as some do not reach it)"
    axis.set_title(f"{about}\n{names}; ▶ not reached by most", fontsize=10)


def _against_m(axis: Axes, content: Content) -> None:
    drawn = False
    for key, arms in content["scaling"].items():
        if not key.startswith("P* against m"):
            continue
        for number, (arm, entry) in enumerate(arms.items()):
            m = np.array([float(x) for x in entry["points"]])
            star = list(entry["points"].values())
            error = f"{entry['standard_error']:.2f} (s.e. of the fit, n = {len(m)})"
            name = f"{arm}: exponent {entry['exponent']:.2f} ± {error}"
            axis.plot(m, star, "-", marker=mark(arm), color=color(arm, number), label=name)
            drawn = True
        levels = int(key.split("L=")[1].split()[0])
        m = np.array([2.0, 8.0])
        axis.plot(m, CLASSES * m**levels, ":", color="#777777", label=f"n_c m^{levels}")
    axis.set(xlabel="synonyms m", ylabel="P*", xscale="log", yscale="log")
    axis.set_title("P* against m" if drawn else "P* against m: not enough points yet", fontsize=10)
    if drawn:
        axis.set_xticks([2, 3, 4, 6, 8], ["2", "3", "4", "6", "8"])
        axis.legend(fontsize=8)

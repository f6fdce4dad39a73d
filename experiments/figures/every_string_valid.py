"""P* on the grid of the Random Hierarchy Model in which every string is valid, v = n_c = m: by m, L and rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.experiments.figures.efficiency import (
    Curves,
    beside_readouts,
    both_again,
    both_curves,
    grammars,
    thresholds,
)
from plastic.experiments.figures.make import Content
from plastic.experiments.figures.palette import color, mark
from plastic.experiments.sweeps.p_star import exponent
from plastic.experiments.sweeps.store import Row

GROWN = ("bp", "dfa", "clapp", "vicreg", "simclr")  # whose growth with m and L is drawn


def task_of(settings: Row) -> str:
    return f"L={settings.get('levels', 3)}, m={settings.get('synonyms', 4)}" + (
        f", width {settings['width']}" if settings.get("width", 64) != 64 else ""
    )


def numbers_of(task: str) -> tuple[int, int]:
    """L and m of a task's name."""
    levels, synonyms = task.split(", ")[:2]
    return int(levels.removeprefix("L=")), int(synonyms.removeprefix("m="))


def tenth(task: str) -> float:
    """A tenth of chance error, of n_c = m classes."""
    return (1 - 1 / numbers_of(task)[1]) / 10


def analyse(rows: Sequence[Row]) -> Content:
    """Per task and arm: errors, P* and its interval, P* over that of bp; exponents of m at each L, factor per level."""
    ordered = sorted(rows, key=lambda row: numbers_of(task_of(row["settings"])))
    return of_curves(*both_curves(ordered, task_of))


def again(content: Content) -> Content:
    """The same from the points that were written."""
    return of_curves(*both_again(content, "points"))


def of_curves(curves: Curves, readouts: Curves) -> Content:
    found = thresholds(curves, tenth)
    return {
        **beside_readouts(found, readouts, tenth),
        "p_star_theory": {task: theory(task) for task in curves},
        "growth": {"probe": growth(found["p_star"]), "readout": growth(thresholds(readouts, tenth)["p_star"])},
    }


def theory(task: str) -> int:
    """n_c m^L."""
    levels, m = numbers_of(task)
    return int(m ** (levels + 1))


def growth(stars: dict[str, dict[str, float | None]]) -> Content:
    """Where P* is reached: its exponent of m at each L (theory: L + 1, as n_c = m), and its factor from L to L + 1."""
    found: Content = {}
    width_64 = {numbers_of(task): own for task, own in stars.items() if "width" not in task}
    arms = dict.fromkeys(arm for own in width_64.values() for arm in own)
    for arm in arms:
        reached = {at: star for at, own in width_64.items() if (star := own.get(arm)) is not None}
        for levels in sorted({at[0] for at in reached}):
            there = {m: star for (own, m), star in reached.items() if own == levels}
            if fit := exponent(list(there), list(there.values())):
                entry = {"exponent": round(fit[0], 2), "standard_error": round(fit[1], 2), "theory": levels + 1}
                found.setdefault(arm, {})[f"m at L={levels}"] = {**entry, "m": list(there)}
        for levels, m in sorted(reached):
            if (levels + 1, m) in reached:
                ratio = {"factor": round(reached[levels + 1, m] / reached[levels, m], 2), "theory": m}
                found.setdefault(arm, {})[f"L={levels} to {levels + 1} at m={m}"] = ratio
    return found


def draw(content: Content) -> Figure:
    """A panel per task: P* of every rule; below, P* against m and against L."""
    tasks = list(content["points"])
    columns = min(4, len(tasks))
    rows = -(-len(tasks) // columns)
    arms = list(dict.fromkeys(arm for own in content["p_star"]["probe"].values() for arm in own))
    figure = Figure(figsize=(4.2 * columns + 1, (0.22 * len(arms) + 1.3) * rows + 4.4), layout="constrained")
    halves: Any = figure.subfigures(2, 1, height_ratios=[(0.22 * len(arms) + 1.3) * rows, 4.2])
    axes = halves[0].subplots(rows, columns, squeeze=False, sharey=True).flat
    for axis, task in zip(axes, tasks, strict=False):
        forest(axis, content, task, arms)
    for axis in list(axes)[len(tasks) :]:
        axis.axis("off")
    against_m, against_l = halves[1].subplots(1, 2)
    grown(against_m, content, "m", "L")
    grown(against_l, content, "L", "m")
    missing = content["networks_in_all"] - content["networks"]
    note = f"  ({missing} of {content['networks_in_all']} networks are not trained yet)" if missing else ""
    figure.suptitle(
        f"Every string valid: v = n_c = m, s = 2, class pairing, rate networks{note}\n"
        "P* by the logistic probe of the top layer (filled) and by the network's own readout (open), with 95 % t "
        "intervals (arrow: open end; ▶ at the largest P: not reached by most)",
        fontsize=11,
    )
    return figure


def forest(axis: Axes, content: Content, task: str, arms: Sequence[str]) -> None:
    """P* of every arm on one task, by probe and by readout."""
    last = max(int(p) for sizes in content["points"][task].values() for p in sizes)
    for kind, filled, shift in (("probe", "full", -0.17), ("readout", "none", 0.17)):
        stars, ends = content["p_star"][kind].get(task, {}), content["p_star_interval"][kind].get(task, {})
        for number, arm in enumerate(arms):
            if arm not in stars or ends.get(arm) is None:
                continue  # not there, or no readout
            star, (low, high), tone, y = stars[arm], ends[arm], color(arm, number), number + shift
            if star is None:
                axis.plot(last, y, ">", color=tone, fillstyle=filled, ms=7)
                continue
            axis.plot(star, y, mark(arm), color=tone, fillstyle=filled, ms=5)
            axis.plot([low or star, high or last], [y, y], color=tone, lw=1.2)
            for end, at, shape in ((low, star, "<"), (high, last, ">")):
                if end is None:
                    axis.plot(at, y, shape, ms=4, color=tone)
    axis.axvline(content["p_star_theory"][task], color="#777777", lw=1, ls=":")
    axis.set_yticks(range(len(arms)), arms, fontsize=8)
    axis.set(xscale="log", xlabel="P*", ylim=(len(arms) - 0.5, -0.5))
    sizes = sorted({int(p) for own in content["points"][task].values() for p in own})
    axis.set_xticks(sizes[:: max(1, len(sizes) // 5)], [str(p) for p in sizes[:: max(1, len(sizes) // 5)]], fontsize=7)
    axis.minorticks_off()
    about = f"dotted: n_c m^L = {content['p_star_theory'][task]}"
    axis.set_title(f"{task} ({grammars(content, [task])}; {about})", fontsize=9)


def grown(axis: Axes, content: Content, along: str, other: str) -> None:
    """P* by probe of a few rules against m (a line per L), or against L (a line per m)."""
    place = 1 if along == "m" else 0
    lines: dict[tuple[str, int], list[tuple[int, float]]] = {}
    for task, own in content["p_star"]["probe"].items():
        if "width" not in task:
            at = numbers_of(task)
            for arm, star in own.items():
                if arm in GROWN and star is not None:
                    lines.setdefault((arm, at[1 - place]), []).append((at[place], star))
    styles = dict(zip(sorted({fixed for _, fixed in lines}), ("-", "--", ":", "-."), strict=False))
    named = set()
    for (arm, fixed), points in lines.items():
        x, star = zip(*sorted(points), strict=True)
        name = None if arm in named else arm
        named.add(arm)
        axis.plot(x, star, styles[fixed], marker=mark(arm), color=color(arm), label=name, ms=4)
    for fixed, style in styles.items():
        axis.plot([], [], style, color="#777777", label=f"{other} = {fixed}")
    ticks = sorted({x for points in lines.values() for x, _ in points})
    axis.set(yscale="log", xscale="log", xlabel=f"{'synonyms m' if along == 'm' else 'levels L'}", ylabel="P*")
    axis.set_xticks(ticks, [str(x) for x in ticks])
    axis.minorticks_off()
    axis.set_title(f"P* against {along}, where most grammars reach it", fontsize=10)
    axis.legend(fontsize=8, ncols=2)

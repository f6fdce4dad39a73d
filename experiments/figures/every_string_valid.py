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
    draw_errors,
    grammars,
    thresholds,
)
from plastic.experiments.figures.make import Content, error_label
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
    """A column per task: errors against P, and P* of every rule; below, P* against m and against L where there are
    several."""
    tasks = list(content["points"])
    arms = list(dict.fromkeys(arm for own in content["p_star"]["probe"].values() for arm in own))
    several = [along for along, place in (("L", 0), ("m", 1)) if len({numbers_of(task)[place] for task in tasks}) > 1]
    heights = [3.2, 0.25 * len(arms) + 1.3, *([3.6] if several else [])]
    figure = Figure(figsize=(max(10, 4.4 * len(tasks)), sum(heights) + 1), layout="constrained")
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    for axis, task in zip(parts[0].subplots(1, len(tasks), squeeze=False)[0], tasks, strict=True):
        errors(axis, content, task)
    for axis, task in zip(parts[1].subplots(1, len(tasks), squeeze=False, sharey=True)[0], tasks, strict=True):
        forest(axis, content, task, arms)
    if several:
        for axis, along in zip(parts[2].subplots(1, len(several), squeeze=False)[0], several, strict=True):
            grown(axis, content, along, "m" if along == "L" else "L")
    missing = content["networks_in_all"] - content["networks"]
    note = f"  ({missing} of {content['networks_in_all']} networks are not trained yet)" if missing else ""
    figure.suptitle(f"Every string valid: v = n_c = m, s = 2, class pairing, rate networks{note}", fontsize=11)
    return figure


def errors(axis: Axes, content: Content, task: str) -> None:
    """Test error against P."""
    draw_errors(axis, content["points"][task])
    axis.axhline(tenth(task), color="#777777", lw=1, ls="--")
    axis.annotate(
        "a tenth of chance error", (0.01, tenth(task)), xycoords=("axes fraction", "data"), fontsize=7, va="bottom"
    )
    axis.axvline(content["p_star_theory"][task], color="#777777", lw=1, ls=":")
    axis.set(xscale="log", xlabel="training strings P", ylabel=error_label(content), ylim=(0, None))
    ticks(axis, content, task)
    theory_said = f"dotted: n_c m^L = {content['p_star_theory'][task]}"
    axis.set_title(f"{task} ({theory_said})\nmean and standard deviation over {grammars(content, [task])}", fontsize=9)
    axis.legend(fontsize=8)


def ticks(axis: Axes, content: Content, task: str) -> None:
    """At every other train size."""
    sizes = sorted({int(p) for own in content["points"][task].values() for p in own})[::2]
    axis.set_xticks(sizes, [str(p) for p in sizes], fontsize=8)
    axis.minorticks_off()


def forest(axis: Axes, content: Content, task: str, arms: Sequence[str]) -> None:
    """P* of every arm on one task, by probe and by readout."""
    sizes = [int(p) for own in content["points"][task].values() for p in own]
    for kind, filled, shift in (("probe", "full", -0.17), ("readout", "none", 0.17)):
        stars, ends = content["p_star"][kind].get(task, {}), content["p_star_interval"][kind].get(task, {})
        for number, arm in enumerate(arms):
            if arm not in stars or ends.get(arm) is None:
                continue  # not there, or no readout
            star, (low, high), tone, y = stars[arm], ends[arm], color(arm, number), number + shift
            if star is None:
                axis.plot(max(sizes), y, "X", color=tone, fillstyle=filled, ms=7)
                continue
            axis.plot(star, y, mark(arm), color=tone, fillstyle=filled, ms=5)
            axis.plot([low or min(sizes), high or max(sizes)], [y, y], color=tone, lw=1.2)
            for end, at, shape in ((low, min(sizes), "<"), (high, max(sizes), ">")):
                if end is None:
                    axis.plot(at, y, shape, ms=5, color=tone)
    axis.axvline(content["p_star_theory"][task], color="#777777", lw=1, ls=":")
    axis.set_yticks(range(len(arms)), arms, fontsize=8)
    axis.set(
        xscale="log",
        xlabel="P*",
        ylim=(len(arms) - 0.5, -0.5),
        xlim=(min(*sizes, content["p_star_theory"][task]) / 1.1, max(sizes) * 1.1),
    )
    ticks(axis, content, task)
    axis.set_title(
        "P* by probe (filled) and own readout (open), 95 % t interval\n(arrow: open end; × not reached by most)",
        fontsize=9,
    )


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
    values = sorted({x for points in lines.values() for x, _ in points})
    axis.set(yscale="log", xscale="log", xlabel=f"{'synonyms m' if along == 'm' else 'levels L'}", ylabel="P*")
    axis.set_xticks(values, [str(x) for x in values])
    axis.minorticks_off()
    axis.set_title(f"P* against {along}, where most grammars reach it (by probe)", fontsize=9)
    axis.legend(fontsize=8, ncols=2)

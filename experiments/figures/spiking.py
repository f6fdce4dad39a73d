"""Test error of spiking networks against the number of training strings; points of other backends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.backends import batched, capabilities, first
from plastic.experiments.figures.efficiency import THRESHOLD, Curves, both_again, both_curves
from plastic.experiments.figures.make import Content, error_label
from plastic.experiments.figures.palette import color, mark
from plastic.experiments.sweeps.p_star import DEFINITION, p_star
from plastic.experiments.sweeps.store import Row

THEORY = 8 * 4**2


def analyse(rows: Sequence[Row]) -> Content:
    """Error of every seed by backend, rule and P; P* of those with several sizes."""
    by_rule = [{**row, "arm": row["settings"]["rule"]} for row in rows]
    return _of_curves(*both_curves(by_rule, lambda s: str(s["backend"])))


def again(content: Content) -> Content:
    """The same from the errors that were written."""
    return _of_curves(*both_again(content, "errors"))


def _of_curves(found: Curves, own: Curves) -> Content:
    stars, of_readouts = (
        {rule: p_star(sizes, THRESHOLD) for rule, sizes in each.get(first(batched), {}).items() if len(sizes) > 1}
        for each in (found, own)
    )
    values, readouts = (
        {rule: star.value and round(star.value, 1) for rule, star in each.items()} for each in (stars, of_readouts)
    )
    return {
        "definition": "threshold: a test error of the top layer's linear probe (probe) or of the network's own readout "
        f"(readout) of {THRESHOLD}. {DEFINITION}",
        "p_star": {**values, "probe": values, "readout": {rule: readouts.get(rule) for rule in values}},
        "p_star_interval": {
            rule: [bound and round(bound, 1) for bound in (star.low, star.high)] for rule, star in stars.items()
        },
        "p_star_grammars": {rule: {"n": star.grammars, "beyond": star.beyond} for rule, star in stars.items()},
        "errors": _written(found),
        "errors_of_readout": _written(own),
    }


def _written(curves: Curves) -> Content:
    return {
        backend: {rule: {str(p): sizes[p] for p in sorted(sizes)} for rule, sizes in rules.items()}
        for backend, rules in curves.items()
    }


def draw(content: Content) -> Figure:
    """Error against P: lines on the batched spiking backend, single marks for the other backends."""
    figure = Figure(figsize=(7.4, 5.2), layout="constrained")
    axis: Any = figure.subplots()
    others = iter(("*", "p", "h"))
    for backend, rules in content["errors"].items():
        shape = None if batched(capabilities(backend)) else next(others)
        for number, (rule, sizes) in enumerate(rules.items()):
            p = [int(size) for size in sizes]
            mean = [np.mean([error for error in errors if error is not None]) for errors in sizes.values()]
            name = rule if shape is None else f"{rule} on {backend}"
            style = "" if shape is not None else "--" if rule == "none" else "-"
            marker, size = shape or mark(rule), 12 if shape is not None else 5
            axis.plot(p, mean, style, marker=marker, ms=size, color=color(rule, number), label=name)
            for at, errors in zip(p, sizes.values(), strict=True):
                axis.plot([at] * len(errors), errors, ".", ms=3, color=color(rule, number))
    axis.axhline(THRESHOLD, color="#777777", ls="--", lw=1)
    axis.axvline(THEORY, color="#777777", ls=":", lw=1)
    axis.annotate(" n_c m^L", (THEORY, 0.9), fontsize=8)
    axis.set(xscale="log", xlabel="training strings P", ylabel=error_label(content), ylim=(0, 0.95))
    axis.set_title("Spiking networks, RHM v = n_c = 8, m = 4, L = 2 (dots: seeds)", fontsize=10)
    ticks = sorted({int(p) for rules in content["errors"].values() for sizes in rules.values() for p in sizes})
    axis.set_xticks(ticks, [str(p) for p in ticks])
    axis.minorticks_off()
    axis.annotate("a tenth of chance error", (ticks[0], THRESHOLD), fontsize=8, va="bottom", color="#777777")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
    return figure

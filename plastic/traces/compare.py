"""Two runs over each other: by how much each recorded signal differs, and one synapse of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from plastic.errors import PlasticError
from plastic.traces.figure import BLUE, GREY, ORANGE, label, mark_boundaries, save
from plastic.traces.opened import Run
from plastic.traces.view import Curve, View

BLOCK = 2_000_000  # numbers compared at a time


def differences(a: Run, b: Run) -> tuple[list[dict[str, Any]], list[str]]:
    """By variable that both recorded at common times and neurons: the largest difference and the first stimulus of any;
    and the names of those that are left out, as they were not.

    Weights that are shared are compared with those of a position, if it is one. Raises PlasticError if the runs have
    nothing in common, or stimuli of another length, so that times are not the same.
    """
    steps = [int(run.traces.attrs["time_steps"]) for run in (a, b)]
    if steps[0] != steps[1]:
        raise PlasticError(
            f"a stimulus is {steps[0]} time steps in {str(a.path)!r} and {steps[1]} in {str(b.path)!r} (1 in rate "
            "networks), so their times are not the same; compare runs with the same --time-steps."
        )
    found = []
    names = [str(name) for name in a.traces.data_vars]
    names += [str(name) for name in b.traces.data_vars if name not in a.traces.data_vars]
    for name in (n for n in names if n in a.traces.data_vars and n in b.traces.data_vars):
        one, other = _without(a.traces[name], b.traces[name]), _without(b.traces[name], a.traces[name])
        if _axes(one) != _axes(other):
            continue
        at_one, at_other = [], []
        for x, y in zip(one.dims, other.dims, strict=True):
            _, i, j = np.intersect1d(one.coords[x].values, other.coords[y].values, True, return_indices=True)
            at_one.append(i)
            at_other.append(j)
        if all(len(i) for i in at_one):
            found.append({"signal": name, **_difference(one, other, at_one, at_other)})
    if not found:
        raise PlasticError(
            f"the runs {str(a.path)!r} and {str(b.path)!r} have no recorded signal in common; run both with the same "
            "--record."
        )
    compared = {row["signal"] for row in found}
    return found, [name for name in names if name not in compared]


def _axes(array: Any) -> list[str]:
    """What its dimensions are, whatever they are called: time or stimulus, then stream, position, post and so on."""
    return [str(array.dims[0]).partition("_")[0], *array.attrs["axes"]]


def _without(array: Any, other: Any) -> Any:
    """The array without axes that the other has not, where there is but one along it."""
    named = dict(zip(array.attrs["axes"], array.dims[1:], strict=True))
    alone = [axis for axis in named if axis not in other.attrs["axes"] and array.sizes[named[axis]] == 1]
    left = [axis for axis in named if axis not in alone]
    return array.squeeze([named[axis] for axis in alone]).assign_attrs(axes=left)


def _difference(one: Any, other: Any, at_one: list[Any], at_other: list[Any]) -> dict[str, Any]:
    """In blocks along time, so that long runs fit into memory."""
    time = str(one.dims[0])
    stimulus = one.coords[time if time.startswith("stimulus") else f"{time}_stimulus"].values
    each = max(1, BLOCK // int(np.prod([len(i) for i in at_one[1:]], dtype=int)))
    largest, size, first = 0.0, 0.0, None
    for start in range(0, len(at_one[0]), each):
        part = slice(start, start + each)
        x, y = _block(one, at_one, part), _block(other, at_other, part)
        same = (x == y) | (np.isnan(x) & np.isnan(y))  # a rule without a loss has nan for it
        apart = np.abs(np.where(same, 0.0, x) - np.where(same, 0.0, y))
        largest = float(np.maximum(largest, apart.max()))  # nan where one of them is
        size = float(np.fmax.reduce(np.abs(x), axis=None, initial=size))
        if first is None and apart.any():
            differs = apart.reshape(len(apart), -1).any(1)
            first = int(stimulus[at_one[0][part][int(np.argmax(differs))]])
    return {
        "samples": len(at_one[0]),
        "unit": str(one.attrs["units"]),
        "largest_value": size,
        "largest_difference": largest,
        "first_stimulus_that_differs": first,
    }


def _block(array: Any, at: list[Any], part: slice) -> Any:
    """Some samples of the common neurons, as float64."""
    samples = array[at[0][part]].values.astype(np.float64)
    return samples[np.ix_(range(len(samples)), *at[1:])]


def compare_table(a: Run, b: Run, found: list[dict[str, Any]]) -> Table:
    """The differences, one line per signal."""
    table = Table(title=f"A {a.path}   B {b.path}")
    for heading in ("signal", "samples", "largest |A|", "largest |A − B|", "unit", "differs from stimulus"):
        table.add_column(heading, justify="left" if heading in ("signal", "unit") else "right")
    for one in found:
        first = one["first_stimulus_that_differs"]
        table.add_row(
            one["signal"], str(one["samples"]), f"{one['largest_value']:.4g}", f"{one['largest_difference']:.3g}",
            one["unit"], "never" if first is None else str(first),
        )  # fmt: skip
    return table


def save_comparison(out: Path, a: Run, b: Run, one: View, other: View) -> None:
    """Left both runs over each other, right A − B, for all signals of the synapse that both have."""
    names = [n for n in one.curves if n in other.curves]
    figure = Figure(figsize=(11, 0.75 * len(names) + 1.6), layout="constrained")
    axes = figure.subplots(len(names), 2, sharex=True, squeeze=False, width_ratios=(1.6, 1))
    same = [(s.fixation, s.label) for s in one.stimuli] == [(s.fixation, s.label) for s in other.stimuli]
    figure.suptitle(
        f"{one.synapse}   A: {a.path.name} (blue)   B: {b.path.name} (orange, dashed)\n"
        f"grey: saccade{'' if same else ' of A; B saw other stimuli'}",
        fontsize=10,
    )
    axes[0, 1].set_title("A − B", fontsize=9)
    for (left, right), name in zip(axes, names, strict=True):
        _row(left, right, a, one.curves[name], other.curves[name])
        for axis in (left, right):
            axis.tick_params(labelsize=6)
            mark_boundaries(axis, one)
    for axis in axes[-1]:
        axis.set_xlabel("time (ms)" if a.spiking else "stimulus", fontsize=8)
    save(figure, out)


def _row(left: Any, right: Any, run: Run, x: Curve, y: Curve) -> None:
    """One signal of both runs, and its difference."""
    left.set_ylabel(label(x), fontsize=7)
    _, i, j = np.intersect1d(x.time, y.time, return_indices=True)
    difference = x.value[i].astype(np.float64) - y.value[j]
    if run.spiking and x.name in ("pre_spike", "spike"):
        for curve, height, colour in ((x, 1, BLUE), (y, 0, ORANGE)):
            left.eventplot(curve.time[curve.value > 0], lineoffsets=height, linelengths=0.7, colors=colour)
        left.set_yticks([1, 0], ["A", "B"])
        left.set_ylim(-0.6, 1.6)
        right.vlines(x.time[i], 0, difference, color=GREY, lw=1)
        right.axhline(0, color=GREY, lw=0.5)
        return
    for curve, style in ((x, {"color": BLUE, "lw": 1.6}), (y, {"color": ORANGE, "lw": 1, "ls": "--"})):
        _draw(left, run, curve, curve.value.astype(np.float64), style)
    apart = Curve(x.name, x.symbol, x.unit, x.clock, x.stimulus[i], x.time[i], x.value[i])
    _draw(right, run, apart, difference, {"color": GREY, "lw": 1})


def _draw(axis: Any, run: Run, curve: Curve, values: Any, style: dict[str, Any]) -> None:
    if curve.clock == "step" and run.spiking:
        for one in np.unique(curve.stimulus):  # all begins at rest again
            chosen = curve.stimulus == one
            axis.plot(curve.time[chosen], values[chosen], **style)
        return
    length = int(run.traces.attrs["time_steps"])
    edges = np.append(curve.time, curve.time[-1] + length) if len(curve.time) else curve.time
    axis.step(edges, np.append(values, values[-1:]), where="post", **style)

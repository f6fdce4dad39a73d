"""The picture of a run: learning curves, and one synapse at work over a few stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.backends import capabilities
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.files import write_figure
from plastic.traces.figure import BLUE, GREEN, GREY, ORANGE, PURPLE, SHADES, draw_synapse
from plastic.traces.opened import Run
from plastic.traces.spec import Record
from plastic.traces.view import View, liveliest, typical_window, view

__all__ = ["BLUE", "GREEN", "GREY", "ORANGE", "PURPLE", "SHADES", "draw_check", "draw_run"]


def draw_run(path: Path, config: Config, run: Run, result: dict[str, Any]) -> None:
    """Write the picture (PNG): left the learning curve, right one synapse of the top layer at work, if recorded."""
    displayed = _synapse_of(run)
    height = max(8.2, 0.75 * len(displayed.curves)) if displayed else 8.2
    figure = Figure(figsize=(13 if displayed else 6, height), layout="constrained")
    figure.suptitle(
        f"{result['rule']} on {result['backend']}, {config.stimuli.data}, optimizer {config.training.optimizer}, "
        f"seed {config.seed}",
        fontsize=12,
    )
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.35)) if displayed else [figure.subfigures(1, 1)]
    axes = halves[0].subplots(4, 1, sharex=True, height_ratios=(2, 1, 1, 1))
    _learning_curves(axes, run.metrics, result, config.training.batch == 1)
    if displayed:
        streams = config.training.batch or 1
        note = f"of one of {streams} streams; the weight sums over all" if streams > 1 else "of the only stream"
        draw_synapse(halves[1], run, displayed, note)
    write_figure(path, figure, dpi=110)


def _synapse_of(run: Run) -> View | None:
    """The liveliest synapse of the top layer early in the run; None if the record does not have one."""
    if not Record.parse(run.config.record or "none").clauses:
        return None
    try:
        window = typical_window(run)
        return view(run, liveliest(run, len(run.traces.attrs["layers"]), window), window)
    except PlasticError:
        return None


def running_mean(values: Any, width: int = 9) -> Any:
    """Mean of `width` neighbours at each value, of fewer at the ends; nan are left out."""
    import xarray  # where it is wanted, as in plastic.open_run

    return xarray.DataArray(values, dims="x").rolling(x=width, center=True, min_periods=1).mean().values


def _learning_curves(axes: Any, metrics: list[dict[str, Any]], result: dict[str, Any], one_stream: bool) -> None:
    """`one_stream`: loss, gates and activity are of single stimuli, so their running mean is drawn."""
    probes = [row for row in metrics if "probe_accuracy" in row]
    steps = [row["step"] for row in probes]
    layers = len(result["probe_accuracy"])
    for layer in range(layers):
        axes[0].plot(
            steps, [row["probe_accuracy"][layer] for row in probes], "o-", ms=3, color=SHADES[layer % 6],
            label=f"layer {layer + 1}",
        )  # fmt: skip
        axes[0].axhline(result["untrained_accuracy"][layer], color=SHADES[layer % 6], ls="--", lw=0.8)
    axes[0].axhline(result["chance"], color=GREY, ls=":", lw=1)
    axes[0].annotate("chance", (0, result["chance"]), fontsize=8, color=GREY, va="bottom")
    if result["readout_accuracy"] is not None:
        own = [(row["step"], row["readout_accuracy"]) for row in probes if "readout_accuracy" in row]
        axes[0].plot(*zip(*own, strict=True), "s-", ms=3, color="black", label="own readout")
    axes[0].set(ylabel=f"probe accuracy, {result['probe']}\n(test; dashed: untrained)", ylim=(0, 1.03))
    axes[0].legend(fontsize=8, loc="lower right")
    rows = [row for row in metrics if "loss" in row]
    for axis, key, label in (
        (axes[1], "loss", "loss\n(per stimulus)"),
        (axes[2], "open_gates", "open gates\n(fraction)"),
        (axes[3], "activity", "activity\n" + ("(spikes/step)" if capabilities(result["backend"]).spikes else "(a.u.)")),
    ):
        for layer in range(layers):
            values = [np.nan if r[key][layer] is None else r[key][layer] for r in rows]
            if one_stream and values:
                values = running_mean(values)
            axis.plot([r["step"] for r in rows], values, lw=1, color=SHADES[layer % 6])
        axis.set_ylabel(label)
        axis.set_ylim(0, 1.05 if key == "open_gates" else None)
    axes[-1].set_xlabel("stimuli per stream" + ("; below the probes: running means" if one_stream else ""))


def draw_check(path: Path, rule: str, curves: dict[str, tuple[Any, Any]], tolerance: float) -> None:
    """Write the picture (PNG) of a check: by backend, (spikes that differ, weight error) per stimulus."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    axes: Any = figure.subplots(2, 1, sharex=True)
    axes[0].set_title(f"{rule}: difference from the reference, on the same input spikes")
    for number, (name, (differing, error)) in enumerate(curves.items()):
        color = SHADES[number % 6]
        axes[0].step(np.arange(1, len(differing) + 1), np.cumsum(differing), where="post", color=color, label=name)
        axes[1].semilogy(np.arange(len(error)), np.maximum(error, 1e-17), color=color, lw=1)
    axes[1].axhline(tolerance, color=GREY, ls="--", lw=0.8)
    axes[1].annotate("tolerance, float64", (len(error) - 1, tolerance), fontsize=8, color=GREY, ha="right", va="bottom")
    most = max(int(np.sum(differing)) for differing, _ in curves.values())
    axes[0].set(ylabel="spikes that differ\n(since the beginning)", ylim=(-0.05 * max(most, 1), 1.1 * max(most, 1)))
    axes[0].yaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(fontsize=8, loc="upper left")
    axes[1].set(ylabel="largest weight difference\n(of the change over the run)", xlabel="stimuli")
    write_figure(path, figure, dpi=110)

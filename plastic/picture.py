"""The picture of a run: learning curves, and one synapse at work over a few stimuli."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plastic.config import Config
from plastic.runs import Arrays

BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#777777"  # colour-blind safe
SHADES = (BLUE, ORANGE, GREEN, PURPLE, "#E69F00", "#56B4E9")


def draw_run(
    path: Path, config: Config, metrics: list[dict[str, Any]], traces: Arrays, result: dict[str, Any], layer: int
) -> None:
    """Write the picture (PNG): left the learning curve, right the traces of one synapse of `layer`."""
    figure = Figure(figsize=(13, 8.2), layout="constrained")
    figure.suptitle(
        f"{result['rule']} on {result['backend']}, {config.stimuli.data}, optimizer {config.training.optimizer}, "
        f"seed {config.seed}",
        fontsize=12,
    )
    halves: Any = figure.subfigures(1, 2, width_ratios=(1, 1.35))
    left, right = halves
    _learning_curves(left.subplots(4, 1, sharex=True, height_ratios=(2, 1, 1, 1)), metrics, result)
    spiking = "spike" in traces
    rows = 6 if spiking else 5
    _synapse(right.subplots(rows, 1, sharex=True), config, traces, layer, spiking)
    figure.savefig(path, dpi=110)


def _learning_curves(axes: Any, metrics: list[dict[str, Any]], result: dict[str, Any]) -> None:
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
    axes[0].set(ylabel="probe accuracy\n(test; dashed: untrained)", ylim=(0, 1.03))
    axes[0].legend(fontsize=8, loc="lower right")
    rows = [row for row in metrics if "loss" in row]
    for axis, key, label in (
        (axes[1], "loss", "loss\n(per stimulus)"),
        (axes[2], "open_gates", "open gates\n(fraction)"),
        (axes[3], "activity", "activity\n" + ("(spikes/step)" if result["backend"] != "rate" else "(a.u.)")),
    ):
        for layer in range(layers):
            values = [np.nan if r[key][layer] is None else r[key][layer] for r in rows]
            axis.plot([r["step"] for r in rows], values, lw=1, color=SHADES[layer % 6])
        axis.set_ylabel(label)
        axis.set_ylim(0, 1.05 if key == "open_gates" else None)
    axes[-1].set_xlabel("stimuli per stream")


def choose_synapse(traces: Arrays) -> tuple[int, int]:
    """The synapse (post, pre) to look at: among those active on both sides, the one that changes most."""
    weight = traces["weight"]
    change = np.abs(np.diff(weight, axis=0)).sum(0)
    if "spike" in traces:
        change = change * (traces["spike"].sum(0) > 0)[:, None] * (traces["pre_spike"].sum(0) > 0)[None]
    else:
        change = change * (traces["post_factor"].sum(0) > 0)[:, None]
    post, pre = np.unravel_index(int(change.argmax()), change.shape)
    return int(post), int(pre)


def _synapse(axes: Any, config: Config, traces: Arrays, layer: int, spiking: bool) -> None:
    post, pre = choose_synapse(traces)
    length = config.spiking.time_steps if spiking else 1
    stimuli = len(traces["modulator"])
    edges = np.arange(stimuli + 1) * length
    time = np.arange(stimuli * length) + (0 if spiking else 0.5)
    axes[0].set_title(
        f"one synapse of layer {layer + 1}: {pre} → {post}, stimuli {int(traces['first'])} to "
        f"{int(traces['first']) + stimuli - 1} of one of {config.training.batch} streams\n"
        "grey: saccade (y = −1), white: fixation (y = +1); the weight sums over all "
        "streams",
        fontsize=9,
    )
    if spiking:
        _raster(axes[0], time, traces, post, pre)
        axes[1].plot(time, traces["membrane"][:, post], color=BLUE, lw=1)
        axes[1].axhline(config.spiking.threshold, color=GREY, ls="--", lw=0.8)
        axes[1].set_ylabel("membrane\n(thresholds)")
        axes[2].plot(time, traces["pre_trace"][:, pre], color=GREEN, lw=1)
        axes[2].set_ylabel("pre trace\n(a.u.)")
        axes[3].plot(time, traces["post_factor"][:, post], color=PURPLE, lw=1)
        axes[3].set_ylabel("post factor ψ\n(1)")
    else:
        for axis, key, unit, label, color in (
            (axes[0], "pre_trace", pre, "pre x_j\n(a.u.)", GREEN),
            (axes[1], "membrane", post, "pre-activation a_i\n(a.u.)", BLUE),
            (axes[2], "post_factor", post, "post factor ρ′\n(1)", PURPLE),
        ):
            axis.stairs(traces[key][:, unit], edges, color=color)
            axis.set_ylabel(label)
    _stepwise(axes[-2], edges, traces["modulator"][:, post], "modulator m_i\n(a.u.)", ORANGE)
    axes[-2].axhline(0, color=GREY, lw=0.5)
    weight = traces["weight"][:, post, pre]
    axes[-1].step(np.append(edges, edges[-1] + length), np.append(weight, weight[-1]), where="post", color="black")
    axes[-1].set(ylabel="weight\n" + ("(thresholds)" if spiking else "(a.u.)"))
    axes[-1].set_xlabel("time (ms)" if spiking else "stimulus")
    for axis in axes:
        _boundaries(axis, edges, traces["fixation"])


def _raster(axis: Axes, time: Any, traces: Arrays, post: int, pre: int) -> None:
    for row, (key, unit, color) in enumerate((("spike", post, BLUE), ("pre_spike", pre, GREEN))):
        axis.eventplot(time[traces[key][:, unit] > 0], lineoffsets=row, linelengths=0.7, colors=color)
    axis.set_yticks([0, 1], ["post", "pre"])
    axis.set(ylabel="spikes", ylim=(-0.6, 1.6))


def _stepwise(axis: Axes, edges: Any, values: Any, label: str, color: str) -> None:
    axis.stairs(values, edges, baseline=0, color=color, fill=True, alpha=0.4)
    axis.set_ylabel(label)


def _boundaries(axis: Axes, edges: Any, fixation: Any) -> None:
    axis.set_xlim(edges[0], edges[-1])
    for start, end, stays in zip(edges[:-1], edges[1:], fixation, strict=True):
        if stays <= 0:
            axis.axvspan(start, end, color="#e9e9e9", lw=0, zorder=-2)
        axis.axvline(start, color="#cccccc", lw=0.5, zorder=-1)


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
    axes[1].annotate("tolerance, float64", (axes[1].get_xlim()[1], tolerance), fontsize=8, color=GREY, ha="right")
    most = max(int(np.sum(differing)) for differing, _ in curves.values())
    axes[0].set(ylabel="spikes that differ\n(since the beginning)", ylim=(-0.05 * max(most, 1), 1.1 * max(most, 1)))
    axes[0].yaxis.get_major_locator().set_params(integer=True)
    axes[0].legend(fontsize=8, loc="upper left")
    axes[1].set(ylabel="largest weight difference\n(of the change over the run)", xlabel="stimuli")
    figure.savefig(path, dpi=110)

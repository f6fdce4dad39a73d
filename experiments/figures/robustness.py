"""Weight noise, wrong fixation signals, feedback scale, SGD beside Adam, long training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.experiments.figures.make import Content, accuracy_label
from plastic.experiments.figures.palette import color, mark
from plastic.experiments.sweeps.store import Row

STEPS = 3000  # of all but the long ones
KINDS = ("weight_noise", "wrong_fixation_signals", "feedback_scale", "sgd", "adam", "long")


def analyse(rows: Sequence[Row]) -> Content:
    """Test accuracy of the class at the top layer, every seed, by what was changed."""
    found: Content = {kind: {} for kind in KINDS}
    for row in rows:
        s, arm, last = row["settings"], row["arm"], row["course"][-1]
        accuracy = last["probe"][-1]["class"]
        plain = s.get("optimizer") == "adam" and s.get("steps", STEPS) == STEPS
        if s.get("optimizer") == "sgd":
            found["sgd"].setdefault(arm, {}).setdefault(str(s["learning_rate"]), []).append(accuracy)
        elif s.get("steps", STEPS) != STEPS:
            curve = [[point["step"], point["probe"][-1]["class"]] for point in row["course"]]
            found["long"].setdefault(arm, []).append(curve)
        if not plain:
            continue
        if "feedback" in arm or arm == "dfa":
            scale = arm.rpartition(" ")[2] if "feedback" in arm else "1"
            found["feedback_scale"].setdefault(scale, []).append(accuracy)
        if arm == "clapp":
            wrong = str(s.get("fixation_error", 0.0))
            found["wrong_fixation_signals"].setdefault(wrong, []).append(accuracy)
        if "feedback" not in arm and "fixation_error" not in s:
            found["adam"].setdefault(arm, []).append(accuracy)
            for share, value in last["weight_noise"].items():
                found["weight_noise"].setdefault(arm, {}).setdefault(share, []).append(value)
    return found


def draw(content: Content) -> Figure:
    """One panel per disturbance."""
    figure = Figure(figsize=(15, 8), layout="constrained")
    axes: Any = figure.subplots(2, 3)
    for number, (arm, shares) in enumerate(content["weight_noise"].items()):
        _line(axes[0, 0], shares, arm, number)
    axes[0, 0].set(xlabel="noise / root mean square weight", title="noise on all weights, readout fitted before")
    _line(axes[0, 1], content["wrong_fixation_signals"], "clapp", 0)
    axes[0, 1].set(xlabel="share of wrong fixation signals", title="label-free streams with wrong signals, CLAPP")
    _line(axes[0, 2], dict(sorted(content["feedback_scale"].items(), key=lambda item: float(item[0]))), "dfa", 0)
    axes[0, 2].set(xlabel="standard deviation of B, of the default", title="feedback scale, DFA", xscale="log")
    for number, (arm, rates) in enumerate(content["sgd"].items()):
        _line(axes[1, 0], rates, arm, number)
        if arm in content["adam"]:
            axes[1, 0].axhline(np.mean(content["adam"][arm]), color=color(arm, number), ls="--", lw=1)
    axes[1, 0].set(xlabel="learning rate of SGD", title="SGD (dashed: Adam)", xscale="log")
    ticks = sorted({float(rate) for rates in content["sgd"].values() for rate in rates})
    axes[1, 0].set_xticks(ticks, [f"{rate:g}" for rate in ticks])
    axes[1, 0].minorticks_off()
    for number, (arm, curves) in enumerate(content["long"].items()):
        mean = np.mean(np.array(curves), axis=0)
        axes[1, 1].plot(mean[:, 0], mean[:, 1], marker=mark(arm), ms=4, color=color(arm, number), label=arm)
    axes[1, 1].set(xlabel="stimuli per stream", title="four times the training")
    for axis in axes.flat[:5]:
        axis.set(ylabel=f"{accuracy_label(content)}: class, top layer", ylim=(0, 1.03))
        axis.legend(fontsize=8)
    axes[1, 2].axis("off")
    figure.suptitle("RHM, v = n_c = 8, m = 4, L = 3, P = 2048 (mean over seeds, dots: seeds)")
    return figure


def _line(axis: Any, values: dict[str, list[float]], arm: str, number: int) -> None:
    x = [float(key) for key in values]
    axis.plot(x, [np.mean(v) for v in values.values()], marker=mark(arm), ms=4, color=color(arm, number), label=arm)
    for at, own in zip(x, values.values(), strict=True):
        axis.plot([at] * len(own), own, ".", ms=3, color=color(arm, number))

"""Accuracy of every layer over training, where every string is valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.experiments.figures.make import Content, accuracy_label
from plastic.experiments.figures.palette import color, mark
from plastic.experiments.studies.curves import curve
from plastic.experiments.sweeps.store import Row


def analyse(rows: Sequence[Row]) -> Content:
    """Per arm: steps, the class in every layer over training (mean over seeds), and the end of every seed."""
    arms: Content = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = [row for row in rows if row["arm"] == arm]
        arms[arm] = {
            "steps": [point["step"] for point in own[0]["course"]],
            "class_accuracy": curve(own, lambda point: [layer["class"] for layer in point["probe"]]),
            "top_layer_of_seeds": [row["course"][-1]["probe"][-1]["class"] for row in own],
        }
    return {"arms": arms}


def draw(content: Content) -> Figure:
    """A panel per layer: test accuracy against stimuli."""
    figure = Figure(figsize=(13, 4.4), layout="constrained")
    arms = content["arms"]
    layers = len(next(iter(arms.values()))["class_accuracy"][0])
    axes: Any = figure.subplots(1, layers, sharey=True)
    for number, (arm, entry) in enumerate(arms.items()):
        accuracy = np.array(entry["class_accuracy"])
        for layer, axis in enumerate(axes):
            label = f"{arm}: {accuracy[-1, -1]:.3f} at the end, top layer"
            if arm == "none":
                axis.axhline(accuracy[-1, layer], ls="--", color=color(arm), label=label)
            else:
                axis.plot(
                    entry["steps"],
                    accuracy[:, layer],
                    "-",
                    marker=mark(arm),
                    ms=4,
                    color=color(arm, number),
                    label=label,
                )
    for layer, axis in enumerate(axes):
        axis.set(title=f"layer {layer + 1}: class", xlabel="stimuli per stream", ylim=(0, 1.03))
    axes[0].set_ylabel(accuracy_label(content))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(arms), fontsize=9)
    figure.suptitle("RHM, v = n_c = m = 8, s = 2, L = 3, P = 32 768: every string is valid")
    return figure

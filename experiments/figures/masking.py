"""Which masks the feedback needs: accuracy, alignment with backpropagation and invariance, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.experiments.figures.make import Content, accuracy_label
from plastic.experiments.figures.palette import OTHERS
from plastic.experiments.studies.curves import by_task, curve
from plastic.experiments.sweeps.store import Row

COLORS = {
    "bp": "#000000", "bp, batch-mean masks": "#0072B2", "bp, no masks": "#56B4E9", "dfa": "#D55E00",
    "dfa, no own mask": "#E69F00", "dfa, weight product without masks": "#CC79A7",
    "dfa, weight product with masks": "#009E73",
}  # fmt: skip


def analyse(rows: Sequence[Row]) -> Content:
    """Per task and arm: the course of accuracy, alignment and S_{k,l}, mean over seeds and every seed at the end."""
    tasks: Content = {}
    for task, arms in by_task(rows).items():
        for arm, own in arms.items():
            tasks.setdefault(task, {})[arm] = {
                "seeds": len(own),
                "steps": [point["step"] for point in own[0]["course"]],
                "accuracy_of_seeds": [row["course"][-1]["probe"][-1]["class"] for row in own],
                "class_accuracy": curve(own, lambda point: [layer["class"] for layer in point["probe"]]),
                "latent_accuracy": {level: curve(own, _read(level)) for level in ("level 1", "level 2")},
                "alignment_with_bp": curve(own, lambda point: point["alignment"]),
                "invariance": curve(own, lambda point: point["invariance"]),
            }
    return {"tasks": tasks}


def _read(level: str) -> Callable[[Row], list[float]]:
    return lambda point: [layer[level] for layer in point["probe"]]


def draw(content: Content) -> Figure:
    """A row per task: accuracy of the top layer and alignment of every layer over training, S at the end."""
    tasks = content["tasks"]
    figure = Figure(figsize=(17, 4.6 * len(tasks)), layout="constrained")
    parts: Any = figure.subfigures(len(tasks), squeeze=False)[:, 0]
    for part, (task, arms) in zip(parts, tasks.items(), strict=True):
        row = part.subplots(1, 5)
        for number, (arm, entry) in enumerate(arms.items()):
            tone = COLORS.get(arm, OTHERS[number % len(OTHERS)])
            steps, top = entry["steps"], np.array(entry["class_accuracy"])[:, -1]
            dashed = "--" if arm.endswith("with masks") else "-"
            row[0].plot(steps, top, dashed, marker="o", ms=3, color=tone, label=f"{arm}: {top[-1]:.3f}")
            aligned = np.array(entry["alignment_with_bp"], dtype=float)
            for layer in range(3):
                row[1 + layer].plot(steps, aligned[:, layer], dashed, marker="o", ms=3, color=tone)
            own = np.array(entry["invariance"][-1])
            row[4].plot([1, 2, 3], [own[min(k + 1, 2), k] for k in range(3)], dashed, marker="o", ms=4, color=tone)
        row[0].set(title=f"{task}: class, top layer", ylabel=accuracy_label(content), ylim=(0, 1.03))
        row[0].set_xlabel("stimuli per stream")
        part.legend(fontsize=9, loc="outside lower center", ncols=len(arms))
        for layer in range(3):
            row[1 + layer].axhline(0, color="#777777", lw=0.6)
            row[1 + layer].set(title=f"layer {layer + 1}: cosine with BP's change", xlabel="stimuli per stream")
            row[1 + layer].set_ylim(min(-0.15, row[1 + layer].get_ylim()[0]), 1.05)
        row[4].set(title="S to synonyms of level k", xlabel="level k (in layer k + 1; 3 in layer 3)", xticks=[1, 2, 3])
        row[4].set_ylim(bottom=0)
    figure.suptitle("RHM, L = 3, v = n_c = 8: which masks enter the feedback (S: 0 invariant, 1 as to anything else)")
    return figure

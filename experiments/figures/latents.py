"""Accuracy when the latents of the top level stay and when those of the top two do, within the training strings and
beyond them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import t

from plastic.experiments.figures.make import Content, accuracy_label, top_error
from plastic.experiments.figures.palette import color
from plastic.experiments.sweeps.store import Row

DIFFERENCES = {
    "latent:1 − latent:2": ("latent:1", "latent:2"),
    "latent:1+fresh − latent:2+fresh": ("latent:1+fresh", "latent:2+fresh"),
}


def analyse(rows: Sequence[Row]) -> Content:
    """Accuracy of the class in the top layer by arm, pairing and seed; how much better latent:1 is than latent:2, of
    the same seeds, with a 95 % t interval; how many different strings were shown, at most."""
    accuracy: dict[str, dict[str, dict[int, float]]] = {}
    most: dict[str, dict[int, int]] = {}
    for row in rows:
        s = row["settings"]
        by_seed = accuracy.setdefault(row["arm"], {}).setdefault(s.get("pairing", "class"), {})
        by_seed[s["seed"]] = round(1 - top_error(row), 6)
        most.setdefault(s.get("pairing", "class"), {})[s["seed"]] = row["distinct_shown_at_most"]
    return {
        "accuracy": {arm: {pairing: list(v.values()) for pairing, v in p.items()} for arm, p in accuracy.items()},
        "better_by": {arm: _differences(pairings) for arm, pairings in accuracy.items()},
        "distinct_shown_at_most": {pairing: list(seeds.values()) for pairing, seeds in most.items()},
    }


def _differences(accuracy: dict[str, dict[int, float]]) -> Content:
    found: Content = {}
    for name, (one, other) in DIFFERENCES.items():
        both = sorted(accuracy.get(one, {}).keys() & accuracy.get(other, {}).keys())
        if len(both) > 1:
            each = np.array([accuracy[one][seed] - accuracy[other][seed] for seed in both])
            half = t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
            ends = [round(float(each.mean() + d), 4) for d in (-half, half)]
            found[name] = {"mean": round(float(each.mean()), 4), "interval": ends}
    return found


def draw(content: Content) -> Figure:
    """A group of bars per arm, one for each pairing; dots: seeds."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axis: Any = figure.subplots()
    arms = list(content["accuracy"])
    pairings = list(content["distinct_shown_at_most"])
    width = 0.8 / len(pairings)
    for number, pairing in enumerate(pairings):
        for place, arm in enumerate(arms):
            values = content["accuracy"][arm].get(pairing, [])
            if values:
                x = place + (number - (len(pairings) - 1) / 2) * width
                label = pairing if place == 0 else None
                axis.bar(x, np.mean(values), 0.9 * width, color=color(pairing, number), alpha=0.6, label=label)
                axis.plot([x] * len(values), values, "k.", ms=4)
    axis.set_xticks(range(len(arms)), arms)
    axis.set(ylabel=f"{accuracy_label(content)}, class, top layer", ylim=(0, 1.03))
    axis.set_title("P = 512, L = 3, m = 4: what stays from one stimulus to the next (dots: seeds)", fontsize=10)
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=4)
    return figure

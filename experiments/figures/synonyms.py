"""Invariance of layer k to exchange of level-l synonyms, and probes of all latents, against P."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.experiments.figures.efficiency import CLASSES, STANDARD
from plastic.experiments.figures.make import Content, accuracy_label
from plastic.experiments.figures.palette import color, mark
from plastic.experiments.sweeps.store import Row

LEVELS = 3


def analyse(rows: Sequence[Row]) -> Content:
    """For L = 3 and the standard m: rule → P → S_{k,l} and latent accuracies, mean over seeds."""
    found: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        s = row["settings"]
        if s.get("levels", 3) == LEVELS and s.get("synonyms", STANDARD) == STANDARD:
            found.setdefault(row["arm"], {}).setdefault(s["train_size"], []).append(row["course"][-1])
    return {
        "levels": "S[k][l]: layer k + 1, synonyms of level l + 1 counted from the input; latents: 'level 2' are the "
        "symbols that the input tuples stand for, 'level 1' those above, 'class' the top",
        "rules": {
            arm: {
                str(p): {
                    "seeds": len(own),
                    "S": np.mean([one["invariance"] for one in own], axis=0).round(4).tolist(),
                    "S_sd": np.std([one["invariance"] for one in own], axis=0).round(4).tolist(),
                    "latents": _latents(own),
                }
                for p, own in sorted(sizes.items())
            }
            for arm, sizes in found.items()
        },
    }


def _latents(points: list[Row]) -> list[dict[str, float]]:
    """Probe accuracy per layer and latent level, mean over seeds."""
    layers = range(len(points[0]["probe"]))
    names = points[0]["probe"][0]
    return [{n: round(float(np.mean([p["probe"][k][n] for p in points])), 4) for n in names} for k in layers]


def draw(content: Content) -> Figure:
    """Above: S to the synonyms of each level, in the layer above it. Below: latents read from each layer."""
    figure = Figure(figsize=(14, 8), layout="constrained")
    axes: Any = figure.subplots(2, LEVELS)
    read = ["level 2", "level 1", "class"]  # what layer k should find
    for number, (arm, sizes) in enumerate(content["rules"].items()):
        p = np.array([int(size) for size in sizes])
        style: dict[str, Any] = {"color": color(arm, number), "marker": mark(arm), "ms": 4}
        for k in range(LEVELS):
            above = min(k + 1, LEVELS - 1)  # one layer of ReLU cannot join the synonyms that it reads itself
            mean = np.array([entry["S"][above][k] for entry in sizes.values()])
            sd = np.array([entry["S_sd"][above][k] for entry in sizes.values()])
            axes[0, k].plot(p, mean, "--" if arm == "none" else "-", label=arm, **style)
            axes[0, k].fill_between(p, mean - sd, mean + sd, color=color(arm, number), alpha=0.12, lw=0)
            found = [entry["latents"][k][read[k]] for entry in sizes.values()]
            axes[1, k].plot(p, found, "--" if arm == "none" else "-", **style)
    ticks = sorted({int(p) for sizes in content["rules"].values() for p in sizes})
    for k in range(LEVELS):
        axes[0, k].set_title(f"layer {min(k + 2, LEVELS)}: S to synonyms of level {k + 1}", fontsize=10)
        axes[1, k].set_title(f"layer {k + 1}: probe of the {_name(read[k])}", fontsize=10)
        axes[0, k].set(ylabel="S (0: invariant, 1: as sensitive as to anything)")
        axes[0, k].set_ylim(bottom=0)
        axes[1, k].set(ylabel=accuracy_label(content), ylim=(0, 1.03))
        for axis in axes[:, k]:
            axis.set(xscale="log", xlabel="training strings P")
            axis.set_xticks(ticks, [str(p) for p in ticks], fontsize=8)
            axis.minorticks_off()
            axis.axvline(CLASSES * STANDARD**LEVELS, color="#777777", ls=":", lw=1)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize=9)
    seeds = max(entry["seeds"] for sizes in content["rules"].values() for entry in sizes.values())
    bands = f"bands: standard deviation, {seeds} grammars"
    figure.suptitle(f"RHM, v = n_c = 8, m = 4, s = 2, L = 3 (dotted: n_c m^L; level 1 are the input tuples; {bands})")
    return figure


def _name(level: str) -> str:
    return {"level 2": "symbols above the input", "level 1": "symbols two levels up"}.get(level, level)

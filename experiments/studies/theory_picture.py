"""The picture of theory.py: a column per figure; cosine with its null, relative difference, norm of the gradient."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from plastic.files import write_figure
from plastic.pictures.run import BLUE, GREEN, GREY, ORANGE, PURPLE

COLORS = (BLUE, GREY, GREEN, ORANGE, PURPLE)


def draw_theory(path: Path, content: dict[str, Any]) -> None:
    """Write the picture (PNG) of the content of theory.json."""
    figures = content["figures"]
    figure = Figure(figsize=(4.1 * len(figures), 10.5), layout="constrained")
    axes: Any = figure.subplots(3, len(figures), squeeze=False)
    for row in (0, 2):
        for axis in axes[row, 1:]:
            axis.sharey(axes[row, 0])
    for column, (name, arms) in enumerate(figures.items()):
        steps, theirs = (content["settings"][f"{whose}steps_of_3b"] for whose in ("", "authors_"))
        note = f" (after {steps} steps; the authors' {theirs})" if name == "3b" else ""
        title = textwrap.fill(f"{content['claims'][name]}", 46)
        axes[0, column].set_title(f"figure {name}{note}\n{title}", fontsize=9)
        for color, (arm, result) in zip(COLORS, arms.items(), strict=False):
            _draw_arm(axes[:, column], color, arm, result)
        axes[0, column].axhline(0, color=GREY, lw=0.5)
        layers = len(next(iter(arms.values()))["cosine"])
        for axis in axes[:, column]:
            axis.set(xticks=range(1, layers + 1), xlim=(0.8, layers + 0.2))
        axes[-1, column].set_xlabel("layer")
        axes[1, column].legend(fontsize=8)
    axes[0, 0].set(ylabel="cosine to the global update", ylim=(-0.35, 1.05))
    axes[1, 0].set(ylabel="‖local − global‖ / ‖global‖\nbelow the top, which they share")
    axes[2, 0].set_ylabel("norm of the global gradient")
    batches = sorted({result["batches"] for arms in figures.values() for result in arms.values()})
    n = " or ".join(map(str, batches))
    handles = [
        Line2D([], [], marker="o", ms=3, color=BLUE, label=f"mean over n = {n} batches, bars: 95 % interval of it"),
        Line2D([], [], ls=":", color=BLUE, label=f"null, B redrawn at its norm: mean, band ±2 s.d. over n = {n} draws"),
    ]
    figure.legend(handles=handles, fontsize=8, ncols=2, loc="outside lower center")
    figure.suptitle("clapp++ beside bp-clapp++ in the networks of arXiv 2601.21683, and what it says", fontsize=11)
    write_figure(path, figure, dpi=110)


def _draw_arm(axes: Any, color: str, name: str, result: dict[str, Any]) -> None:
    layers = np.arange(1, len(result["cosine"]) + 1)
    null, spread = np.array(result["null"]), 2 * np.array(result["null_std"])
    axes[0].errorbar(layers, result["cosine"], result["cosine_interval"], fmt="o-", ms=3, color=color)
    axes[0].plot(layers, null, ":", lw=1, color=color)
    axes[0].fill_between(layers, null - spread, null + spread, color=color, alpha=0.08, lw=0)
    axes[1].semilogy(layers[:-1], result["difference"][:-1], "o-", ms=3, color=color, label=name)
    axes[2].semilogy(layers, result["reference_norm"], "o-", ms=3, color=color)

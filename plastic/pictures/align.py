"""The picture of compared updates: cosine beside its null, and norms, over training, one column per rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from plastic.files import write_figure
from plastic.pictures.run import GREY, SHADES

Rows = list[dict[str, Any]]
NULLS = {"redrawn": "its circuit's weights redrawn", "turned": "its modulator turned"}


def draw_alignment(path: Path, reference: str, found: dict[str, Rows], how: dict[str, Any]) -> None:
    """Write the picture (PNG): `found` holds the rows of every rule (see plastic.models.studies.align), `how` the
    numbers of `batches` and of `draws`, the `nulls` by rule, and, by rule and layer, the rows that have `vanished`."""
    lateral = any("lateral" in row and row["lateral"] for rows in found.values() for row in rows)
    height = 4 if lateral else 3
    figure = Figure(figsize=(1.2 + 3.1 * len(found), 2.4 * height + 1.4), layout="constrained")
    figure.suptitle(f"updates beside those of {reference}, on the same batch, weights and negatives", fontsize=11)
    axes: Any = figure.subplots(height, len(found), sharex=True, sharey="row", squeeze=False)
    for column, (name, rows) in enumerate(found.items()):
        axes[0, column].set_title(f"{name}\nnull: {NULLS[how['nulls'][name]]}", fontsize=9)
        for layer, gone in enumerate(how["vanished"][name]):
            _draw_layer(axes[:, column], rows, layer, np.array(gone))
        axes[0, column].axhline(0, color=GREY, lw=0.5)
        axes[1, column].axhline(1, color=GREY, lw=0.5)
        axes[-1, column].set_xlabel("stimuli per stream")
    axes[0, 0].set(ylabel="cosine", ylim=(-0.35, 1.05))
    axes[1, 0].set_ylabel("ratio of norms\nrule / reference")
    axes[2, 0].set_ylabel(f"norm of the update\nof {reference}")
    if lateral:
        axes[3, 0].set(ylabel="cos(B, Qᵀ B_top Q)", ylim=(-0.35, 1.05))
    layers = max(len(gone) for gone in how["vanished"].values())
    figure.legend(handles=_legend(layers, how), fontsize=8, ncols=min(3, len(found)), loc="outside lower center")
    write_figure(path, figure, dpi=110)


def _draw_layer(axes: Any, rows: Rows, layer: int, gone: Any) -> None:
    """Lines of one layer, one below the other; points where the reference's norm has vanished are hollow."""
    color, steps = SHADES[layer % 6], np.array([row["step"] for row in rows])

    def values(key: str) -> Any:
        return np.array([row[key][layer] for row in rows])

    def line(axis: Any, y: Any, style: str = "-") -> None:
        axis.plot(steps, y, style, color=color)
        axis.plot(steps[~gone], y[~gone], "o", ms=3, color=color)
        axis.plot(steps[gone], y[gone], "o", ms=4, mfc="white", mec=GREY)

    for key, spread, style, times in (("cosine", "cosine_std", "-", 1), ("null", "null_std", ":", 2)):
        mean, band = values(key), times * values(spread)
        axes[0].fill_between(steps, mean - band, mean + band, color=color, alpha=0.15, lw=0)
        if style == ":":
            axes[0].plot(steps, mean, style, color=color, lw=1)
    line(axes[0], values("cosine"))
    ratio, norm = values("norm_ratio"), values("reference_norm")
    axes[1].set_yscale("log")
    axes[2].set_yscale("log")
    line(axes[1], np.where(ratio > 0, ratio, np.nan))
    line(axes[2], np.where(norm > 0, norm, np.nan))
    for matrix, style in zip(sorted(rows[0].get("lateral", {})), ("-", "--"), strict=False):
        line(axes[3], np.array([row["lateral"][matrix][layer] for row in rows]), style)


def _legend(layers: int, how: dict[str, Any]) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], marker="o", ms=3, color=SHADES[layer % 6], label=f"layer {layer + 1}") for layer in range(layers)
    ]
    band = f"cosine: mean, band ±1 s.d. over n = {how['batches']} batches"
    null = f"null, fresh random feedback: mean, band ±2 s.d. over n = {how['draws']} draws"
    hollow = f"the norm of the reference is below {100 * how['vanished_below']:g} % of its largest until then"
    return [
        *handles,
        Patch(color=SHADES[0], alpha=0.3, lw=0, label=band),
        Line2D([], [], ls=":", color=SHADES[0], label=null),
        Line2D([], [], ls="", marker="o", ms=4, mfc="white", mec=GREY, label=f"{hollow}: the cosine says nothing"),
    ]

"""The picture of compared updates: cosine and norm ratio over training, one column per rule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.files import write_figure
from plastic.pictures.run import GREY, SHADES


def draw_alignment(path: Path, reference: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Write the picture (PNG): `found` holds the rows of every rule (see plastic.models.studies.align)."""
    lateral = any("lateral" in row and row["lateral"] for rows in found.values() for row in rows)
    height = 3 if lateral else 2
    figure = Figure(figsize=(1.2 + 3.1 * len(found), 2.4 * height + 0.6), layout="constrained")
    figure.suptitle(f"updates beside those of {reference}, on the same batch, weights and negatives", fontsize=11)
    axes: Any = figure.subplots(height, len(found), sharex=True, sharey="row", squeeze=False)
    for column, (name, rows) in enumerate(found.items()):
        steps = [row["step"] for row in rows]
        axes[0, column].set_title(name, fontsize=10)
        for layer in range(len(rows[0]["cosine"])):
            color, label = SHADES[layer % 6], f"layer {layer + 1}"
            mean = np.array([row["cosine"][layer] for row in rows])
            spread = np.array([row["cosine_std"][layer] for row in rows])
            axes[0, column].plot(steps, mean, "o-", ms=3, color=color, label=label)
            axes[0, column].fill_between(steps, mean - spread, mean + spread, color=color, alpha=0.15, lw=0)
            ratio = [row["norm_ratio"][layer] or np.nan for row in rows]
            axes[1, column].semilogy(steps, ratio, "o-", ms=3, color=color)
            for matrix, style in zip(sorted(rows[0].get("lateral", {})), ("o-", "s--"), strict=False):
                values = [row["lateral"][matrix][layer] for row in rows]
                axes[2, column].plot(steps, values, style, ms=3, color=color)
        axes[0, column].axhline(0, color=GREY, lw=0.5)
        axes[1, column].axhline(1, color=GREY, lw=0.5)
        axes[-1, column].set_xlabel("stimuli per stream")
    axes[0, 0].set(ylabel="cosine\n(band: spread over batches)", ylim=(-0.35, 1.05))
    axes[1, 0].set_ylabel("ratio of norms\nrule / reference")
    if lateral:
        axes[2, 0].set(ylabel="cos(B, Qᵀ B_top Q)", ylim=(-0.35, 1.05))
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, ncols=3 * len(found), loc="outside lower center")
    write_figure(path, figure, dpi=110)

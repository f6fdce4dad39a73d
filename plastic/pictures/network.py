"""The picture of a network: its populations from the bottom up, and what connects them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from plastic.files import write_figure
from plastic.networks.population import Population
from plastic.traces.figure import BLUE, GREEN, GREY, ORANGE


def draw_network(path: Path, title: str, populations: Sequence[Population]) -> None:
    """Write the picture (PNG): a box for each population, as wide as the logarithm of its units, and beside each arrow
    the projection, its weights and what learns it."""
    texts = [_beside(one) for one in populations]
    right = 0.1 * max((len(line) for text in texts for line in text.splitlines()), default=0) - 1.2
    figure = Figure(figsize=(0.7 * (right + 5.2), 1.5 + 1.25 * len(populations)), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-5.2, right), ylim=(-0.6, len(populations) - 0.3))
    axes.set_title(f"{title}\nblue: learns; orange: fixed weights", fontsize=10)
    axes.set_axis_off()
    for height, one in enumerate(populations):
        width = 1.2 + 0.75 * len(str(one.positions * one.neurons))
        color = GREY if one.name == "input" else ORANGE if one.learns == "fixed" else BLUE
        color = GREEN if one.name == "readout" else color
        box = FancyBboxPatch(
            (-width / 2 - 2, height - 0.2), width, 0.4, boxstyle="round,pad=0.08", fc=color, alpha=0.25
        )
        axes.add_patch(box)
        axes.text(-2, height, f"{one.name}: {one.size}", ha="center", va="center", fontsize=11)
        if not height:
            continue
        axes.annotate("", (-2, height - 0.29), (-2, height - 0.71), arrowprops={"arrowstyle": "-|>", "color": "black"})
        axes.text(-1.7, height - 0.5, texts[height], va="center", fontsize=8)
    write_figure(path, figure, dpi=110)


def _beside(one: Population) -> str:
    """What stands beside the arrow into a population."""
    circuit = f", {one.circuit} of the circuit" if one.circuit else ""
    rate = f", η: {one.learning_rate}" if one.learning_rate else ""
    return f"{fill(one.projection, 72)}\n{one.weights} weights{circuit}; {one.learns}{rate}" if one.projection else ""

"""Accuracy under each pairing, and the information between the halves of a string against m."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from plastic.experiments.figures.make import Content, accuracy_label, top_error
from plastic.experiments.figures.palette import OTHERS
from plastic.experiments.sweeps.store import Row
from plastic.stimuli.grammar import RandomHierarchyModel

GRAMMARS = 20  # over which the information is averaged
SYMBOLS = 8


def analyse(rows: Sequence[Row]) -> Content:
    """Accuracy by m, pairing and P (seeds); mean information between halves by m, in bits."""
    found: Content = {}
    for row in rows:
        s = row["settings"]
        pairing = "untrained" if row["arm"] == "none" else s.get("pairing", "class")
        sizes = found.setdefault(f"m={s.get('synonyms', 4)}", {}).setdefault(pairing, {})
        sizes.setdefault(str(s["train_size"]), []).append(round(1 - top_error(row), 6))
    return {"accuracy": found, "bits_between_halves": {str(m): _information(m) for m in range(1, SYMBOLS + 1)}}


def _information(synonyms: int) -> float:
    """Bits that one half of a string tells of the other, mean over grammars."""
    grammars = [RandomHierarchyModel(SYMBOLS, SYMBOLS, synonyms, 3, seed=seed) for seed in range(GRAMMARS)]
    return round(float(np.mean([grammar.half_information() for grammar in grammars])), 6)


def draw(content: Content) -> Figure:
    """Left: accuracy against P; middle: bits between the halves; right: what `within` gains over no learning."""
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    axes: Any = figure.subplots(1, 3)
    for number, (pairing, sizes) in enumerate(content["accuracy"]["m=4"].items()):
        p = [int(size) for size in sizes]
        mean = [np.mean(values) for values in sizes.values()]
        axes[0].plot(p, mean, _style(pairing), marker="o", color=_tone(pairing, number), label=pairing)
        for size, values in sizes.items():
            axes[0].plot([int(size)] * len(values), values, ".", color=_tone(pairing, number), ms=4)
    axes[0].set(xscale="log", xlabel="training strings P", ylabel=_label(content), ylim=(0, 1.03))
    axes[0].set_title("CLAPP, L = 3, m = 4: pairings (dots: seeds)", fontsize=10)
    ticks = sorted({int(size) for sizes in content["accuracy"]["m=4"].values() for size in sizes})
    axes[0].set_xticks(ticks, [str(p) for p in ticks])
    axes[0].minorticks_off()
    _legend_below(axes[0])
    m = [int(x) for x in content["bits_between_halves"]]
    axes[1].plot(m, list(content["bits_between_halves"].values()), "o-", color="#0072B2")
    axes[1].set(xlabel="synonyms m", ylabel="mutual information (bits)")
    axes[1].set_title("what the two halves of a string share: 0 at m = v^(s−1)", fontsize=9)
    _against_m(axes[2], content["accuracy"])
    axes[2].set_ylabel(_label(content))
    return figure


def _label(content: Content) -> str:
    return f"{accuracy_label(content)}: class, top layer"


def _against_m(axis: Any, accuracy: Content) -> None:
    for pairing in ("class", "within", "untrained"):
        m, mean = [], []
        for task, pairings in sorted(accuracy.items()):
            synonyms = int(task.removeprefix("m="))
            size = str(4 * 8 * synonyms**3)  # the size that every m has
            if size in pairings.get(pairing, {}):
                m.append(synonyms)
                mean.append(np.mean(pairings[pairing][size]))
        axis.plot(m, mean, _style(pairing), marker="o", color=_tone(pairing, 0), label=pairing)
    axis.plot([8], [1 / 8], "x", color=_tone("within", 0))
    axis.annotate(
        "within: refused,\nno information",
        (8, 1 / 8),
        (7.9, 0.42),
        fontsize=8,
        ha="right",
        arrowprops={"arrowstyle": "-", "color": "#777777"},
    )
    axis.set(xlabel="synonyms m", ylim=(0, 1.03))
    axis.set_title("P = 4 n_c m^L", fontsize=10)
    _legend_below(axis)


def _legend_below(axis: Any) -> None:
    axis.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3)


def _style(pairing: str) -> str:
    return "--" if pairing == "untrained" else "-"


def _tone(pairing: str, number: int) -> str:
    named = {"class": "#0072B2", "within": "#D55E00", "untrained": "#999999"}
    return named.get(pairing, OTHERS[(number + 2) % len(OTHERS)])

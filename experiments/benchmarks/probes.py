"""What a linear probe costs: logistic beside ridge, on the networks of two default runs.

On snntorch and rate.

    python -m plastic.experiments.benchmarks.probes

In turns, in one process, on one thread: the features alone, which both probes need, and a probe of all layers by
ridge, by logistic for the class alone (as along a run) and by logistic for all levels (as at its two ends). The least
processor time over the rounds, as a busy machine adds to all. Writes docs/results/benchmark-probes.json.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import Any

import tyro

from plastic.config.settings import Config, Training
from plastic.experiments.sweeps.averages import command_of, side_by_side, write_result
from plastic.models.runs.simulation import Simulation
from plastic.models.training.ensemble import Ensemble
from plastic.probes import Probe


@dataclass(frozen=True)
class Arguments:
    """Seconds of a probe of all layers."""

    rounds: int = 7
    """How often each is timed."""
    out: Path = Path("docs/results/benchmark-probes.json")
    """Where the numbers go."""


NETWORKS = {"clapp on snntorch": Config(), "bp on rate": Config("bp", "rate")}


def timed(ensemble: Ensemble, rounds: int) -> dict[str, Any]:
    """The least seconds of each, and what logistic takes beside ridge."""
    task = ensemble.tasks[0]

    def features() -> None:
        for name, examples in (("probe-train", task.train), ("probe-test", task.test)):
            ensemble.features(0, examples, name)

    def by(kind: Probe, *levels: str) -> list[dict[str, float]]:
        ensemble.settings = replace(ensemble.settings, probe=kind)
        return ensemble.probe(levels=levels or None)

    tasks: dict[str, Callable[[], object]] = {
        "features": features, "ridge": lambda: by("ridge"), "logistic, class": lambda: by("logistic", "class"),
        "logistic, all levels": lambda: by("logistic"),
    }  # fmt: skip
    seconds = {name: round(min(took), 4) for name, took in side_by_side(tasks, rounds, process_time).items()}
    return {
        "examples": len(task.train),
        "units": [layer.units for layer in ensemble.network.layers],
        "variables": sum(values.shape[1] for values in task.train.latents.values()),
        "seconds": seconds,
        "over_ridge": {name: round(took / seconds["ridge"], 2) for name, took in seconds.items()},
        "accuracy": {"ridge": by("ridge"), "logistic": by("logistic")},
        "readout": ensemble.readout(),
    }


def measure(config: Config, rounds: int) -> dict[str, Any]:
    """Before and after the training of a default run, and what the probes of the whole run take."""
    simulation = Simulation.of(replace(config, record="none", device="cpu"))
    ensemble, steps, probes = simulation.ensemble, simulation.config.training.steps or 0, Training().probes
    before = timed(ensemble, rounds)
    ensemble.train(steps)
    after = timed(ensemble, rounds)
    ends = sum(moment["seconds"]["logistic, all levels"] for moment in (before, after))
    return {
        "untrained": before, "trained": after,
        "seconds_of_a_run": {
            "probes_along_the_way": probes, "logistic": round(ends + probes * after["seconds"]["logistic, class"], 3),
            "ridge": round((probes + 2) * after["seconds"]["ridge"], 3),
        },
    }  # fmt: skip


def main() -> None:
    arguments = tyro.cli(Arguments)
    found = {name: measure(config, arguments.rounds) for name, config in NETWORKS.items()}
    write_result(arguments.out, command_of("python -m plastic.experiments.benchmarks.probes", arguments), found)


if __name__ == "__main__":
    main()

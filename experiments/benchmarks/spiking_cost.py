"""What learning costs in spikes: two ways to the same network, taking turns in one process.

    python -m plastic.experiments.benchmarks.spiking_cost learning  # a learning step against its forward pass alone
    python -m plastic.experiments.benchmarks.spiking_cost bptt  # against surrogate gradients in plain snnTorch
    python -m plastic.experiments.benchmarks.spiking_cost brian2  # the Brian2 backend against a script by hand

Times are processor seconds of one thread, so other programs on the machine do not count; memory is what
torch allocates at its peak. Each prints its numbers and writes docs/results/spiking-cost-NAME.json.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from torch import Tensor

from plastic.config.defaults import resolve
from plastic.config.settings import Config, Spiking, Stimuli
from plastic.experiments.benchmarks.brian2_by_hand import side_by_side_with_backend
from plastic.experiments.benchmarks.plain_snntorch import PlainNetwork
from plastic.experiments.benchmarks.rates import peak_bytes
from plastic.experiments.sweeps.averages import command_of, median_ratio, side_by_side, write_result
from plastic.models.backends.snntorch.simulator import SnnTorchSimulator
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble

HIERARCHIES = {"L = 2": Stimuli(levels=2), "L = 3": Stimuli(levels=3, train_size=2048)}
STIMULI = 8  # drawn beforehand and shown in turn


def make(stimuli: Stimuli, time_steps: int = 20) -> Ensemble:
    """The network of `plastic simulate` with CLAPP on snnTorch and plain SGD, 128 streams."""
    config = resolve(Config(device="cpu", stimuli=stimuli, spiking=Spiking(time_steps=time_steps)))
    return Ensemble(make_settings(config), [make_task(config)], [0], [config.training.learning_rate or 0.0])


class Steps:
    """A learning step, and the forward pass in it, on spikes that are there already."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.simulator = SnnTorchSimulator(ensemble.network, ensemble.settings.rule, ensemble.settings.step)
        self.learner, self.count = copy(ensemble.learner), 0
        self.learner.optimizer = make_optimizer("sgd", torch.zeros(1))  # the whole work, but the weights stay
        self.presented = list(ensemble.presentation.take(STIMULI))

    def next(self) -> tuple[Tensor, Tensor, Tensor]:
        """Spikes (1, time, batch, inputs), fixation (1, batch, 1), labels (1, batch)."""
        self.count += 1
        one = self.presented[self.count % STIMULI]
        return one.inputs, one.fixation, torch.as_tensor(one.stimulus.labels)

    @torch.inference_mode()
    def forward(self) -> None:
        self.simulator.features(self.learner.parameters, self.next()[0])

    @torch.inference_mode()
    def learn(self) -> None:
        spikes, fixation, labels = self.next()
        target = torch.eye(self.learner.network.classes)[labels]
        self.learner.learn(self.simulator.respond(self.learner.parameters, spikes), fixation, target)


def learning(rounds: int) -> dict[str, Any]:
    """Early, when all hinge gates are open, and after 200 stimuli, when closed ones save work."""
    table = []
    for name, stimuli in HIERARCHIES.items():
        ensemble = make(stimuli)
        for learned in (0, 200):
            ensemble.train(learned)
            steps = Steps(ensemble)
            seconds = _times({"learning": steps.learn, "forward": steps.forward}, rounds)
            table.append({"network": name, "stimuli_learned": learned, **_row(seconds, "learning", "forward")})
    return {"table": table}


def bptt(rounds: int) -> dict[str, Any]:
    """One learning step of CLAPP against one of surrogate-gradient backpropagation through time."""
    table = []
    for name, stimuli in HIERARCHIES.items():
        for time_steps in (20, 200):
            ensemble = make(stimuli, time_steps)
            steps = Steps(ensemble)
            weights = [ensemble.parameters[f"layer{k + 1}.weight"][0] for k in range(stimuli.levels or 0)]
            assert ensemble.settings.spiking is not None
            plain = PlainNetwork(ensemble.network, ensemble.settings.spiking, weights)
            optimizer = torch.optim.SGD(plain.parameters(), lr=0.0)

            def through_time(plain: PlainNetwork = plain, steps: Steps = steps, optimizer: Any = optimizer) -> None:
                spikes, _, labels = steps.next()
                plain.learn(spikes[0], labels[0], optimizer)

            with torch.no_grad():
                spikes = steps.next()[0]
                expected = steps.simulator.features(ensemble.parameters, spikes)[-1][0]
                differing = int(((plain(spikes[0]) - expected).abs() > 0.5 / time_steps).sum())
            seconds = _times({"bptt": through_time, "plastic": steps.learn}, rounds if time_steps == 20 else 3)
            ours, theirs = peak_bytes(steps.learn), peak_bytes(through_time)
            table.append(
                {
                    "network": name,
                    "time_steps": time_steps,
                    **_row(seconds, "bptt", "plastic"),
                    "peak_MB_bptt": round(theirs / 1e6, 1),
                    "peak_MB_plastic": round(ours / 1e6, 1),
                    "plastic_over_bptt_memory": round(ours / theirs, 3),
                    "spike_counts_differing_of_top_layer": differing,
                }
            )
    return {"table": table}


def _times(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    return side_by_side(tasks, rounds, time.process_time)


def _row(seconds: dict[str, list[float]], slow: str, fast: str) -> dict[str, float]:
    """Ratio and milliseconds per step of both."""
    milliseconds = {f"ms_{name}": round(1e3 * statistics.median(taken), 2) for name, taken in seconds.items()}
    return {f"{slow}_over_{fast}": round(median_ratio(seconds[slow], seconds[fast]), 2), **milliseconds}


@dataclass(frozen=True)
class Arguments:
    """What learning costs in spikes."""

    name: Annotated[Literal["learning", "bptt", "brian2"], tyro.conf.Positional]
    rounds: int = 15
    """Rounds, of which the median counts."""
    out: Path | None = None
    """Result file (default docs/results/spiking-cost-NAME.json)."""


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    ways = {"learning": learning, "bptt": bptt, "brian2": side_by_side_with_backend}
    content = ways[arguments.name](arguments.rounds)
    for row in content["table"]:
        print(row)
    command = command_of("python -m plastic.experiments.benchmarks.spiking_cost", arguments)
    write_result(arguments.out or Path(f"docs/results/spiking-cost-{arguments.name}.json"), command, content)


if __name__ == "__main__":
    main()

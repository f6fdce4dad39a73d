"""A CLAPP++ step of the VGG-6 on images: explicit updates against autograd with detach, time and peak memory.

    python -m plastic.experiments.benchmarks.images
    python -m plastic.experiments.benchmarks.images --width 128   # as published

Both do the same steps (checked: the weights agree), taking turns in one process: batch 32, 32 × 32 RGB,
all six layers and their B, plain SGD. Autograd is given its usual form (layer inputs detached, losses of
all layers added, one backward pass), once in torch's default memory format and once in channels-last,
and layer by layer, with a backward pass after each layer. Time is that of the processor (one thread), which
other work on the machine disturbs least. Memory is the largest that torch had allocated during a step,
beyond the weights and what both keep (the held responses).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor
from torch.nn import functional as F

from plastic.experiments.benchmarks.rates import peak_bytes
from plastic.experiments.sweeps.averages import command_of, median_ratio, write_result
from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.learner import Learner
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.compiled import compiled
from plastic.models.network.convolution import Convolution
from plastic.models.network.parameters import he_std, initial_parameters, layer_name, specification
from plastic.models.training.allocator import keep_freed_memory
from plastic.networks.of_task import vgg
from plastic.rules import load_rule

RATE = 1e-8  # small, so that activity stays put
STIMULI = 8


@dataclass
class Contest:
    """The same network and stimuli for every way of taking a step, each with weights of its own."""

    width: int
    batch: int
    side: int

    def __post_init__(self) -> None:
        self.rule = load_rule("clapp++")
        self.network = compiled(vgg(self.side, 3, self.width, 6, 10, whole_circuit=False))
        self.specified = specification(self.network, self.rule, he_std(self.network))
        draw = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(STIMULI, self.batch, self.network.inputs, generator=draw)
        self.fixation = torch.randint(0, 2, (STIMULI, self.batch, 1), generator=draw).float() * 2 - 1

    def drawn(self) -> dict[str, Tensor]:
        return initial_parameters(self.specified, [0], torch.float32, torch.device("cpu"))

    def explicit(self) -> tuple[Callable[[], None], dict[str, Tensor]]:
        """A step of plastic, and its weights."""
        parameters, simulator = self.drawn(), RateSimulator(self.network, self.rule)
        optimizer = make_optimizer("sgd", torch.tensor([RATE]))
        learner = Learner(self.network, self.rule, parameters, optimizer, frozenset(parameters))
        count = 0

        def step() -> None:
            nonlocal count
            now = count % STIMULI
            with torch.inference_mode():
                y = self.fixation[None, now]
                learner.learn(simulator.respond(parameters, self.inputs[None, now]), y, y)
            count += 1

        return step, parameters

    def autograd(self, channels_last: bool, by_layer: bool = False) -> tuple[Callable[[], None], dict[str, Tensor]]:
        """The same step as it is usually written, and its weights in the order of plastic's."""
        form = torch.channels_last if channels_last else torch.contiguous_format
        weights: dict[str, Tensor] = {}
        for name, value in self.drawn().items():
            one = value[0]
            if name.endswith(".weight"):
                one = one.view(len(one), 3, 3, -1).permute(0, 3, 1, 2).contiguous(memory_format=form)
            weights[name] = one.clone(memory_format=torch.preserve_format).requires_grad_()
        contexts: list[Tensor] = []
        count = 0

        def descend() -> None:
            with torch.no_grad():
                for weight in weights.values():
                    if weight.grad is not None:
                        weight.add_(weight.grad, alpha=-RATE)
                        weight.grad = None

        def step() -> None:
            nonlocal contexts, count
            now, observed, total = count % STIMULI, [], torch.zeros(())
            x = self.inputs[now].view(-1, self.side, self.side, 3).permute(0, 3, 1, 2).contiguous(memory_format=form)
            here = self.fixation[now, :, 0] > 0
            for index, layer in enumerate(self.network.layers):
                assert isinstance(layer, Convolution)
                name = layer_name(index)
                x = torch.relu(F.conv2d(x.detach(), weights[f"{name}.weight"], padding=1))
                x = F.max_pool2d(x, layer.pool) if layer.pool > 1 else x
                z = F.avg_pool2d(x, layer.map_side // layer.cells).permute(0, 2, 3, 1).flatten(1)
                c = contexts[index] if contexts else torch.zeros_like(z)
                prediction = c @ weights[f"{name}.B"].T
                own, other = (z * prediction).sum(1), (z.roll(-1, 0) * prediction).sum(1)
                loss = ((F.relu(1 - own) + F.relu(1 + other)) * here).sum()
                observed.append(z.detach())
                if by_layer:
                    loss.backward()  # type: ignore[no-untyped-call]
                    x = x.detach()
                else:
                    total = total + loss
            if not by_layer:
                total.backward()  # type: ignore[no-untyped-call]
            descend()
            contexts, count = observed, count + 1

        return step, weights


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Largest difference of a weight, relative to how far that tensor's weights are from zero."""
    worst = 0.0
    for name, value in theirs.items():
        own = value.detach()
        own = own.permute(0, 2, 3, 1).reshape(len(own), -1) if name.endswith(".weight") else own
        worst = float(np.maximum(worst, float((ours[name][0] - own).abs().max() / own.abs().max())))
    return worst


def in_turns(steps: dict[str, Callable[[], None]], times: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of processor time per arm and round, after one step each to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.process_time()
            for _ in range(times):
                step()
            seconds[name].append(time.process_time() - started)
    return seconds


@dataclass(frozen=True)
class Arguments:
    """Explicit against autograd, VGG-6 and CLAPP++."""

    width: int = 32
    """Channels of the first layer; 128 is the published network."""
    batch: int = 32
    """Streams."""
    side: int = 32
    """Pixels of a side."""
    steps: int = 2
    """Steps per round."""
    rounds: int = 7
    """Rounds, of which the median counts."""
    threads: int = 1
    """Threads of torch."""
    out: Path = Path("docs/results/benchmark-images.json")
    """Result file."""


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    contest = Contest(arguments.width, arguments.batch, arguments.side)
    arms = {
        "explicit": contest.explicit(),
        "autograd": contest.autograd(channels_last=False),
        "autograd, channels last": contest.autograd(channels_last=True),
        "autograd, layer by layer": contest.autograd(channels_last=True, by_layer=True),
    }

    seconds = in_turns({name: step for name, (step, _) in arms.items()}, arguments.steps, arguments.rounds)
    apart = {
        name: difference(arms["explicit"][1], weights) for name, (_, weights) in arms.items() if name != "explicit"
    }
    table = []
    for name, (step, _) in arms.items():
        row: dict[str, Any] = {"arm": name}
        row["ms_per_step"] = round(1e3 * statistics.median(seconds[name]) / arguments.steps, 1)
        row["time_over_explicit"] = round(median_ratio(seconds[name], seconds["explicit"]), 2)
        if name in apart:
            row["largest_relative_difference_of_a_weight"] = apart[name]
        row["peak_MB"] = round(peak_bytes(step) / 1e6, 1)
        table.append(row)
    for row in table:
        row["memory_saved_by_explicit"] = round(1 - table[0]["peak_MB"] / row["peak_MB"], 3)
        print(row)
    command = command_of("python -m plastic.experiments.benchmarks.images", arguments)
    settings = {k: v for k, v in vars(arguments).items() if k != "out"}
    write_result(arguments.out, command, {"settings": settings, "table": table})


if __name__ == "__main__":
    main()

"""The efficiency sweep against training its networks one by one, with autograd in plain torch.

    python -m plastic.experiments.benchmark_sweep

For every arm at L = 3: a pack of the sweep in each of two processes (one thread each), against one
network after the other in a plain torch loop (layer inputs detached, loss.backward(), torch.optim.Adam,
one thread or two, whichever is faster). The same strings, streams, batch and loss; both sides are
sampled, in turns. Writes docs/results/benchmark-sweep.json.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, relu

from plastic.config import Config
from plastic.data.stream import Stream
from plastic.experiments.figure import FOLDER
from plastic.experiments.packs import pack_as_data, pack_of_data
from plastic.experiments.results import write_result
from plastic.experiments.sweep import Member, read_sweep
from plastic.models.allocator import keep_freed_memory
from plastic.models.simulate import make_settings, make_task
from plastic.models.training import Ensemble
from plastic.rules import load_rule
from plastic.rules.rule import Rule

LocalLoss = Callable[[Rule, Tensor, Tensor, Tensor, Tensor | None], Tensor]  # rule, z, c, y, lateral weight


def clapp_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    assert lateral is not None
    return relu(rule.margin - y * (z * (c.detach() @ lateral.T)).sum(1)).sum()


def infonce_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    assert lateral is not None
    scores = (c.detach() @ lateral.T) @ z.T / rule.temperature
    index = torch.arange(len(z))
    apart = (index[None] - index[:, None]) % len(z)
    scores = scores.masked_fill(apart > rule.negatives, -math.inf)
    return (cross_entropy(scores, index, reduction="none") * (y > 0)).sum()


def simclr_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    del lateral
    views = normalize(torch.cat([z, c]))
    scores = (views @ views.T / rule.temperature).fill_diagonal_(-math.inf)
    true = (torch.arange(2 * len(z)) + len(z)) % (2 * len(z))
    return (cross_entropy(scores, true, reduction="none") * torch.cat([y, y]).gt(0)).sum()


def variance_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    """VICReg or LPL, which differ in the push."""
    del lateral
    batch, units = z.shape
    total = rule.pull * ((z - c).square() * (y > 0)[:, None]).sum() / (units * batch)
    for view in (z, c):
        centred = view - view.mean(0)
        covariance = centred.T @ centred / (batch - 1)
        variance = covariance.diagonal() + rule.epsilon
        others = covariance.square().sum() - covariance.diagonal().square().sum()
        if rule.name == "vicreg":
            total = total + rule.push * relu(1 - variance.sqrt()).sum() / (2 * units)
            total = total + rule.decorrelation * others / units
        else:
            total = total - rule.push * variance.log().sum() / (2 * units)
            total = total + rule.decorrelation * others / (2 * units * (units - 1))
    return total


LOCAL: dict[str, LocalLoss] = {
    "clapp": clapp_loss,
    "infonce": infonce_loss,
    "simclr": simclr_loss,
    "vicreg": variance_loss,
    "lpl": variance_loss,
}


class PlainTorch:
    """One network, trained as one would in plain torch with autograd; starts from the same weights."""

    def __init__(self, config: Config) -> None:
        start = Ensemble(make_settings(config), [make_task(config)], [config.seed], [1e-3]).learner.parameters
        self.rule, self.config = load_rule(config.rule, config.options()), config
        fixed = {k: v[0] for k, v in start.items() if config.rule == "dfa" and k.endswith(".B")}
        self.feedback = [fixed[k] for k in sorted(fixed)]
        self.weights = {k: v[0].clone().requires_grad_() for k, v in start.items() if k not in fixed}
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=config.training.learning_rate or 1e-3)
        task = make_task(config)
        self.table = torch.as_tensor(task.analog, dtype=torch.float32)
        self.stream = Stream([task], [config.seed], config.training.batch or 128)
        self.before: list[Tensor] = []

    def step(self) -> None:
        stimulus = self.stream.next()
        x = self.table[torch.as_tensor(stimulus.inputs[0].astype("int64"))].flatten(1)
        y = torch.as_tensor(stimulus.fixation[0]).float() * 2 - 1
        local = self.config.rule in LOCAL
        shown, layers = x, []
        if local and getattr(self.rule, "sides", "current") == "both":  # the view before, with the present weights
            shown = torch.cat([x, self.before[0]]) if self.before else torch.cat([x, x])
        for k in range(3):
            weight = self.weights[f"layer{k + 1}.weight"]
            below = shown if self.config.rule == "bp" else shown.detach()
            shown = relu(below.reshape(len(below), -1, weight.shape[1]) @ weight.T).flatten(1)
            layers.append(shown)
        loss = self._local(layers, y) if local else self._supervised(layers, torch.as_tensor(stimulus.labels[0]))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.before = [x, *(layer[: len(x)].detach() for layer in layers)]

    def _local(self, layers: list[Tensor], y: Tensor) -> Tensor:
        total, batch = torch.zeros(()), len(y)
        for k, both in enumerate(layers):
            z = both[:batch]
            c = both[batch:] if len(both) > batch else self.before[k + 1] if self.before else torch.zeros_like(z)
            lateral = self.weights.get(f"layer{k + 1}.W_pred", self.weights.get(f"layer{k + 1}.B"))
            total = total + LOCAL[self.config.rule](self.rule, z, c, y, lateral)
        return total

    def _supervised(self, layers: list[Tensor], labels: Tensor) -> Tensor:
        top = layers[-1].detach() if self.config.rule == "dfa" else layers[-1]
        logits = top @ self.weights["readout.weight"].T
        loss = cross_entropy(logits, labels, reduction="sum")
        if self.config.rule == "dfa":
            error = torch.softmax(logits.detach(), 1) - torch.eye(logits.shape[1])[labels]
            for layer, feedback in zip(layers, self.feedback, strict=True):
                loss = loss + (layer * (error @ feedback.T)).sum()
        return loss


@dataclass(frozen=True)
class Arguments:
    """The sweep against one by one in plain torch."""

    steps: int = 40
    """Training steps per sample."""
    rounds: int = 3
    """Samples of each side, in turns."""
    threads: int = 2
    """Threads of the plain torch loop; processes of the sweep."""
    out: Path = Path("docs/results/benchmark-sweep.json")
    """Result file."""


def packs_of_the_figure() -> Iterator[tuple[str, list[Member], int]]:
    """Per arm: the largest pack of L = 3, and how many networks the figure has of it."""
    sweep = read_sweep(FOLDER / "rhm_efficiency.toml")
    packs = [p for p in sweep.packs() if (p[0].config.stimuli.levels, p[0].config.stimuli.synonyms) == (3, 4)]
    for arm in sweep.arms:
        own = [p for p in packs if p[0].arm == arm.name]
        if load_rule(own[0][0].config.rule).learns:
            yield arm.name, list(sorted(own, key=len)[-1]), sum(map(len, own))


def train_packs(pipe: Connection, data: list[dict[str, Any]]) -> None:
    """In a process of its own: train for as many steps as it is told, say when that is done."""
    torch.set_num_threads(1)
    keep_freed_memory()
    configs = [member.config for member in pack_of_data(data)]
    ensemble = Ensemble(
        make_settings(configs[0]), [make_task(c) for c in configs], [c.seed for c in configs],
        [c.training.learning_rate or 0.0 for c in configs],
    )  # fmt: skip
    while (steps := pipe.recv()) > 0:
        began = time.process_time()
        ensemble.train(steps)
        pipe.send(time.process_time() - began)


class Side:
    """Wall and processor seconds per network and step, sample by sample."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.processor: list[float] = []

    def add(self, wall: float, processor: float, network_steps: int) -> None:
        self.wall.append(wall / network_steps)
        self.processor.append(processor / network_steps)

    def milliseconds(self) -> tuple[float, float]:
        return round(1e3 * statistics.median(self.wall), 4), round(1e3 * statistics.median(self.processor), 4)


class Pool:
    """One process per core, each with the same pack."""

    def __init__(self, members: list[Member], processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.members = members
        self.ends = [context.Pipe() for _ in range(processes)]
        data = pack_as_data(tuple(members))
        self.processes = [context.Process(target=train_packs, args=(far, data), daemon=True) for _, far in self.ends]
        for process in self.processes:
            process.start()

    def train(self, steps: int) -> float:
        """All processes at once; the processor seconds that they took together."""
        for near, _ in self.ends:
            near.send(steps)
        return sum(near.recv() for near, _ in self.ends)

    def close(self) -> None:
        for near, _ in self.ends:
            near.send(0)
        for process in self.processes:
            process.join()


def measure(members: list[Member], arguments: Arguments) -> dict[str, Any]:
    """Milliseconds per network and step: wall with all cores, and of processor with one thread."""
    pool, plain = Pool(members, arguments.threads), PlainTorch(members[0].config)
    sweep, all_threads, one_thread = Side(), Side(), Side()
    steps = arguments.steps
    pool.train(3)
    _alone(plain, 10)
    for _ in range(arguments.rounds):
        began = time.perf_counter()
        processor = pool.train(steps)
        sweep.add(time.perf_counter() - began, processor, steps * len(members) * arguments.threads)
        for side, threads in ((all_threads, arguments.threads), (one_thread, 1)):
            torch.set_num_threads(threads)
            wall, cpu = time.perf_counter(), time.process_time()
            _alone(plain, 3 * steps)
            side.add(time.perf_counter() - wall, time.process_time() - cpu, 3 * steps)
    pool.close()
    (wall, processor), (two, _), (one, one_processor) = (s.milliseconds() for s in (sweep, all_threads, one_thread))
    return {
        "ms_sweep": wall,
        "ms_one_by_one": min(one, two),  # whichever serves plain torch better
        "speedup": round(min(one, two) / wall, 2),
        "processor_ms_sweep": processor,
        "processor_ms_one_by_one": one_processor,
        "speedup_per_processor_second": round(one_processor / processor, 2),
    }


def _alone(plain: PlainTorch, steps: int) -> None:
    for _ in range(steps):
        plain.step()


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    sides = ("ms_sweep", "ms_one_by_one", "processor_ms_sweep", "processor_ms_one_by_one")
    table, totals = [], dict.fromkeys(sides, 0.0)
    for arm, members, count in packs_of_the_figure():
        row = {"arm": arm, "networks": count, "pack": len(members), **measure(members, arguments)}
        steps = members[0].config.training.steps or 0
        for side in totals:
            totals[side] += row[side] * count * steps
        table.append(row)
        print(row, flush=True)
    whole = {f"{side.replace('ms', 'seconds')}_whole_figure": round(ms / 1e3) for side, ms in totals.items()}
    content = {
        "what": "milliseconds per network and training step; whole figure: all networks of L = 3, m = 4, extrapolated",
        "table": table,
        **whole,
        "speedup": round(totals["ms_one_by_one"] / totals["ms_sweep"], 2),
        "speedup_per_processor_second": round(totals["processor_ms_one_by_one"] / totals["processor_ms_sweep"], 2),
        "processes_of_the_sweep": arguments.threads,
        "threads_of_plain_torch": arguments.threads,
    }
    write_result(arguments.out, "python -m plastic.experiments.benchmark_sweep", content)


if __name__ == "__main__":
    main()

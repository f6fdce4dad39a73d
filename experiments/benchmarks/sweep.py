"""The efficiency sweep against training its networks one by one, with autograd in plain torch.

    python -m plastic.experiments.benchmarks.sweep
    python -m plastic.experiments.benchmarks.sweep --no-whole     # sample both sides, some minutes less

For every arm at L = 3: a group of the sweep in each of two processes (one thread each), against one
network after the other in a plain torch loop (layer inputs detached, loss.backward(), torch.optim.Adam,
one thread or two, whichever is faster). The same strings, streams, batch and loss; both sides are
sampled, in turns. Then the sweep's side is run whole, by the clock, with its probes and measures: as gates close,
its steps get cheaper than the first ones, which are what is sampled. Writes docs/results/benchmark-sweep.json.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import tyro

from plastic.experiments.benchmarks.plain_torch import PlainTorch
from plastic.experiments.figures.make import FOLDER
from plastic.experiments.sweeps.averages import write_result
from plastic.experiments.sweeps.group import group_as_data, group_of_data
from plastic.experiments.sweeps.schedule import in_processes
from plastic.experiments.sweeps.spec import Group, Member, read_sweep
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule


@dataclass(frozen=True)
class Arguments:
    """The sweep against one by one in plain torch."""

    steps: int = 40
    """Training steps per sample."""
    rounds: int = 3
    """Samples of each side, in turns."""
    threads: int = 2
    """Threads of the plain torch loop; processes of the sweep."""
    whole: bool = True
    """Run the sweep's side of the figure to its end, too."""
    out: Path = Path("docs/results/benchmark-sweep.json")
    """Result file."""


def all_groups() -> list[Group]:
    """Those of L = 3, m = 4."""
    groups = read_sweep(FOLDER / "rhm_efficiency.toml").groups()
    return [p for p in groups if (p[0].config.stimuli.levels, p[0].config.stimuli.synonyms) == (3, 4)]


def groups_of_the_figure() -> Iterator[tuple[str, list[Member], int]]:
    """Per arm: the largest group of L = 3, and how many networks the figure has of it."""
    groups = all_groups()
    for name in dict.fromkeys(p[0].arm for p in groups):
        own = [p for p in groups if p[0].arm == name]
        if load_rule(own[0][0].config.rule).acts.learn:
            yield name, list(sorted(own, key=len)[-1]), sum(map(len, own))


def train_groups(pipe: Connection, data: list[dict[str, Any]]) -> None:
    """In a process of its own: train for as many steps as it is told, say when that is done."""
    torch.set_num_threads(1)
    keep_freed_memory()
    configs = [member.config for member in group_of_data(data)]
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
    """One process per core, each with the same group."""

    def __init__(self, members: list[Member], processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.members = members
        self.ends = [context.Pipe() for _ in range(processes)]
        data = group_as_data(tuple(members))
        self.processes = [context.Process(target=train_groups, args=(far, data), daemon=True) for _, far in self.ends]
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


def run_whole(processes: int) -> dict[str, Any]:
    """All networks of the figure at L = 3, from the first to the last: seconds by the clock, and what training took."""
    began = time.perf_counter()
    rows = [row for group in in_processes(all_groups(), processes) for row in group]
    wall = time.perf_counter() - began
    training: dict[str, float] = {}
    for row in rows:
        training[row["arm"]] = training.get(row["arm"], 0.0) + row["seconds"]["training"] / processes
    return {
        "networks_whole_figure": len(rows),
        "wall_seconds_whole_figure_with_its_measures": round(wall),
        "wall_seconds_of_training": {arm: round(seconds, 1) for arm, seconds in training.items()},
        "wall_seconds_of_training_whole_figure": round(sum(training.values())),
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
    for arm, members, count in groups_of_the_figure():
        row = {"arm": arm, "networks": count, "side_by_side": len(members), **measure(members, arguments)}
        steps = members[0].config.training.steps or 0
        for side in totals:
            totals[side] += row[side] * count * steps
        table.append(row)
        print(row, flush=True)
    whole = {f"{side.replace('ms', 'seconds')}_whole_figure": round(ms / 1e3) for side, ms in totals.items()}
    ended: dict[str, Any] = run_whole(arguments.threads) if arguments.whole else {}
    if ended:
        alone = totals["ms_one_by_one"] / 1e3
        ended["speedup_run_whole"] = round(alone / ended["wall_seconds_of_training_whole_figure"], 2)
    content = {
        "what": "milliseconds per network and training step; whole figure: all networks of L = 3, m = 4, extrapolated",
        "table": table,
        **whole,
        "speedup": round(totals["ms_one_by_one"] / totals["ms_sweep"], 2),
        "speedup_per_processor_second": round(totals["processor_ms_one_by_one"] / totals["processor_ms_sweep"], 2),
        **ended,
        "processes_of_the_sweep": arguments.threads,
        "threads_of_plain_torch": arguments.threads,
    }
    write_result(arguments.out, "python -m plastic.experiments.benchmarks.sweep", content)


if __name__ == "__main__":
    main()

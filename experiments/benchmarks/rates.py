"""How fast, and in how much memory: ratios measured side by side in one process.

    python -m plastic.experiments.benchmarks.rates ensemble   # 16 members at once against one by one
    python -m plastic.experiments.benchmarks.rates explicit   # explicit update against autograd with detach
    python -m plastic.experiments.benchmarks.rates memory     # peak memory of both against depth
    python -m plastic.experiments.benchmarks.rates sampling   # a million strings of the RHM

Each prints its numbers and writes docs/results/benchmark-NAME.json (--out elsewhere).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from torch import Tensor

from plastic.experiments.sweeps.averages import command_of, median_ratio, side_by_side, write_result
from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.learner import Learner
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.layer import Network, dense, tree
from plastic.models.network.parameters import he_std, initial_parameters, layer_name, specification
from plastic.models.settings import Settings
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.rules import CLAPP, load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task

SUM_OVER_BATCH = 1e-5  # learning rate of the steps that are timed: small, so that activity stays put


def ensemble_speed(device: torch.device, steps: int, rounds: int) -> dict[str, Any]:
    """16 members (4 seeds × 4 learning rates) in one run against 16 runs one after the other.

    Three layers, dense or a tree. Batching saves what a step costs beside its arithmetic. In a tree of width
    128 the first layer has 4 × 128 units (and clapp's W_pred there is 512 × 512): at batch 128 the products
    of a single run keep a core busy already, so little is left to save.
    """
    cells = [("dense", rule, width, 128) for width in (16, 128) for rule in ("clapp", "bp", "dfa")]
    cells += [("tree", rule, 16, 128) for rule in ("clapp", "bp", "dfa")]
    in_trees = ("clapp", "clapp summary=mean", "bp", "dfa")
    cells += [("tree", rule, 128, batch) for batch in (32, 128) for rule in in_trees]
    return {"table": [_ensemble_row(*cell, device, steps, rounds) for cell in cells]}


def _ensemble_row(
    topology: str, rule: str, width: int, batch: int, device: torch.device, steps: int, rounds: int
) -> dict[str, Any]:
    members = [(seed, rate) for seed in range(4) for rate in (3e-4, 1e-3, 2e-3, 3e-3)]
    tasks = {s: rhm_task(RandomHierarchyModel(levels=3, seed=s), 2048, seed=s, test_size=100) for s in range(4)}
    name, *options = rule.split()
    settings = Settings(
        load_rule(name, dict(o.split("=") for o in options)),
        widths=(width,) * 3,
        topology=topology,
        batch=batch,
        device=device,
    )
    together = Ensemble(settings, [tasks[s] for s, _ in members], [s for s, _ in members], [r for _, r in members])
    alone = [Ensemble(settings, [tasks[s]], [s], [r]) for s, r in members]

    def one_by_one() -> None:
        for single in alone:
            _train(single, steps)

    seconds = side_by_side({"together": lambda: _train(together, steps), "one by one": one_by_one}, rounds)
    difference = max(
        float((together.parameters[k][i] - v[0]).abs().max() / v.abs().max())
        for i, single in enumerate(alone)
        for k, v in single.parameters.items()
    )
    apart = 1e3 * statistics.median(seconds["one by one"]) / steps
    products = len(members) * product_milliseconds(alone[0])
    return {
        "topology": topology,
        "rule": rule,
        "width": width,
        "batch": settings.batch,
        "members": len(members),
        "speedup": round(median_ratio(seconds["one by one"], seconds["together"]), 2),
        "ms_per_step_together": round(1e3 * statistics.median(seconds["together"]) / steps, 2),
        "ms_per_step_one_by_one": round(apart, 2),
        "ms_of_matrix_products_one_by_one": round(products, 2),
        "largest_possible_speedup": round(apart / products, 2),  # if all but the products cost nothing
        "largest_relative_difference_of_a_weight": difference,
        "stimuli_compared": together.stream.count,
    }


def product_milliseconds(ensemble: Ensemble, steps: int = 20) -> float:
    """Time per step that a run spends in matrix products, which batching does not save."""
    with torch.profiler.profile() as profile:
        ensemble.train(steps)
    names = {"aten::bmm", "aten::mm", "aten::baddbmm_", "aten::addmm"}
    return sum(e.self_cpu_time_total for e in profile.key_averages() if e.key in names) / 1e3 / steps


def _train(ensemble: Ensemble, steps: int) -> None:
    ensemble.train(steps)
    if ensemble.settings.device.type == "cuda":
        torch.cuda.synchronize()


@dataclass
class Contest:
    """The same CLAPP training step on one network, explicit and with autograd."""

    network: Network
    batch: int
    recompute: bool = False

    def __post_init__(self) -> None:
        specified = specification(self.network, CLAPP(), he_std(self.network))
        self.parameters = initial_parameters(specified, [0], torch.float32, torch.device("cpu"))
        self.reference = {k: v[0].clone().requires_grad_() for k, v in self.parameters.items()}
        self.simulator = RateSimulator(self.network, CLAPP())
        optimizer = make_optimizer("sgd", torch.tensor([SUM_OVER_BATCH]))
        self.learner = Learner(self.network, CLAPP(), self.parameters, optimizer, frozenset(self.parameters))
        draw = torch.Generator().manual_seed(0)
        self.inputs = torch.randn(8, self.batch, self.network.inputs, generator=draw)
        self.fixation = torch.randint(0, 2, (8, self.batch, 1), generator=draw).float() * 2 - 1
        self.context: list[Tensor] = []
        self.explicit_count = self.autograd_count = 0

    @torch.inference_mode()
    def explicit(self) -> None:
        now = self.explicit_count % 8
        before = self.inputs[None, now - 1] if self.recompute else None
        responses = self.simulator.respond(self.parameters, self.inputs[None, now], before)
        self.learner.learn(responses, self.fixation[None, now], self.fixation[None, now])
        self.explicit_count += 1

    def autograd(self) -> None:
        """Layer inputs detached, all layer losses summed, one backward pass, SGD in place."""
        now = self.autograd_count % 8
        x, y, loss, contexts = self.inputs[now], self.fixation[now, :, 0], torch.zeros(()), []
        for index, layer in enumerate(self.network.layers):
            weight = self.reference[f"{layer_name(index)}.weight"]
            predict = self.reference[f"{layer_name(index)}.W_pred"]
            z = torch.relu(x.detach().reshape(self.batch, layer.positions, layer.fan_in) @ weight.T).flatten(1)
            c = self.context[index] if self.context else torch.zeros_like(z)
            loss = loss + torch.relu(1 - y * (z * (c @ predict.T)).sum(-1)).sum()
            contexts.append(z.detach())
            x = z
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for value in self.reference.values():
                value.add_(value.grad, alpha=-SUM_OVER_BATCH)  # type: ignore[arg-type]
                value.grad = None
        self.context = contexts
        self.autograd_count += 1

    def agreement(self) -> float:
        """Largest difference of a weight after both did the same steps, relative to the largest weight."""
        return max(
            float((self.parameters[k][0] - v).detach().abs().max() / v.detach().abs().max())
            for k, v in self.reference.items()
        )


def explicit_speed(steps: int, rounds: int) -> dict[str, Any]:
    """Milliseconds per training step, explicit against autograd, on dense networks and trees."""
    networks = {
        "dense 3 × 128, batch 128": (dense(128, (128,) * 3, 8), 128),
        "dense 3 × 512, batch 128": (dense(512, (512,) * 3, 8), 128),
        "dense 12 × 256, batch 32": (dense(256, (256,) * 12, 8), 32),
        "dense 3 × 512, batch 1": (dense(512, (512,) * 3, 8), 1),
        "tree 3 × 128, L = 3, batch 128": (tree(8, 8, 2, (128,) * 3, 8), 128),
    }
    table = []
    for name, (network, batch) in networks.items():
        contest = Contest(network, batch)
        seconds = side_by_side(
            {"explicit": _repeat(contest.explicit, steps), "autograd": _repeat(contest.autograd, steps)}, rounds
        )
        table.append(
            {
                "network": name,
                "autograd_over_explicit": round(median_ratio(seconds["autograd"], seconds["explicit"]), 2),
                "ms_explicit": round(1e3 * statistics.median(seconds["explicit"]) / steps, 3),
                "ms_autograd": round(1e3 * statistics.median(seconds["autograd"]) / steps, 3),
                "largest_relative_difference_of_a_weight": contest.agreement(),
            }
        )
    return {"table": table}


def _repeat(step: Callable[[], None], times: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(times):
            step()

    return run


def memory(width: int = 512, batch: int = 512) -> dict[str, Any]:
    """Peak bytes beyond the weights in one training step of a dense network, against depth.

    `state` is what a method keeps from step to step (the held contexts), `step` what it allocates beside
    at its peak: a context that takes the place of the one before costs nothing.
    """
    table = []
    for depth in (3, 6, 12):
        row: dict[str, Any] = {"depth": depth}
        network = dense(width, (width,) * depth, 8)
        held, recomputed = Contest(network, batch), Contest(network, batch, recompute=True)
        context = depth * batch * width * 4
        for name, step, state in (
            ("explicit, context held", held.explicit, context),
            ("explicit, context recomputed", recomputed.explicit, 0),
            ("autograd", held.autograd, context),
        ):
            row[name] = {"state_MB": _megabytes(state), "step_MB": _megabytes(peak_bytes(step))}
        table.append(row)
    return {"width": width, "batch": batch, "table": table}


def _megabytes(count: int) -> float:
    return round(count / 1e6, 2)


def peak_bytes(step: Callable[[], None]) -> int:
    """Largest number of bytes that torch had allocated during the last of three steps, beyond those before it.

    The profile covers the steps before too, because it does not see a block freed that was taken earlier.
    """
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
        step()
        with torch.profiler.record_function("last step"):
            step()
    events = sorted(profile.profiler.kineto_results.events(), key=lambda e: e.start_ns())
    start = next(e.start_ns() for e in events if e.name() == "last step")
    live = before = peak = 0
    for event in (e for e in events if e.name() == "[memory]"):
        live += event.nbytes()
        if event.start_ns() < start:
            before = peak = live
        peak = max(peak, live)
    return peak - before


def sampling() -> dict[str, Any]:
    """Seconds to draw 10⁶ different strings of L = 4 with all their latents."""
    grammar = RandomHierarchyModel(levels=4, synonyms=8)
    seconds = side_by_side({"sample": lambda: grammar.sample(10**6, seed=1)}, 3)["sample"]
    return {"strings": 10**6, "seconds": [round(s, 2) for s in seconds]}


@dataclass(frozen=True)
class Arguments:
    """Benchmarks of plastic."""

    name: Annotated[Literal["ensemble", "explicit", "memory", "sampling"], tyro.conf.Positional]
    device: str = "cpu"
    """ensemble: cpu or cuda."""
    threads: int = 1
    """Threads of torch."""
    steps: int = 30
    """Training steps per round."""
    rounds: int = 7
    """Rounds, of which the median counts."""
    out: Path | None = None
    """Result file (default docs/results/benchmark-NAME.json)."""


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    content = {
        "ensemble": lambda: ensemble_speed(torch.device(arguments.device), arguments.steps, arguments.rounds),
        "explicit": lambda: explicit_speed(arguments.steps, arguments.rounds),
        "memory": memory,
        "sampling": sampling,
    }[arguments.name]()
    for row in content.get("table", [content]):
        print(row)
    command = command_of("python -m plastic.experiments.benchmarks.rates", arguments)
    write_result(arguments.out or Path(f"docs/results/benchmark-{arguments.name}.json"), command, content)


if __name__ == "__main__":
    main()

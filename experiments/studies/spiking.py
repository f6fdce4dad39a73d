"""Spiking networks learn the Random Hierarchy Model: the numbers of the README, over several seeds.

    python -m plastic.experiments.studies.spiking demo     # L = 2, snnTorch: CLAPP by plain SGD, as `make demo` runs it
    python -m plastic.experiments.studies.spiking online   # the same in Brian2, one stream, beside the numpy reference
    python -m plastic.experiments.studies.spiking depth    # L = 3, snnTorch: CLAPP, DFA and no learning

Every run is what `plastic simulate` does with the settings that the result shows. Writes
docs/results/spiking-NAME.json and spiking-NAME.png (linear probe of the top layer over training).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from numpy.typing import NDArray

from plastic.backends import first, reference
from plastic.config.defaults import resolve
from plastic.config.file import to_toml
from plastic.config.settings import Config, Spiking, Stimuli, Training
from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.files import write_figure
from plastic.models.neuron.constants import Traces
from plastic.models.runs.build import make_settings, make_task
from plastic.models.runs.simulate import simulate
from plastic.models.training.ensemble import Ensemble
from plastic.pictures.run import BLUE, GREY, ORANGE
from plastic.runs.folder import read_metrics
from plastic.stimuli.stream import Stimulus

HIERARCHY, REGULAR = Stimuli(levels=3, train_size=2048), Spiking(coding="regular")
RUNS = {
    "demo": [Config()],
    # from a low rate: a livelier network is chaotic, and 1e-16 grows to 1e-4 of the weights within 200 stimuli
    "online": [Config(backend="brian2", spiking=Spiking(initial_rate=0.05))],
    "depth": [
        # regular spikes: with Poisson's noise both learn too, CLAPP more slowly (docs/results)
        Config("clapp", stimuli=HIERARCHY, spiking=REGULAR, training=Training(steps=3000)),
        Config("dfa", stimuli=HIERARCHY, spiking=REGULAR, training=Training(steps=3000, learning_rate=0.001)),
        Config("none", stimuli=HIERARCHY, spiking=REGULAR, training=Training(steps=1, probes=0)),  # nothing changes
    ],
}
TITLES = {
    "demo": "RHM v = n_c = 8, m = 4, L = 2, P = 384; snnTorch, 128 streams, SGD",
    "online": "RHM v = n_c = 8, m = 4, L = 2, P = 384; Brian2, one stream, SGD",
    "depth": "RHM v = n_c = 8, m = 4, L = 3, P = 2048; snnTorch, 128 streams, SGD",
}
COLORS = {"clapp": BLUE, "dfa": ORANGE, "none": GREY}


class Spikes:
    """Keeps the spikes of every layer and stimulus of a training."""

    def __init__(self) -> None:
        self.kept: list[NDArray[Any]] = []
        self.traces: Traces = {}

    def begin(self, step: int) -> tuple[None, Traces]:
        del step
        self.traces = {}
        return None, self.traces

    def end(self, step: int, stimulus: Stimulus) -> None:
        del step, stimulus
        parts = (part for _, chunks in sorted(self.traces.items()) for part in chunks)
        self.kept.append(np.concatenate([part.spike.numpy().ravel() > 0 for part in parts]))


def beside_reference(config: Config, stimuli: int = 200) -> dict[str, Any]:
    """The first stimuli of a run with one stream, and of the same run on the numpy reference: spikes of both, how
    many differ, and the largest difference of a weight relative to the largest change of its array."""
    found = []
    for backend in (first(reference), config.backend):
        one = resolve(
            dataclasses.replace(config, backend=backend, training=_one_stream(config), spiking=resolve(config).spiking)
        )
        ensemble = Ensemble(make_settings(one), [make_task(one)], [one.seed], [one.training.learning_rate or 0.0])
        start = {k: v.clone() for k, v in ensemble.parameters.items()}
        spikes = Spikes()
        ensemble.train(stimuli, spikes)
        found.append((np.stack(spikes.kept), start, ensemble.parameters))
    (expected, start, weights), (spikes_found, _, weights_found) = found
    moved = {k: float((v - start[k]).abs().max()) for k, v in weights.items()}
    return {
        "stimuli": stimuli,
        "spikes": int(expected.sum()),
        "spikes_differing": int((expected != spikes_found).sum()),
        "largest_weight_error": float(
            np.max([float((weights_found[k] - v).abs().max()) / moved[k] for k, v in weights.items()])
        ),
        "smallest_weight_change": min(moved[k] / float(v.abs().max()) for k, v in start.items()),
    }


def _one_stream(config: Config) -> Training:
    """The training that the backend gets by default, spelled out, so that the reference gets it too."""
    training = resolve(dataclasses.replace(config, backend="brian2")).training
    return dataclasses.replace(training, batch=1)


def learn(config: Config) -> dict[str, Any]:
    """One run of `plastic simulate`: probes of all layers over training, and the time that training took."""
    started = time.process_time()
    with TemporaryDirectory() as folder:
        result = simulate(config, Path(folder) / "run")
        rows = [row for row in read_metrics(Path(folder) / "run") if "probe_accuracy" in row]
    return {
        "seed": config.seed,
        "probe_accuracy": result["probe_accuracy"],
        "untrained_accuracy": result["untrained_accuracy"],
        "wall_seconds": result["wall_seconds"],  # of training and of the probes on the way
        "processor_seconds": round(time.process_time() - started, 1),  # of everything, whatever else runs there
        "curve": {"stimuli": [r["step"] for r in rows], "top_layer": [r["probe_accuracy"][-1] for r in rows]},
    }


def draw(path: Path, name: str, results: dict[str, list[dict[str, Any]]]) -> None:
    """Probe of the top layer over training: one line per seed, a thick one for their mean."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axis = figure.subplots()
    for rule, runs in results.items():
        color = COLORS[rule]
        curves = np.array([run["curve"]["top_layer"] for run in runs])
        stimuli = runs[0]["curve"]["stimuli"]
        if rule == "none":
            axis.axhline(curves.mean(), ls="--", color=color, label=f"untrained, mean of {len(runs)} seeds")
            continue
        axis.plot(stimuli, curves.T, "-", lw=0.8, color=color, alpha=0.6)
        axis.plot(stimuli, curves.mean(0), "o-", ms=3, lw=2, color=color, label=f"{rule}, mean of {len(runs)} seeds")
    axis.axhline(1 / 8, color=GREY, ls=":", lw=1)
    axis.annotate("chance", (0, 1 / 8), fontsize=8, color=GREY, va="bottom")
    axis.set(
        xlabel="stimuli per stream", ylabel=f"{Training().probe} probe of the class, top layer, test", ylim=(0, 1.03)
    )
    axis.set_title(TITLES[name], fontsize=10)
    axis.legend(loc="lower right")
    write_figure(path, figure, dpi=120)


@dataclass(frozen=True)
class Arguments:
    """Spiking networks learn the Random Hierarchy Model, over several seeds."""

    name: Annotated[Literal["demo", "online", "depth"], tyro.conf.Positional]
    seeds: int = 3
    """Seeds 0, 1, …, each with its own grammar, data, weights and spikes."""
    jobs: int = 1
    """Runs at a time."""
    out: Path = Path("docs/results")
    """Folder of the results."""


def run_all(configs: Iterable[Config], seeds: int, jobs: int) -> dict[str, list[dict[str, Any]]]:
    """Every config with every seed, `jobs` of them at a time, each in a process of its own."""
    runs = [dataclasses.replace(config, seed=seed) for config in configs for seed in range(seeds)]
    results: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        for config, one in zip(runs, pool.map(learn, runs), strict=True):
            results.setdefault(config.rule, []).append(one)
            probes = ", ".join(f"{p:.3f}" for p in one["probe_accuracy"])
            print(
                f"{config.rule:6} seed {config.seed}: layers {probes} in {one['wall_seconds']:.0f} s, "
                f"{one['processor_seconds']:.0f} s of processor time",
                flush=True,
            )
    return results


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(1)
    configs = RUNS[arguments.name]
    content: dict[str, Any] = {"settings": to_toml(resolve(configs[0])).splitlines()}
    if arguments.name == "online":
        content["beside_reference"] = [
            beside_reference(dataclasses.replace(configs[0], seed=seed)) for seed in range(arguments.seeds)
        ]
        print(*content["beside_reference"], sep="\n", flush=True)
    results = run_all(configs, arguments.seeds, arguments.jobs)
    means = {
        rule: {
            "trained": round(float(np.mean([run["probe_accuracy"][-1] for run in runs])), 3),
            "untrained": round(float(np.mean([run["untrained_accuracy"][-1] for run in runs])), 3),
        }
        for rule, runs in results.items()
    }
    print(means)
    command = command_of("python -m plastic.experiments.studies.spiking", arguments, without=("out", "jobs"))
    path = arguments.out / f"spiking-{arguments.name}.json"
    write_result(path, command, content | {"probe": Training().probe, "top_layer_mean": means, "results": results})
    draw(path.with_suffix(".png"), arguments.name, results)


if __name__ == "__main__":
    main()

"""Does CLAPP learn on a chip's 8-bit learning engine? Accuracy over stimuli, for weight bits and rounding.

    python -m plastic.experiments.studies.chip_learning
    python -m plastic.experiments.studies.chip_learning --seeds 0               # in parts, which are put together:
    python -m plastic.experiments.studies.chip_learning --seeds 1 --bits 8 6 --add

One chip (`loihi`) sees one stream; for one seed (grammar, data, weights, spikes) the network, the initial weights and
the spikes are the same for all. Beside them: the same network in float on snnTorch with its default
training, and untrained.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch

from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Spiking, Stimuli, Training
from plastic.experiments.sweeps.averages import write_result
from plastic.files import write_figure
from plastic.hardware.chip.on_lava import quantised_of
from plastic.hardware.chip.options import CALIBRATION, Hardware
from plastic.hardware.compiler.calibration import float_run
from plastic.hardware.compiler.options import Chip, Ranges
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Ensemble
from plastic.pictures.run import BLUE, GREEN, ORANGE

OUT = Path("docs/results/chip-learning.json")
RATE = 0.05  # η of one stream
BITS, ROUNDINGS = (8, 6, 4), ("stochastic", "nearest")
SNNTORCH = Training()  # the backend's defaults: 2000 stimuli of 128 streams


def config(rule: str, training: Training, backend: str, seed: int) -> Config:
    """L = 2 RHM, v = 8, m = 4, tree of local weights, traces as on the chip."""
    return resolve(
        Config(
            rule=rule, backend=backend, seed=seed, stimuli=Stimuli(levels=2), network=Architecture(weights="local"),
            spiking=Spiking(trace_timing="emitted"), training=training,
        )
    )  # fmt: skip


def accuracies(ensemble: Ensemble) -> list[float]:
    return [layer["class"] for layer in ensemble.probe()]


def one_stream(rule: str, seed: int) -> tuple[Any, Any]:
    """Settings and task of a run of one stream."""
    given = config(rule, Training(learning_rate=RATE, batch=1, optimizer="sgd"), "snntorch", seed)
    return make_settings(given), make_task(given)


def on_chip(given: tuple[str, int, int, str, int, int, tuple[Ranges, ...]]) -> dict[str, Any]:
    """One chip from scratch: its accuracies at `probes` times."""
    rule, seed, bits, rounding, stimuli, probes, ranges = given
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    settings, task = one_stream(rule, seed)
    hardware = Hardware(Chip(rounding, bits), ranges=ranges)  # type: ignore[arg-type]
    ensemble = Ensemble(replace(settings, backend="loihi", options=hardware), [task], [seed], [RATE])
    curve = [{"stimuli": 0, "accuracy": accuracies(ensemble)}]
    for k in range(1, probes + 1):
        ensemble.train(round(stimuli * k / probes) - ensemble.learned)
        curve.append({"stimuli": ensemble.learned, "accuracy": accuracies(ensemble)})
    report = [asdict(layer) | {"expected": layer.expected} for layer in quantised_of(ensemble).report]
    print(f"{bits} bits, {rounding}: {curve[0]['accuracy']} → {curve[-1]['accuracy']}", flush=True)
    return {"bits": bits, "rounding": rounding, "seed": seed, "course": curve, "report": report}


def in_float(rule: str, seed: int) -> dict[str, Any]:
    """The float run on snnTorch."""
    given = config(rule, SNNTORCH, "snntorch", seed)
    ensemble = Ensemble(make_settings(given), [make_task(given)], [seed], [given.training.learning_rate or 0.0])
    untrained = accuracies(ensemble)
    ensemble.train(given.training.steps or 0)
    return {
        "streams": given.training.batch, "stimuli_per_stream": given.training.steps,
        "untrained": untrained, "accuracy": accuracies(ensemble), "seed": seed,
    }  # fmt: skip


def draw(result: dict[str, Any], path: Path) -> None:
    """Left: accuracy of the top layer over stimuli, mean of the seeds; right: at the end against weight bits, with
    every seed as a dot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    colours = dict(zip(BITS, (BLUE, GREEN, ORANGE), strict=True))
    for rounding, line in zip(ROUNDINGS, ("-", "--"), strict=True):
        ends: dict[int, list[float]] = {}
        for bits in BITS:
            runs = [r for r in result["chips"] if (r["bits"], r["rounding"]) == (bits, rounding)]
            if not runs:
                continue
            times = [point["stimuli"] / 1000 for point in runs[0]["course"]]
            tops = np.array([[point["accuracy"][-1] for point in run["course"]] for run in runs])
            left.plot(times, tops.mean(0), line, color=colours[bits], label=f"{bits} bits, {rounding}")
            ends[bits] = tops[:, -1].tolist()
        right.plot(sorted(ends), [np.mean(ends[bits]) for bits in sorted(ends)], line, color="k", label=rounding)
        for bits, values in ends.items():
            right.plot([bits] * len(values), values, "o" if line == "-" else "x", color=colours[bits], markersize=4)
    for axes in (left, right):
        for key, line, grey, label in (
            ("accuracy", ":", "0.4", "snnTorch, float"),
            ("untrained", "-.", "0.7", "snnTorch, untrained"),
        ):
            mean = np.mean([run[key][-1] for run in result["snntorch"]])
            axes.axhline(mean, color=grey, linestyle=line, label=label)
        axes.set_ylim(0, 1)
    seeds = len(result["snntorch"])
    kind = result.get("probe", "ridge")  # which was the only one
    left.set(xlabel="stimuli seen by the chip (thousands)", ylabel=f"test accuracy, {kind} probe of the top layer",
             title=f"CLAPP learned in integers, one chip ({seeds} seed{'s' * (seeds > 1)})")  # fmt: skip
    right.set(
        xlabel="bits of a weight (and its sign)", xticks=sorted(BITS), title="at the end (dots and crosses: seeds)"
    )
    left.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=3)
    right.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    write_figure(path, figure, dpi=150)


def put_together(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The runs of both, where both have the same one, that of now."""
    if any(before.get(name) != now[name] for name in ("stimuli", "rule", "probe")):
        raise SystemExit("--add: the file holds runs of another rule, length or probe; give another --out.")
    found = dict(now)
    for key, names in (("chips", ("bits", "rounding", "seed")), ("snntorch", ("seed",)), ("ranges", ("seed",))):
        runs = {tuple(run[name] for name in names): run for part in (before, now) for run in part[key]}
        found[key] = [runs[place] for place in sorted(runs, key=str)]
    return found


def run_seed(given: argparse.Namespace, seed: int) -> dict[str, Any]:
    """All chips of a seed, and the float run."""
    settings, task = one_stream(given.rule, seed)
    ranges = tuple(float_run(settings, task, seed, RATE, *CALIBRATION))
    jobs = [
        (given.rule, seed, bits, rounding, given.stimuli, given.probes, ranges)
        for bits in given.bits
        for rounding in given.roundings
    ]
    with ProcessPoolExecutor(given.processes) as pool:
        floating = pool.submit(in_float, given.rule, seed)
        chips = list(pool.map(on_chip, jobs))
        layers = [asdict(r) for r in ranges]
        return {"chips": chips, "snntorch": [floating.result()], "ranges": [{"seed": seed, "layers": layers}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="clapp")
    parser.add_argument("--stimuli", type=int, default=160_000)
    parser.add_argument("--probes", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--bits", type=int, nargs="+", default=list(BITS), choices=BITS)
    parser.add_argument("--roundings", nargs="+", default=list(ROUNDINGS), choices=ROUNDINGS)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--add", action="store_true", help="to the runs that --out holds")
    parser.add_argument("--draw", action="store_true", help="only draw the picture of --out anew")
    given = parser.parse_args()
    if given.draw:
        draw(json.loads(given.out.read_text()), given.out.with_suffix(".png"))
        return
    torch.set_num_threads(1)
    before = json.loads(given.out.read_text()) if given.add else None
    for seed in given.seeds:
        result = {"rule": given.rule, "stimuli": given.stimuli, "probe": Training().probe, **run_seed(given, seed)}
        result = put_together(before, result) if before else result
        before = result
    seeds = sorted({run["seed"] for run in result["snntorch"]})
    command = f"python -m plastic.experiments.studies.chip_learning --seeds {' '.join(map(str, seeds))}"
    write_result(given.out, command, result)
    draw(result, given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()

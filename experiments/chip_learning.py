"""Does CLAPP learn on a chip's 8-bit learning engine? Accuracy over stimuli, for weight bits and rounding.

    python -m plastic.experiments.chip_learning

One chip sees one stream; the network, the initial weights and the spikes are the same for all. Beside
them: the same network in float on snnTorch with its default training, and untrained.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numba
import torch

from plastic.config import Architecture, Config, Spiking, Stimuli, Training
from plastic.defaults import resolve
from plastic.experiments.results import write_result
from plastic.hardware.backend import CALIBRATION, ChipEnsemble, Hardware
from plastic.hardware.calibration import float_run
from plastic.hardware.quantiser import Chip, Ranges
from plastic.models.simulate import make_settings, make_task
from plastic.models.training import Ensemble

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
    ensemble = ChipEnsemble(replace(settings, backend="loihi"), [task], [seed], [RATE], hardware)
    course = [{"stimuli": 0, "accuracy": accuracies(ensemble)}]
    for k in range(1, probes + 1):
        ensemble.train(round(stimuli * k / probes) - ensemble.learned)
        course.append({"stimuli": ensemble.learned, "accuracy": accuracies(ensemble)})
    assert ensemble.quantised is not None
    report = [asdict(layer) | {"expected": layer.expected} for layer in ensemble.quantised.report]
    print(f"{bits} bits, {rounding}: {course[0]['accuracy']} → {course[-1]['accuracy']}", flush=True)
    return {"bits": bits, "rounding": rounding, "seed": seed, "course": course, "report": report}


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
    """Left: accuracy of the top layer over stimuli; right: at the end against weight bits."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    colours = dict(zip(BITS, ("C0", "C2", "C3"), strict=True))
    for run in result["chips"]:
        style = {"color": colours[run["bits"]], "linestyle": "-" if run["rounding"] == "stochastic" else "--"}
        course = run["course"]
        label = f"{run['bits']} bits, {run['rounding']}"
        left.plot([p["stimuli"] / 1000 for p in course], [p["accuracy"][-1] for p in course], label=label, **style)
    for rounding in ROUNDINGS:
        ends = sorted(
            (r["bits"], r["course"][-1]["accuracy"][-1]) for r in result["chips"] if r["rounding"] == rounding
        )
        right.plot(*zip(*ends, strict=True), marker="o", linestyle="-" if rounding == "stochastic" else "--", color="k",
                   label=rounding)  # fmt: skip
    for axes in (left, right):
        axes.axhline(result["snntorch"]["accuracy"][-1], color="0.4", linestyle=":", label="snnTorch, float")
        axes.axhline(result["snntorch"]["untrained"][-1], color="0.7", linestyle="-.", label="untrained")
        axes.set_ylim(0, 1)
        axes.legend(fontsize="small", loc="lower right")
    left.set(xlabel="stimuli seen by the chip (thousands)", ylabel="test accuracy, linear probe of the top layer",
             title="CLAPP learned in integers, one chip")  # fmt: skip
    right.set(xlabel="bits of a weight (and its sign)", xticks=sorted(BITS), title="at the end")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="clapp")
    parser.add_argument("--stimuli", type=int, default=40_000)
    parser.add_argument("--probes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--draw", action="store_true", help="only draw the picture of --out anew")
    given = parser.parse_args()
    if given.draw:
        draw(json.loads(given.out.read_text()), given.out.with_suffix(".png"))
        return
    torch.set_num_threads(1)
    settings, task = one_stream(given.rule, given.seed)
    ranges = tuple(float_run(settings, task, given.seed, RATE, *CALIBRATION))
    jobs = [
        (given.rule, given.seed, bits, rounding, given.stimuli, given.probes, ranges)
        for bits in BITS
        for rounding in ROUNDINGS
    ]
    with ProcessPoolExecutor(given.processes) as pool:
        floating = pool.submit(in_float, given.rule, given.seed)
        chips = pool.map(on_chip, jobs)
        result = {"ranges": [asdict(r) for r in ranges], "chips": list(chips), "snntorch": floating.result()}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_result(given.out, "python -m plastic.experiments.chip_learning", result)
    draw(result, given.out.with_suffix(".png"))


if __name__ == "__main__":
    main()

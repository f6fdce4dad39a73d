"""How fast is the emulator beside Lava's fixed point? The same network, the same spikes, learning on.

    python -m plastic.experiments.chip_speed

One dense layer with CLAPP's circuit, stimuli of 20 steps and one of learning. Lava and the emulator take
turns, so that a busy machine is busy for both; ratios are of steps per second (of all chips together, in
a batch) on one thread, and for the batch also on all cores.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np

from plastic.experiments.results import write_result
from plastic.hardware.backend import circuit_of
from plastic.hardware.emulator import Emulator
from plastic.hardware.on_lava import run_fixed
from plastic.hardware.program import Program
from plastic.hardware.quantised import Ranges
from plastic.hardware.quantiser import quantise
from plastic.models.parameters import specification
from plastic.models.step import SpikingStep
from plastic.models.topology import dense
from plastic.rules import load_rule

OUT = Path("docs/results/chip-speed.json")
TIME_STEPS, CHIPS = 20, 64
REQUIRED = {"256 → 128": 30, "64 → 32": 100}


def program(inputs: int, neurons: int, rule_name: str, seed: int = 0) -> Program:
    """A network with random weights in which about a fifth of the neurons spike in a step."""
    network, rule = dense(inputs, (neurons,), 8), load_rule(rule_name, {})
    specified = specification(network, rule, [2.1 / (inputs * 0.15) ** 0.5])
    generator = np.random.default_rng(seed)
    drawn = {name: generator.standard_normal(one.shape) * one.std for name, one in specified.items()}
    ranges = [Ranges(float(np.abs(drawn["layer1.weight"]).max()), 25.0, 0.3, 2.0, 0.05)]
    step = SpikingStep(trace_timing="emitted")
    return quantise(rule, network, step, TIME_STEPS, 0.05, drawn, ranges, circuit_of(rule, network, 0.05)).program


class Given:
    """Stimuli for some chips."""

    def __init__(self, one: Program, stimuli: int, chips: int, seed: int = 1) -> None:
        generator = np.random.default_rng(seed)
        self.spikes = (generator.random((stimuli, chips, TIME_STEPS, one.inputs)) < 0.15).astype(np.uint8)
        self.fixation = generator.choice([-1, 1], (stimuli, chips))
        self.target = np.eye(one.classes, dtype=np.int64)[generator.integers(0, one.classes, (stimuli, chips))]


def emulate(one: Program, given: Given) -> Emulator:
    emulator = Emulator(one, list(range(given.spikes.shape[1])))
    for spikes, fixation, target in zip(given.spikes, given.fixation, given.target, strict=True):
        emulator.learn(emulator.stimulus(spikes), fixation, target)
    return emulator


def lava_seconds(one: Program, given: Given) -> tuple[float, list[Any]]:
    """Seconds of all stimuli but the first, with which Lava starts, and the weights in the end."""
    started, weights = 0.0, []
    arrays = given.spikes[:, 0], given.fixation[:, 0], given.target[:, 0]
    for k, seen in enumerate(run_fixed(one, *arrays, weights_every=0)):
        if k == 0:
            started = time.perf_counter()
        weights = seen.weights
    return time.perf_counter() - started, weights


def seconds(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def compare(inputs: int, neurons: int, rule: str, stimuli: int, rounds: int) -> dict[str, Any]:
    one = program(inputs, neurons, rule)
    slow, single, many = Given(one, stimuli, 1), Given(one, 10 * stimuli, 1), Given(one, stimuli, CHIPS)
    numba.set_num_threads(1)
    emulate(one, Given(one, 1, 2))  # compiled
    same = emulate(one, slow).weights[0][0]
    length, found = TIME_STEPS + 1, []
    for _ in range(rounds):
        lasted, weights = lava_seconds(one, slow)
        if not np.array_equal(weights[0], same):
            raise SystemExit("Lava and the emulator differ: a comparison of their speed says nothing.")
        lava = (stimuli - 1) * length / lasted
        numba.set_num_threads(1)
        alone = 10 * stimuli * length / seconds(lambda: emulate(one, single))
        batch = stimuli * CHIPS * length / seconds(lambda: emulate(one, many))
        numba.set_num_threads(min(2, cast(Any, numba.config).NUMBA_NUM_THREADS))
        cores = stimuli * CHIPS * length / seconds(lambda: emulate(one, many))
        numba.set_num_threads(1)
        found.append({"lava": lava, "one_chip": alone, "batch_one_thread": batch, "batch_two_threads": cores})
    middle = {name: statistics.median(row[name] for row in found) for name in found[0]}
    ratios = {name: statistics.median(row[name] / row["lava"] for row in found) for name in found[0] if name != "lava"}
    rates = {name: round(value) for name, value in middle.items()}
    ratios = {name: round(value, 1) for name, value in ratios.items()}
    return {"network": f"{inputs} → {neurons}", "chips": CHIPS, "steps_per_second": rates, "times_as_fast": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="clapp")
    parser.add_argument("--stimuli", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    found = []
    for inputs, neurons in ((256, 128), (64, 32)):
        found.append(compare(inputs, neurons, given.rule, given.stimuli, given.rounds))
        print(found[-1], flush=True)
    print({"required of one chip": REQUIRED, "required of the batch": 100})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    options = f"--rule {given.rule} --stimuli {given.stimuli} --rounds {given.rounds}"
    result = {"cores_allowed": cores, "load_average": os.getloadavg(), "networks": found}
    write_result(given.out, f"python -m plastic.experiments.chip_speed {options}", result)


if __name__ == "__main__":
    main()

"""How fast is the emulator beside Lava's fixed point? The same network, the same spikes, learning on.

    python -m plastic.experiments.benchmarks.chip_speed

One dense layer with CLAPP's circuit, stimuli of 20 steps and one of learning. Lava and the emulator take
turns, so that a busy machine is busy for both; ratios are of steps per second (of all chips together, in
a batch) on one thread, and for the batch also on two; and of the processor time of a step, of all of Lava's
processes together, which does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numba
import numpy as np

from plastic.experiments.sweeps.averages import write_result
from plastic.hardware.chip.options import circuit_of
from plastic.hardware.compiler.options import Ranges
from plastic.hardware.compiler.quantiser import quantise
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.program.spec import Program
from plastic.models.network.layer import dense
from plastic.models.network.parameters import specification
from plastic.models.neuron.constants import SpikingStep
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


@dataclass
class LavaRun:
    """Steps per second from the end of the first stimulus, with which Lava starts, to that of the last one; processor
    time of all its processes, start and end included; weights in the end."""

    rate: float
    processor: float
    weights: list[Any]


def lava_run(one: Program, given: Given, stimuli: int) -> LavaRun:
    times, weights, before = [], [], processor_time()
    arrays = given.spikes[:stimuli, 0], given.fixation[:stimuli, 0], given.target[:stimuli, 0]
    for observed in run_fixed(one, *arrays, weights_every=0):
        times.append(time.perf_counter())
        weights = observed.weights
    lasted = max(times[-1] - times[0], 1e-9)
    return LavaRun((stimuli - 1) * (TIME_STEPS + 1) / lasted, processor_time() - before, weights)


def processor_time() -> float:
    """Of this process and of those that it started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def seconds(task: Callable[[], object]) -> tuple[float, float]:
    """By the clock and of the processor."""
    started, before = time.perf_counter(), processor_time()
    task()
    return time.perf_counter() - started, processor_time() - before


def compare(inputs: int, neurons: int, rule: str, stimuli: int, rounds: int) -> dict[str, Any]:
    one = program(inputs, neurons, rule)
    slow, single, many = Given(one, stimuli, 1), Given(one, 10 * stimuli, 1), Given(one, stimuli, CHIPS)
    numba.set_num_threads(1)
    emulate(one, Given(one, 1, 2))  # compiled
    same = emulate(one, slow).weights[0][0]
    steps, rows, processor = stimuli * (TIME_STEPS + 1), [], []
    for _ in range(rounds):
        start, lava = lava_run(one, slow, 1), lava_run(one, slow, stimuli)
        if not np.array_equal(lava.weights[0], same):
            raise SystemExit("Lava and the emulator differ: a comparison of their speed says nothing.")
        numba.set_num_threads(1)
        alone, batch = seconds(lambda: emulate(one, single)), seconds(lambda: emulate(one, many))
        numba.set_num_threads(min(2, cast(Any, numba.config).NUMBA_NUM_THREADS))
        cores = seconds(lambda: emulate(one, many))
        numba.set_num_threads(1)
        rows.append(
            {
                "lava": lava.rate,
                "one_chip": 10 * steps / alone[0],
                "batch_one_thread": CHIPS * steps / batch[0],
                "batch_two_threads": CHIPS * steps / cores[0],
            }
        )
        per_step = (lava.processor - start.processor) / (steps - TIME_STEPS - 1)
        processor.append(
            {
                "lava": per_step,
                "one_chip": per_step / (alone[1] / (10 * steps)),
                "batch_one_thread": per_step / (batch[1] / (CHIPS * steps)),
            }
        )

    def middle(values: list[float], digits: int = 1) -> float:
        return round(statistics.median(values), digits)

    names = [name for name in rows[0] if name != "lava"]
    return {
        "network": f"{inputs} → {neurons}",
        "chips": CHIPS,
        "steps_per_second": {name: middle([row[name] for row in rows], 0) for name in rows[0]},
        "times_as_fast": {name: middle([row[name] / row["lava"] for row in rows]) for name in names},
        "processor_ms_per_step_of_lava": middle([1000 * row["lava"] for row in processor], 3),
        "times_as_fast_in_processor_time": {
            name: middle([row[name] for row in processor]) for name in names if name in processor[0]
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rule", default="clapp")
    parser.add_argument("--stimuli", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
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
    write_result(given.out, f"python -m plastic.experiments.benchmarks.chip_speed {options}", result)


if __name__ == "__main__":
    main()

"""Small integer programs, and a comparison of the emulator with Lava's fixed point."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.program.circuit import Circuit, Kept, Modulated, Node
from plastic.hardware.program.spec import ChipLayer, Factor, Neurons, Plasticity, Program, Rounding, Term

WEIGHT = (Term((Factor("t"), Factor("y1", -64)), 3, -7),)
TAG = (Term((Factor("x1"), Factor("y2")), 3, -7), Term((Factor("t"), Factor("y3")), -1, -1))
SURROGATE = np.round(127 / (1 + np.arange(256) / 32) ** 2).astype(np.int32)


def two_layers(
    rounding: Rounding, bits: int = 8, period: int = 1, plasticity: Plasticity | None = None, exponent: int = 0,
    **constants: int,
) -> Program:  # fmt: skip
    """A tree of two positions and one above, modulated by how much activity changed, with the sign of fixation."""
    nodes: list[Node] = [Node("input", name="fixation")]
    for layer in (1, 2):
        at = len(nodes)
        nodes += [
            Node("input", name=f"activity{layer}"), Node("state", name=f"held{layer}"),
            Node("subtract", (at, at + 1)), Node("multiply", (at + 2, 0)),
        ]  # fmt: skip
    circuit = Circuit(tuple(nodes), (Modulated(4), Modulated(8)), (), (Kept("held1", 1), Kept("held2", 5)))
    generator = np.random.default_rng(5)
    rule = plasticity or Plasticity(WEIGHT, TAG, 12, 10, 3)
    given = {"current_decay": 4095, "membrane_decay": 410, "threshold": 50} | constants
    neurons = Neurons(**given, post_factor=SURROGATE, post_factor_shift=5)
    layers = [
        ChipLayer(
            positions, fan_in, size, generator.integers(-60, 90, (positions, size, fan_in)).astype(np.int16),
            exponent, bits, neurons, dataclasses.replace(rule, seed=seed), 100 * 16, 24,
        )
        for positions, fan_in, size, seed in ((2, 8, 12, 3), (1, 24, 10, 53))
    ]  # fmt: skip
    state = {"held1": np.zeros((1, 24), np.int64), "held2": np.zeros((1, 10), np.int64)}
    return Program(16, 4, 12, period, tuple(layers), circuit, state, rounding, "sim-3f", ({}, {}), {})


@dataclass
class Agreement:
    """What the emulator did, and where Lava did something else."""

    differing: list[tuple[int, str]] = field(default_factory=list)  # stimulus, what
    rates: list[float] = field(default_factory=list)  # spikes per step of each layer
    moved: list[float] = field(default_factory=list)  # fraction of the weights of each layer that changed
    largest_tag: int = 0
    smallest_tag: int = 0
    membranes: tuple[int, int] = (0, 0)  # the lowest and the highest before a reset
    weights: list[NDArray[np.int16]] = field(default_factory=list)  # in the end
    modulators: list[NDArray[np.int32]] = field(default_factory=list)


def stimuli(program: Program, count: int, seed: int = 1) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Random spikes, fixations and targets."""
    generator = np.random.default_rng(seed)
    spikes = (generator.random((count, program.time_steps, program.inputs)) < 0.3).astype(np.int32)
    target = np.eye(program.classes, dtype=np.int64)[generator.integers(0, program.classes, count)]
    return spikes, generator.choice([-1, 1], count), target


def compare(
    program: Program, spikes: NDArray[Any], fixation: NDArray[Any], target: NDArray[Any], seed: int = 0, every: int = 1
) -> Agreement:
    """Both on the same stimuli: spikes and modulators of every one, tags and weights of every `every`-th."""
    emulator, found = Emulator(program, [seed]), Agreement()
    first, rates = emulator.weights, []
    run = run_fixed(program, spikes, fixation, target, seed=seed, tags=True, weights_every=every)
    for stimulus, seen in enumerate(run):
        one = slice(stimulus, stimulus + 1)
        done = emulator.stimulus(spikes[one], True, fixation[one], target[one])
        tags = emulator.tags
        reached = np.concatenate([membrane.ravel() for membrane, _ in done.signals])
        found.membranes = min(found.membranes[0], int(reached.min())), max(found.membranes[1], int(reached.max()))
        found.smallest_tag = min(found.smallest_tag, *(int(tag.min()) for tag in tags))
        modulator = emulator.learn(done, fixation[one], target[one])
        found.modulators.append(modulator[0])
        found.largest_tag = max(found.largest_tag, *(int(tag.max()) for tag in tags))
        rates.append([layer.mean() for layer in done.spikes])
        pairs = [
            ("spikes", np.concatenate(done.spikes, axis=2)[0], seen.spikes),
            ("modulators", modulator[0], seen.modulators),
        ]
        pairs += [("tags", a[0], b) for a, b in zip(tags, seen.tags, strict=False)]
        pairs += [("weights", a[0], b) for a, b in zip(emulator.weights, seen.weights, strict=False)]
        found.differing += [(stimulus, name) for name, a, b in pairs if not np.array_equal(a, b)]
    found.weights = emulator.weights
    found.rates = [float(rate) for rate in np.mean(rates, axis=0)]
    found.moved = [float((a != b).mean()) for a, b in zip(first, emulator.weights, strict=True)]
    return found

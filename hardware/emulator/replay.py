"""What a chip's synapses did in every step of a stimulus: the emulator's steps once more, for the record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator.emulator import STREAMS, WEIGHT_SEED, Halves, Stream, decay_table, encode, kernels
from plastic.hardware.program.spec import MODULATOR_OFFSET, ChipLayer, Plasticity, Program

Whole = NDArray[np.int32]


def synapses(
    program: Program, layer: ChipLayer, plasticity: Plasticity, below: NDArray[np.uint8], post_factor: Whole,
    seed: int, steps: int,
) -> tuple[Whole, Whole]:  # fmt: skip
    """Presynaptic traces (time, positions, fan_in) and tags (time, positions, neurons, fan_in) after each step.

    below: spikes of the layer below (time, units); post_factor: y2 of this layer (time, units); seed: the chip's;
    steps: that it had run before the stimulus. Without a tag, tags are 0.
    """
    time, tagged = len(below), program.eligibility == "tag"
    x1 = np.zeros((time, layer.positions, layer.fan_in), np.int32)
    tags = np.zeros((time, layer.positions, layer.fan_in, layer.neurons), np.int32)
    counted = np.arange(1, time + 1) % program.learning_period == 0
    y2 = np.where(counted[:, None], post_factor, 0).astype(np.int32).reshape(time, layer.positions, layer.neurons)
    arriving = below.reshape(time, layer.positions, layer.fan_in)
    rounding = _numbers(program, WEIGHT_SEED, 1, steps, time)
    for position in range(layer.positions):
        random = _numbers(program, plasticity.seed + seed + STREAMS * position, 2, steps, time)
        _trace(x1[:, position], arriving[:, position], plasticity, random)
        if tagged:
            _tag(tags[:, position], x1[:, position], y2[:, position], plasticity, layer.weight_bits, rounding)
    return x1, tags.swapaxes(2, 3)


def _numbers(program: Program, seed: int, per_step: int, skipped: int, count: int) -> NDArray[np.int64]:
    stream = Halves() if program.rounding == "nearest" else Stream(seed, per_step, skipped)
    return stream.steps(count)


def _trace(course: Whole, arriving: NDArray[np.uint8], plasticity: Plasticity, random: NDArray[np.int64]) -> None:
    (table, threshold), x1 = decay_table(plasticity.trace_tau), np.zeros(course.shape[1], np.int32)
    for t in range(len(course)):
        kernels._trace(x1, arriving[t], plasticity.trace_impulse, table, threshold, random[t])
        course[t] = x1


def _tag(
    course: Whole, x1: Whole, y2: Whole, plasticity: Plasticity, bits: int, random: NDArray[np.int64]
) -> None:  # fmt: skip
    products, simple = encode(plasticity)
    fan_in, neurons = course.shape[1:]
    weight, tag, first, second = (np.zeros((fan_in, neurons), np.int32) for _ in range(4))
    y1, y3 = np.full(neurons, MODULATOR_OFFSET, np.int32), np.zeros(neurons, np.int32)
    coefficient = np.zeros((max(len(products), 1), neurons), np.int32)
    for t in range(len(course)):
        kernels._learn(
            weight, tag, x1[t], y1, y2[t], y3, products, simple, bits, random[t], coefficient, first, second
        )  # fmt: skip
        course[t] = tag

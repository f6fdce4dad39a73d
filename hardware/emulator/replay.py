"""What a chip's synapses did in every step of a stimulus: the emulator's steps once more, for the record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator import kernels
from plastic.hardware.emulator.emulator import STREAMS, WEIGHT_SEED, constants, stream
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
    time, given = len(below), constants(layer, plasticity, program)
    x1 = np.zeros((time, layer.positions, layer.fan_in), np.int32)
    tags = np.zeros((time, layer.positions, layer.fan_in, layer.neurons), np.int32)
    counted = np.arange(1, time + 1) % program.learning_period == 0
    y2 = np.where(counted[:, None], post_factor, 0).astype(np.int32).reshape(time, layer.positions, layer.neurons)
    arriving = below.reshape(time, layer.positions, layer.fan_in)
    rounding = stream(program, WEIGHT_SEED, 1, steps).steps(time)
    for position in range(layer.positions):
        random = stream(program, plasticity.seed + seed + STREAMS * position, 2, steps).steps(time)
        _traces(given, x1[:, position], arriving[:, position], random)
        if program.tagged:
            _tags(given, tags[:, position], x1[:, position], y2[:, position], rounding)
    return x1, tags.swapaxes(2, 3)


def _traces(layer: kernels.Layer, x1: Whole, arriving: NDArray[np.uint8], random: NDArray[np.int64]) -> None:
    """Fills x1 (time, fan_in)."""
    now = np.zeros(x1.shape[1], np.int32)
    for t in range(len(x1)):
        kernels._trace(layer, now, arriving[t], random[t])
        x1[t] = now


def _tags(layer: kernels.Layer, tags: Whole, x1: Whole, y2: Whole, random: NDArray[np.int64]) -> None:
    """Fills tags (time, fan_in, neurons)."""
    weight, now = np.zeros(tags.shape[1:], np.int32), np.zeros(tags.shape[1:], np.int32)
    y1, y3 = np.full(weight.shape[1], MODULATOR_OFFSET, np.int32), np.zeros(weight.shape[1], np.int32)
    workspace = kernels._workspace(layer, *weight.shape)
    for t in range(len(tags)):
        own, graded = kernels.Synapses(weight, now, x1[t]), kernels.Graded(y1, y2[t], y3)
        kernels._learn(layer, own, graded, random[t], workspace, layer.fast_product)
        tags[t] = now

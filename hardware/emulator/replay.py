"""What a chip's synapses did in every step of a stimulus: the emulator's steps once more, for the record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator import kernels
from plastic.hardware.emulator.emulator import STREAMS, WEIGHT_SEED, constants, stream
from plastic.hardware.program.spec import ChipLayer, Plasticity, Program

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
        kernels.replay_trace(given, x1[:, position], arriving[:, position], random)
        if program.tagged:
            kernels.replay_tag(given, tags[:, position], x1[:, position], y2[:, position], rounding)
    return x1, tags.swapaxes(2, 3)

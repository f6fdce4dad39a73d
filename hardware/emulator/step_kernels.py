"""The inner loops of the emulator one step at a time, for circuits that answer the spikes of every step within it.

The same arithmetic as plastic.hardware.emulator.kernels, whose parts these are.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from plastic.hardware.emulator.kernels import (
    NOT_FAST,
    Graded,
    Neurons,
    _integrate,
    _learn,
    _level,
    _of_position,
    _synaptic_input,
    _trace,
    _workspace,
)
from plastic.hardware.program.spec import MODULATOR_OFFSET


@njit(cache=True, parallel=True)
def fire(layer, neurons):
    """Neurons of one layer in one step, on many chips: all arrays (chips, units)."""
    for chip in prange(len(neurons.u)):
        _integrate(
            layer,
            Neurons(
                neurons.input[chip], neurons.u[chip], neurons.v[chip], neurons.spikes[chip], neurons.post_factor[chip],
                neurons.membrane[chip],
            ),
        )  # fmt: skip


@njit(cache=True, parallel=True)
def adapt(layer, synapses, neurons, below, random, modulator, counted):
    """Synapses of one layer in the same step: the neurons' input in the next one, then weights change.

    below: spikes of the layer below (chips, units); random: of this step; modulator: (chips, units), of this step, or
    where there is a tag of the step before; counted: whether post factors count in this step. Without random numbers
    nothing is learned.
    """
    _, positions, fan_in, size = synapses.weight.shape
    learns = random.trace.size > 0
    for number in prange(len(below) * positions):
        chip, position = number // positions, number % positions
        units = slice(position * size, (position + 1) * size)
        own = _of_position(synapses, chip, position)
        arriving = below[chip, position * fan_in : (position + 1) * fan_in]
        _synaptic_input(own.weight, arriving, layer.weight_exponent, neurons.input[chip, units])
        if learns:
            _trace(layer, own.x1, arriving, random.trace[chip, position])
            _change(layer, own, neurons.post_factor[chip, units], random.weight, modulator[chip, units], counted)


@njit(cache=True)
def _change(layer, synapses, post_factor, random, modulator, counted):
    """Weights and tags of one position."""
    fan_in, size = synapses.weight.shape
    y1, y2, y3 = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size, np.int32)
    for i in range(size):
        if layer.tagged:
            y1[i] = MODULATOR_OFFSET + modulator[i]
            y2[i] = post_factor[i] if counted else 0
        else:
            y2[i] = MODULATOR_OFFSET + 2 * (_level(modulator[i], post_factor[i]) if counted else 0)
    _learn(layer, synapses, Graded(y1, y2, y3), random, _workspace(layer, fan_in, size), NOT_FAST)

"""The inner loops of the emulator one step at a time, for circuits that answer the spikes of every step within it.

The same arithmetic as plastic.hardware.emulator.kernels, whose parts these are.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from plastic.hardware.emulator.kernels import (
    INPUT,
    NOT_FAST,
    POST_FACTOR,
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
def fire(layers, neurons, spikes):
    """Neurons of one layer (chips, rows, units) in one step, on many chips: their spikes (chips, units)."""
    for chip in prange(len(spikes)):
        _integrate(layers[0], neurons[chip], spikes[chip])


@njit(cache=True, parallel=True)
def adapt(layers, synapses, neurons, below, trace_random, weight_random, modulator, counted):
    """Synapses of one layer in the same step: the neurons' input in the next one, then weights change.

    below: spikes of the layer below (chips, units); trace_random: (chips, positions), empty where nothing is learned;
    modulator: (chips, units), of this step, or where there is a tag of the step before; counted: whether post factors
    count in this step.
    """
    _, positions, fan_in, size = synapses[0].shape
    for number in prange(len(below) * positions):
        chip, position = number // positions, number % positions
        units = slice(position * size, (position + 1) * size)
        own = _of_position(synapses, chip, position)
        weight, _, x1 = own
        arriving = below[chip, position * fan_in : (position + 1) * fan_in]
        _synaptic_input(weight, arriving, layers[0].weight_exponent, neurons[chip, INPUT, units])
        if trace_random.size > 0:
            _trace(layers[0], x1, arriving, trace_random[chip, position])
            _change(
                layers[0], own, neurons[chip, POST_FACTOR, units], weight_random, modulator[chip, units], counted
            )  # fmt: skip


@njit(cache=True)
def _change(layer, synapses, post_factor, random, modulator, counted):
    """Weights and tags of one position."""
    y = np.zeros((3, len(modulator)), np.int32)
    for i in range(len(modulator)):
        y2 = post_factor[i] if counted else 0
        if layer.tagged:
            y[0, i], y[1, i] = MODULATOR_OFFSET + modulator[i], y2
        else:
            y[1, i] = MODULATOR_OFFSET + 2 * _level(modulator[i], y2)
    _learn(layer, synapses, y, random, _workspace(layer, synapses), NOT_FAST)

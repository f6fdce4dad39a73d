"""The inner loops of the emulator one step at a time, for circuits that answer the spikes of every step within it.

The same arithmetic as plastic.hardware.emulator.kernels, whose parts these are.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from plastic.hardware.emulator.kernels import _learn, _level, _neurons, _synaptic_input, _trace
from plastic.hardware.program.spec import MODULATOR_OFFSET


@njit(cache=True, parallel=True)
def fire(current, u, v, spikes, y2, constants, post_factor, before):
    """Neurons of one layer in one step, on many chips; all arrays (chips, units), of which u, v, spikes, post
    factors y2 and membranes before the reset are filled."""
    for chip in prange(len(u)):
        _neurons(current[chip], u[chip], v[chip], spikes[chip], y2[chip], constants, post_factor, before[chip])


@njit(cache=True, parallel=True)
def adapt(
    below, current, exponent, learns, counted, weight, tag, x1, impulse, products, bits, decay, x_random, w_random, y2,
    told, early,
):  # fmt: skip
    """Synapses of one layer in the same step: `current` for the next one, then weights change by what is told.

    below: spikes of the layer below (chips, units); told: modulators (chips, units), of this step, or where there is a
    tag (not early) of the step before; counted: whether post factors y2 count in this step; the others: see
    plastic.hardware.emulator.kernels.respond, randoms of this step.
    """
    _, positions, fan_in, neurons = weight.shape
    for number in prange(len(below) * positions):
        chip, position = number // positions, number % positions
        units = slice(position * neurons, (position + 1) * neurons)
        arriving = below[chip, position * fan_in : (position + 1) * fan_in]
        _synaptic_input(weight[chip, position], arriving, exponent, current[chip, units])
        if not learns:
            continue
        _trace(x1[chip, position], arriving, impulse, decay[0], decay[1], x_random[chip, position])
        coefficient = np.zeros((max(len(products), 1), neurons), np.int32)
        first, second = np.zeros((fan_in, neurons), np.int32), np.zeros((fan_in, neurons), np.int32)
        y1, y2_sent, y3 = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
        post, modulator = y2[chip, units], told[chip, units]
        for i in range(neurons):
            if early:
                y2_sent[i] = MODULATOR_OFFSET + 2 * (_level(modulator[i], post[i]) if counted else 0)
            else:
                y1[i] = MODULATOR_OFFSET + modulator[i]
                y2_sent[i] = post[i] if counted else 0
        _learn(
            weight[chip, position], tag[chip, position], x1[chip, position], y1, y2_sent, y3, products, -1, bits,
            w_random, coefficient, first, second,
        )  # fmt: skip

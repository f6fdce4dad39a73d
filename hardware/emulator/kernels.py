"""The inner loops of the emulator, compiled by numba: integers of 32 and 64 bits, nothing else.

Weights and tags are kept (fan_in, neurons): what a spike adds is one row, and rows are what the
processor's vector units work on. Rounding: a number with `bits` bits after the point goes up where
its fraction exceeds the step's random number r in [0, 1), which for integers is
(number + 2^bits − 1 − ⌊r · 2^bits⌋) >> bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from plastic.hardware.program.spec import (
    ACCUMULATOR_BITS,
    CLEAR,
    EARLY_LEVELS,
    EARLY_SHIFT,
    MEMBRANE_SHIFT,
    MODULATOR_OFFSET,
    TAG_MAX,
    TAG_MIN,
    TRACE_MAX,
    VARIABLE_SHIFT,
    WEIGHT_BITS,
    WEIGHT_MAX,
    WEIGHT_MIN,
)

LOW, HIGH = -(2**ACCUMULATOR_BITS) - 1, 2**ACCUMULATOR_BITS - 1  # of a product and of an accumulator
DECAY_BITS, MEMBRANE_LIMIT = 12, 2**23
X1, TAG, WEIGHT = 1, 2, 4  # which factors of a product are not the neuron's own

# columns of a product: what it changes, its factors X1 | TAG | WEIGHT, constants added
# to x1 and to tag or weight, mantissa, shift right, shift left; then for y1, y2, y3: whether, constant; unused
PRODUCT_FIELDS = 14
TO_WEIGHT, TO_TAG = 0, 1


@njit(cache=True, inline="always")
def _decay(value, table, threshold, random):
    """A trace one step later; the table has what remains of 0 … 127, the threshold when it is one more."""
    return table[value] + (1 if random < threshold[value] else 0)


@njit(cache=True)
def _neurons(current, u, v, spike, y2, constants, post_factor, before):
    """One step of the neurons of one position: spikes; membranes before the reset, and their post factors."""
    keep_u, keep_v = 4095 - constants[0], 4096 - constants[1]
    threshold, shift, last = constants[2] << MEMBRANE_SHIFT, constants[3], len(post_factor) - 1
    for i in range(len(v)):
        decayed = np.int64(u[i]) * keep_u
        decayed = (abs(decayed) >> DECAY_BITS) * (1 if decayed > 0 else -1)
        now = decayed + (np.int64(current[i]) << MEMBRANE_SHIFT)
        if now > MEMBRANE_LIMIT:
            now -= 2 * MEMBRANE_LIMIT
        elif now <= -MEMBRANE_LIMIT:
            now += 2 * MEMBRANE_LIMIT
        u[i] = now
        decayed = np.int64(v[i]) * keep_v
        decayed = (abs(decayed) >> DECAY_BITS) * (1 if decayed > 0 else -1)
        membrane = min(max(decayed + now, -MEMBRANE_LIMIT + 1), MEMBRANE_LIMIT - 1)
        y2[i] = post_factor[min(abs(membrane - threshold) >> shift, last)]
        spike[i] = 1 if membrane > threshold else 0
        before[i] = membrane
        v[i] = 0 if membrane > threshold else membrane


@njit(cache=True)
def _synaptic_input(weight, arriving, exponent, current):
    """Σ_j W_ij s_j · 2^exponent, which the neurons get in the next step."""
    current[:] = 0
    for j in range(len(arriving)):
        if arriving[j]:
            for i in range(len(current)):
                current[i] += weight[j, i]
    for i in range(len(current)):
        current[i] = current[i] << exponent if exponent >= 0 else current[i] >> -exponent


@njit(cache=True)
def _coefficients(products, y1, y2, y3, coefficient):
    """Per product and neuron: mantissa times the neuron's own factors, each clipped to 8 bits. Any at all?"""
    found = np.zeros(len(products), np.bool_)
    for k in range(len(products)):
        p = products[k]
        for i in range(len(y1)):
            value = np.int32(p[4])
            if p[7]:
                value *= min(max(y1[i] + p[8], -128), 127)
            if p[9]:
                value *= min(max(y2[i] + p[10], -128), 127)
            if p[11]:
                value *= min(max(y3[i] + p[12], -128), 127)
            coefficient[k, i] = value
            if value != 0:
                found[k] = True
    return found


@njit(cache=True)
def _eligibility(tag, x1, coefficient, right, left, up):
    """tag += x1 · coefficient, the usual step: only products that cannot leave the accumulator's range."""
    for j in range(len(x1)):
        x = x1[j]
        if x:
            row = tag[j]
            for i in range(len(row)):
                added = min(((x * coefficient[i]) >> right) << left, HIGH)
                value = (min((row[i] << VARIABLE_SHIFT) + added, HIGH) + up) >> VARIABLE_SHIFT
                row[i] = min(value, TAG_MAX)


@njit(cache=True)
def _change(variable, weight, tag, x1, products, coefficient, use, target):
    """A weight or tag row by row: all products that change it, into an accumulator each, clipped after each.

    Fills `variable` (fan_in, neurons) with accumulators, 7 bits after the point.
    """
    for k in range(len(products)):
        p = products[k]
        if p[0] != target or not use[k]:
            continue
        right, left = p[5], p[6]
        for j in range(len(x1)):
            x = min(max(x1[j] + p[2], -128), 127) if p[1] & X1 else 1
            for i in range(variable.shape[1]):
                value = coefficient[k, i] * x
                if p[1] & TAG:
                    value *= min(max(tag[j, i] + p[3], -512), 511)
                if p[1] & WEIGHT:
                    value *= min(max(weight[j, i] + p[3], -512), 511)
                value = min(max((value >> right) << left, LOW), HIGH)
                variable[j, i] = min(max(variable[j, i] + value, LOW), HIGH)


@njit(cache=True)
def _learn(weight, tag, x1, y1, y2, y3, products, simple, bits, random, coefficient, first, second):
    """One step of the learning engine for the synapses of one position.

    `simple` is the product that alone may take the fast way, or −1; `random` has 53 bits; the last three
    are memory to work in.
    """
    use = _coefficients(products, y1, y2, y3, coefficient)
    up = np.int32((1 << VARIABLE_SHIFT) - 1 - (random >> (53 - VARIABLE_SHIFT)))
    if simple >= 0:
        alone = use[simple]
        for k in range(len(products)):
            if k != simple and use[k]:
                alone = False
        if alone:
            p = products[simple]
            _eligibility(tag, x1, coefficient[simple], p[5], p[6], up)
            return
    to_weight = to_tag = False
    for k in range(len(products)):
        to_weight |= use[k] and products[k, 0] == TO_WEIGHT
        to_tag |= use[k] and products[k, 0] == TO_TAG
    if to_weight:
        first[:] = weight << VARIABLE_SHIFT
        _change(first, weight, tag, x1, products, coefficient, use, TO_WEIGHT)
    if to_tag:
        second[:] = tag << VARIABLE_SHIFT
        _change(second, weight, tag, x1, products, coefficient, use, TO_TAG)
    if to_weight:
        coarse = WEIGHT_BITS - bits  # weights are multiples of 2^coarse
        down = VARIABLE_SHIFT + coarse
        more = np.int32((1 << down) - 1 - (random >> (53 - down)))
        for j in range(len(x1)):
            for i in range(weight.shape[1]):
                value = ((first[j, i] + more) >> down) << coarse
                weight[j, i] = (min(max(value, WEIGHT_MIN), WEIGHT_MAX) >> coarse) << coarse
    if to_tag:
        for j in range(len(x1)):
            for i in range(weight.shape[1]):
                tag[j, i] = min(max((second[j, i] + up) >> VARIABLE_SHIFT, TAG_MIN), TAG_MAX)


@njit(cache=True, inline="always")
def _level(modulator, post_factor):
    """m_i ψ_i, −31 … 31, to the nearest."""
    level = (np.int64(modulator) * post_factor + (1 << (EARLY_SHIFT - 1))) >> EARLY_SHIFT
    return min(max(level, -EARLY_LEVELS), EARLY_LEVELS)


@njit(cache=True)
def _trace(x1, arriving, impulse, table, threshold, random):
    """x1 decays, and a spike of this step enters at once."""
    for j in range(len(x1)):
        value = _decay(x1[j], table, threshold, random)
        x1[j] = min(value + impulse, TRACE_MAX) if arriving[j] else value


@njit(cache=True, parallel=True)
def respond(
    below, spikes, which, learns, period, weight, tag, x1, constants, post_factor, impulse, products, simple, bits,
    decay, x_random, w_random, looks, seen, early, told,
):  # fmt: skip
    """One layer through all steps of a stimulus, from rest, on many chips.

    below: spikes of the layer below (chips, time, units) as 0 and 1; spikes: of this layer, filled;
    which: whose weights each chip has; weight, tag: (chips, positions, fan_in, neurons); x1: (chips,
    positions, fan_in), left as it is in the end; decay: (2, 128), what remains of a trace and its
    threshold; randoms of 53 bits: (chips, positions, time), and (time,) for weights and tags; looks:
    whether `seen` is filled, with membranes before the reset and post factors, (2, chips, time, units);
    early: no tag, modulators are told before, (chips, units).
    """
    _, positions, fan_in, neurons = weight.shape
    for number in prange(len(spikes) * positions):
        chip, position = number // positions, number % positions
        own = which[chip]
        units = slice(position * neurons, (position + 1) * neurons)
        inputs = slice(position * fan_in, (position + 1) * fan_in)
        _course(
            below[chip, :, inputs], spikes[chip, :, units], learns, period, weight[own, position],
            tag[own, position], x1[own, position], constants, post_factor, impulse, products, simple, bits, decay,
            x_random[own, position], w_random, looks, seen[:, chip if looks else 0, :, units], early,
            told[own if early and learns else 0, units],
        )  # fmt: skip


@njit(cache=True)
def _course(
    below, spikes, learns, period, weight, tag, x1, constants, post_factor, impulse, products, simple, bits, decay,
    x_random, w_random, looks, seen, early, told,
):  # fmt: skip
    """One position of a layer through all steps of a stimulus."""
    fan_in, neurons = weight.shape
    u, v, y2 = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
    y1, y3 = np.full(neurons, MODULATOR_OFFSET, np.int32), np.zeros(neurons, np.int32)
    current, before = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
    coefficient = np.zeros((max(len(products), 1), neurons), np.int32)
    first, second = np.zeros((fan_in, neurons), np.int32), np.zeros((fan_in, neurons), np.int32)
    for time in range(len(below)):
        _neurons(current, u, v, spikes[time], y2, constants, post_factor, before)
        if looks:
            seen[0, time], seen[1, time] = before, y2
        _synaptic_input(weight, below[time], constants[4], current)
        if not learns:
            continue
        _trace(x1, below[time], impulse, decay[0], decay[1], x_random[time])
        counted = (time + 1) % period == 0
        for i in range(neurons):
            if not counted:
                y2[i] = 0
            if early:
                y2[i] = MODULATOR_OFFSET + 2 * _level(told[i], y2[i])
        _learn(weight, tag, x1, y1, y2, y3, products, simple, bits, w_random[time], coefficient, first, second)


@njit(cache=True, parallel=True)
def conclude(modulator, weight, tag, x1, products, bits, decay, x_random, w_random, early):
    """The step after a stimulus, of one layer: modulators (chips, units) arrive, weights change, tags are cleared."""
    _, positions, fan_in, neurons = weight.shape
    for number in prange(len(modulator) * positions):
        chip, position = number // positions, number % positions
        coefficient = np.zeros((max(len(products), 1), neurons), np.int32)
        first, second = np.zeros((fan_in, neurons), np.int32), np.zeros((fan_in, neurons), np.int32)
        y1, y2, y3 = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
        own = x1[chip, position]
        for j in range(fan_in):
            own[j] = _decay(own[j], decay[0], decay[1], x_random[chip, position])
        for i in range(neurons):
            y1[i] = MODULATOR_OFFSET + modulator[chip, position * neurons + i]
        if early:
            y2[:] = MODULATOR_OFFSET
        else:
            y3[:] = CLEAR
        _learn(
            weight[chip, position], tag[chip, position], own, y1, y2, y3, products, -1, bits, w_random, coefficient,
            first, second,
        )  # fmt: skip

"""The inner loops of the emulator, compiled by numba: integers of 32 and 64 bits, nothing else.

Weights and tags are kept (fan_in, neurons): what a spike adds is one row, and rows are what the
processor's vector units work on. Rounding: a number with `bits` bits after the point goes up where
its fraction exceeds the step's random number r in [0, 1), which for integers is
(number + 2^bits − 1 − ⌊r · 2^bits⌋) >> bits. Such an r is here a whole number of 53 bits.

Constants of a layer are a record (LAYER), the state of its neurons one array, of its synapses a tuple of three (named
tuples are slow to hand over, and a cache of numba's that knows one by an old name cannot be read). Bodies of parallel
loops only call: what filled arrays there and put them into tuples, numba 0.68 compiled to something else.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from plastic.hardware.program.spec import (
    ACCUMULATOR_BITS,
    CLEAR,
    MEMBRANE_SHIFT,
    MODULATOR_OFFSET,
    POST_FACTORS,
    PRODUCTS,
    TAG_MAX,
    TAG_MIN,
    TRACE_MAX,
    UNTAGGED_LEVELS,
    UNTAGGED_SHIFT,
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
NOT_FAST = -1
LAYER = np.dtype(  # constants of a layer, the same on all chips
    [
        ("current_decay", np.int64), ("membrane_decay", np.int64), ("threshold", np.int64),
        ("post_factor", np.int32, (POST_FACTORS,)),  # the last entry again where there are fewer
        ("post_factor_shift", np.int64), ("weight_exponent", np.int64), ("weight_bits", np.int64),
        ("trace_impulse", np.int64),
        ("trace_decay", np.int64, (2, TRACE_MAX + 1)),  # what remains of a trace; below which random number one more
        ("products", np.int32, (PRODUCTS, PRODUCT_FIELDS)), ("product_count", np.int64),
        ("fast_product", np.int64),  # the one that alone may take the fast way, or NOT_FAST
        ("learning_period", np.int64),
        ("tagged", np.bool_),  # if not, modulators are part of y2 and change weights at once
    ]
)  # fmt: skip
INPUT, U, V, MEMBRANE, POST_FACTOR = range(5)  # rows of neurons: synaptic input, current, membrane, that before the
# reset, and post factor
Whole = NDArray[np.int32]
Synapses = tuple[Whole, Whole, Whole]  # weights and tags (…, fan_in, neurons) and presynaptic traces x1 (…, fan_in)


@njit(cache=True, inline="always")
def _decay(value, table, threshold, random):
    """A trace one step later; the table has what remains of 0 … 127, the threshold when it is one more."""
    return table[value] + (1 if random < threshold[value] else 0)


@njit(cache=True)
def _integrate(layer, neurons, spikes):
    """One step of the neurons (rows, neurons) of one position: their spikes."""
    keep_u, keep_v, last = 4095 - layer.current_decay, 4096 - layer.membrane_decay, POST_FACTORS - 1
    threshold, shift, table = layer.threshold << MEMBRANE_SHIFT, layer.post_factor_shift, layer.post_factor
    current, u, v, before, y2 = neurons[INPUT], neurons[U], neurons[V], neurons[MEMBRANE], neurons[POST_FACTOR]
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
        y2[i] = table[min(abs(membrane - threshold) >> shift, last)]
        spikes[i] = 1 if membrane > threshold else 0
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
def _coefficients(products, y, coefficient):
    """Per product and neuron: mantissa times the neuron's own factors y1, y2, y3, of 8 bits each. Any at all?"""
    y1, y2, y3 = y[0], y[1], y[2]
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
def _learn(layer, synapses, y, random, workspace, fast):
    """One step of the learning engine for the synapses of one position.

    y: y1, y2 and y3 of its neurons; random: of 53 bits; fast: as fast_product of a layer; workspace: from _workspace.
    """
    products, (coefficient, first, second) = layer.products[: layer.product_count], workspace
    weight, tag, x1 = synapses
    use = _coefficients(products, y, coefficient)
    up = np.int32((1 << VARIABLE_SHIFT) - 1 - (random >> (53 - VARIABLE_SHIFT)))
    if fast >= 0:
        alone = use[fast]
        for k in range(len(products)):
            if k != fast and use[k]:
                alone = False
        if alone:
            p = products[fast]
            _eligibility(tag, x1, coefficient[fast], p[5], p[6], up)
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
        coarse = WEIGHT_BITS - layer.weight_bits  # weights are multiples of 2^coarse
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
    level = (np.int64(modulator) * post_factor + (1 << (UNTAGGED_SHIFT - 1))) >> UNTAGGED_SHIFT
    return min(max(level, -UNTAGGED_LEVELS), UNTAGGED_LEVELS)


@njit(cache=True)
def _trace(layer, x1, arriving, random):
    """x1 decays, and a spike of this step enters at once."""
    table, threshold, impulse = layer.trace_decay[0], layer.trace_decay[1], layer.trace_impulse
    for j in range(len(x1)):
        value = _decay(x1[j], table, threshold, random)
        x1[j] = min(value + impulse, TRACE_MAX) if arriving[j] else value


@njit(cache=True)
def _workspace(layer, synapses):
    """Memory to work in: (products, neurons), and twice (fan_in, neurons)."""
    fan_in, neurons = synapses[0].shape
    coefficient = np.zeros((max(layer.product_count, 1), neurons), np.int32)
    return coefficient, np.zeros((fan_in, neurons), np.int32), np.zeros((fan_in, neurons), np.int32)


@njit(cache=True)
def _of_position(synapses, chip, position):
    weight, tag, x1 = synapses
    return weight[chip, position], tag[chip, position], x1[chip, position]


@njit(cache=True)
def replay_trace(layers, x1, arriving, random):
    """Presynaptic traces of one position, filled: (time, fan_in), from rest; see `respond`."""
    now = np.zeros(x1.shape[1], np.int32)
    for time in range(len(x1)):
        _trace(layers[0], now, arriving[time], random[time])
        x1[time] = now


@njit(cache=True)
def replay_tag(layers, tags, x1, post_factor, random):
    """Tags of one position that learns in every step, filled: (time, fan_in, neurons), from zero; see `respond`."""
    now, y = np.zeros(tags.shape[1:], np.int32), np.zeros((3, tags.shape[2]), np.int32)
    y[0] = MODULATOR_OFFSET
    weight = np.zeros_like(now)
    workspace = _workspace(layers[0], (weight, now, x1[0]))
    for time in range(len(tags)):
        y[1] = post_factor[time]
        _learn(layers[0], (weight, now, x1[time]), y, random[time], workspace, layers[0].fast_product)
        tags[time] = now


@njit(cache=True, parallel=True)
def respond(layers, synapses, which, below, spikes, trace_random, weight_random, modulator, signals):
    """One layer through all steps of a stimulus, from rest, on many chips.

    layers: its constants, an array of one LAYER; which: whose synapses each chip has; below: spikes of the layer below
    (chips, time, units) as 0 and 1; spikes: of this layer, filled; trace_random: (chips, positions, time) and
    weight_random: (time,), or no time where nothing is learned; modulator: without a tag, known before the stimulus
    (chips, units); signals: filled where they have a time, with membranes before the reset and post factors,
    (2, chips, time, units).
    """
    _, positions, fan_in, neurons = synapses[0].shape
    learns, records = len(weight_random) > 0, signals.shape[2] > 0
    for number in prange(len(spikes) * positions):
        chip, position = number // positions, number % positions
        own = which[chip]
        units = slice(position * neurons, (position + 1) * neurons)
        inputs = slice(position * fan_in, (position + 1) * fan_in)
        _respond(
            layers[0], _of_position(synapses, own, position), below[chip, :, inputs], spikes[chip, :, units],
            trace_random[own if learns else 0, position if learns else 0], weight_random,
            modulator[own if learns and not layers[0].tagged else 0, units],
            signals[:, chip if records else 0, :, units],
        )  # fmt: skip


@njit(cache=True)
def _respond(layer, synapses, below, spikes, trace_random, weight_random, modulator, signals):
    """One position of a layer through all steps of a stimulus."""
    weight, _, x1 = synapses
    count = weight.shape[1]
    learns, records, tagged = len(weight_random) > 0, signals.shape[1] > 0, layer.tagged
    neurons, y, workspace = np.zeros((5, count), np.int32), np.zeros((3, count), np.int32), _workspace(layer, synapses)
    y[0] = MODULATOR_OFFSET
    for time in range(len(below)):
        _integrate(layer, neurons, spikes[time])
        if records:
            signals[0, time], signals[1, time] = neurons[MEMBRANE], neurons[POST_FACTOR]
        _synaptic_input(weight, below[time], layer.weight_exponent, neurons[INPUT])
        if not learns:
            continue
        _trace(layer, x1, below[time], trace_random[time])
        counted = (time + 1) % layer.learning_period == 0
        for i in range(count):
            y2 = neurons[POST_FACTOR, i] if counted else 0
            y[1, i] = y2 if tagged else MODULATOR_OFFSET + 2 * _level(modulator[i], y2)
        _learn(layer, synapses, y, weight_random[time], workspace, layer.fast_product)


@njit(cache=True, parallel=True)
def conclude(layers, synapses, trace_random, weight_random, modulator):
    """The step after a stimulus, of one layer: modulators (chips, units) arrive, weights change, tags are cleared."""
    _, positions, _, neurons = synapses[0].shape
    for number in prange(len(modulator) * positions):
        chip, position = number // positions, number % positions
        units = slice(position * neurons, (position + 1) * neurons)
        own = _of_position(synapses, chip, position)
        _conclude(layers[0], own, trace_random[chip, position], weight_random, modulator[chip, units])


@njit(cache=True)
def _conclude(layer, synapses, trace_random, weight_random, modulator):
    """One position of a layer."""
    x1, y = synapses[2], np.zeros((3, len(modulator)), np.int32)
    for j in range(len(x1)):
        x1[j] = _decay(x1[j], layer.trace_decay[0], layer.trace_decay[1], trace_random)
    for i in range(len(modulator)):
        y[0, i] = MODULATOR_OFFSET + modulator[i]
        y[1, i] = 0 if layer.tagged else MODULATOR_OFFSET
        y[2, i] = CLEAR if layer.tagged else 0
    _learn(layer, synapses, y, weight_random, _workspace(layer, synapses), NOT_FAST)

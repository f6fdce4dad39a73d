"""The inner loops of the emulator, compiled by numba: integers of 32 and 64 bits, nothing else.

Weights and tags are kept (fan_in, neurons): what a spike adds is one row, and rows are what the
processor's vector units work on. Rounding: a number with `bits` bits after the point goes up where
its fraction exceeds the step's random number r in [0, 1), which for integers is
(number + 2^bits − 1 − ⌊r · 2^bits⌋) >> bits. Such an r is here a whole number of 53 bits.

What belongs together goes in and out of the loops as one tuple (`Layer`, `Synapses`, …), whose arrays are
filled in place. Bodies of parallel loops only call: numba drops what fills an array there that leaves in a tuple.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from plastic.hardware.program.spec import (
    ACCUMULATOR_BITS,
    CLEAR,
    MEMBRANE_SHIFT,
    MODULATOR_OFFSET,
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

Whole = NDArray[np.int32]


class Layer(NamedTuple):
    """Constants of a layer, the same on all chips."""

    current_decay: int
    membrane_decay: int
    threshold: int
    post_factor: Whole
    post_factor_shift: int
    weight_exponent: int
    weight_bits: int
    trace_impulse: int
    trace_decay: NDArray[np.int64]  # (2, 128): what remains of a trace, and below which random number it is one more
    products: Whole  # (products, PRODUCT_FIELDS)
    fast_product: int  # the one that alone may take the fast way, or NOT_FAST
    learning_period: int
    tagged: bool  # if not, modulators are part of y2 and change weights at once


class Synapses(NamedTuple):
    """Weights and tags (…, fan_in, neurons) and presynaptic traces (…, fan_in)."""

    weight: Whole
    tag: Whole
    x1: Whole


class Neurons(NamedTuple):
    """Synaptic input, current u, membrane v, spikes, post factors and membranes before the reset: (…, neurons)."""

    input: Whole
    u: Whole
    v: Whole
    spikes: NDArray[np.uint8]
    post_factor: Whole
    membrane: Whole


class Graded(NamedTuple):
    """What the neurons send to the learning engine in a step: (neurons,)."""

    y1: Whole
    y2: Whole
    y3: Whole


class Random(NamedTuple):
    """For traces (chips, positions, …) and for weights and tags (…), where … are the steps, if several."""

    trace: NDArray[np.int64]
    weight: Any


class Workspace(NamedTuple):
    """Memory to work in: (products, neurons) and twice (fan_in, neurons)."""

    coefficient: Whole
    weight: Whole
    tag: Whole


@njit(cache=True, inline="always")
def _decay(value, table, threshold, random):
    """A trace one step later; the table has what remains of 0 … 127, the threshold when it is one more."""
    return table[value] + (1 if random < threshold[value] else 0)


@njit(cache=True)
def _integrate(layer, neurons):
    """One step of the neurons of one position."""
    keep_u, keep_v, last = 4095 - layer.current_decay, 4096 - layer.membrane_decay, len(layer.post_factor) - 1
    threshold, shift, post_factor = layer.threshold << MEMBRANE_SHIFT, layer.post_factor_shift, layer.post_factor
    u, v = neurons.u, neurons.v
    for i in range(len(v)):
        decayed = np.int64(u[i]) * keep_u
        decayed = (abs(decayed) >> DECAY_BITS) * (1 if decayed > 0 else -1)
        now = decayed + (np.int64(neurons.input[i]) << MEMBRANE_SHIFT)
        if now > MEMBRANE_LIMIT:
            now -= 2 * MEMBRANE_LIMIT
        elif now <= -MEMBRANE_LIMIT:
            now += 2 * MEMBRANE_LIMIT
        u[i] = now
        decayed = np.int64(v[i]) * keep_v
        decayed = (abs(decayed) >> DECAY_BITS) * (1 if decayed > 0 else -1)
        membrane = min(max(decayed + now, -MEMBRANE_LIMIT + 1), MEMBRANE_LIMIT - 1)
        neurons.post_factor[i] = post_factor[min(abs(membrane - threshold) >> shift, last)]
        neurons.spikes[i] = 1 if membrane > threshold else 0
        neurons.membrane[i] = membrane
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
def _coefficients(products, graded, coefficient):
    """Per product and neuron: mantissa times the neuron's own factors, each clipped to 8 bits. Any at all?"""
    y1, y2, y3 = graded
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
def _change(variable, synapses, products, coefficient, use, target):
    """A weight or tag row by row: all products that change it, into an accumulator each, clipped after each.

    Fills `variable` (fan_in, neurons) with accumulators, 7 bits after the point.
    """
    weight, tag, x1 = synapses
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
def _learn(layer, synapses, graded, random, workspace, fast):
    """One step of the learning engine for the synapses of one position; fast: see Layer.fast_product."""
    products, coefficient = layer.products, workspace.coefficient
    weight, tag, x1 = synapses
    use = _coefficients(products, graded, coefficient)
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
        workspace.weight[:] = weight << VARIABLE_SHIFT
        _change(workspace.weight, synapses, products, coefficient, use, TO_WEIGHT)
    if to_tag:
        workspace.tag[:] = tag << VARIABLE_SHIFT
        _change(workspace.tag, synapses, products, coefficient, use, TO_TAG)
    if to_weight:
        coarse = WEIGHT_BITS - layer.weight_bits  # weights are multiples of 2^coarse
        down = VARIABLE_SHIFT + coarse
        more = np.int32((1 << down) - 1 - (random >> (53 - down)))
        for j in range(len(x1)):
            for i in range(weight.shape[1]):
                value = ((workspace.weight[j, i] + more) >> down) << coarse
                weight[j, i] = (min(max(value, WEIGHT_MIN), WEIGHT_MAX) >> coarse) << coarse
    if to_tag:
        for j in range(len(x1)):
            for i in range(weight.shape[1]):
                tag[j, i] = min(max((workspace.tag[j, i] + up) >> VARIABLE_SHIFT, TAG_MIN), TAG_MAX)


@njit(cache=True, inline="always")
def _level(modulator, post_factor):
    """m_i ψ_i, −31 … 31, to the nearest."""
    level = (np.int64(modulator) * post_factor + (1 << (UNTAGGED_SHIFT - 1))) >> UNTAGGED_SHIFT
    return min(max(level, -UNTAGGED_LEVELS), UNTAGGED_LEVELS)


@njit(cache=True)
def _trace(layer, x1, arriving, random):
    """x1 decays, and a spike of this step enters at once."""
    for j in range(len(x1)):
        value = _decay(x1[j], layer.trace_decay[0], layer.trace_decay[1], random)
        x1[j] = min(value + layer.trace_impulse, TRACE_MAX) if arriving[j] else value


@njit(cache=True)
def _workspace(layer, fan_in, neurons):
    coefficient = np.zeros((max(len(layer.products), 1), neurons), np.int32)
    return Workspace(coefficient, np.zeros((fan_in, neurons), np.int32), np.zeros((fan_in, neurons), np.int32))


@njit(cache=True)
def _of_position(synapses, chip, position):
    return Synapses(synapses.weight[chip, position], synapses.tag[chip, position], synapses.x1[chip, position])


@njit(cache=True, parallel=True)
def respond(layer, synapses, which, below, spikes, random, modulator, signals):
    """One layer through all steps of a stimulus, from rest, on many chips.

    which: whose synapses each chip has; below: spikes of the layer below (chips, time, units) as 0 and 1; spikes: of
    this layer, filled; random: nothing is learned where it has no steps; modulator: without a tag, known before the
    stimulus (chips, units); signals: filled where it has steps, with membranes before the reset and post factors,
    (2, chips, time, units).
    """
    _, positions, fan_in, neurons = synapses.weight.shape
    learns, records = len(random.weight) > 0, signals.shape[2] > 0
    for number in prange(len(spikes) * positions):
        chip, position = number // positions, number % positions
        own = which[chip]
        units = slice(position * neurons, (position + 1) * neurons)
        inputs = slice(position * fan_in, (position + 1) * fan_in)
        _respond(
            layer, _of_position(synapses, own, position), below[chip, :, inputs], spikes[chip, :, units],
            random.trace[own if learns else 0, position if learns else 0], random.weight,
            modulator[own if learns and not layer.tagged else 0, units], signals[:, chip if records else 0, :, units],
        )  # fmt: skip


@njit(cache=True)
def _respond(layer, synapses, below, spikes, trace_random, weight_random, modulator, signals):
    """One position of a layer through all steps of a stimulus."""
    fan_in, neurons = synapses.weight.shape
    learns, records = len(weight_random) > 0, signals.shape[1] > 0
    u, v, y2 = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
    graded = Graded(np.full(neurons, MODULATOR_OFFSET, np.int32), y2, np.zeros(neurons, np.int32))
    current, membrane = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
    workspace = _workspace(layer, fan_in, neurons)
    for time in range(len(below)):
        _integrate(layer, Neurons(current, u, v, spikes[time], y2, membrane))
        if records:
            signals[0, time], signals[1, time] = membrane, y2
        _synaptic_input(synapses.weight, below[time], layer.weight_exponent, current)
        if not learns:
            continue
        _trace(layer, synapses.x1, below[time], trace_random[time])
        counted = (time + 1) % layer.learning_period == 0
        for i in range(neurons):
            if not counted:
                y2[i] = 0
            if not layer.tagged:
                y2[i] = MODULATOR_OFFSET + 2 * _level(modulator[i], y2[i])
        _learn(layer, synapses, graded, weight_random[time], workspace, layer.fast_product)


@njit(cache=True, parallel=True)
def conclude(layer, synapses, random, modulator):
    """The step after a stimulus, of one layer: modulators (chips, units) arrive, weights change, tags are cleared."""
    _, positions, _, neurons = synapses.weight.shape
    for number in prange(len(modulator) * positions):
        chip, position = number // positions, number % positions
        units = slice(position * neurons, (position + 1) * neurons)
        own = _of_position(synapses, chip, position)
        _conclude(layer, own, random.trace[chip, position], random.weight, modulator[chip, units])


@njit(cache=True)
def _conclude(layer, synapses, trace_random, weight_random, modulator):
    """One position of a layer."""
    fan_in, neurons = synapses.weight.shape
    y1, y2, y3 = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
    for j in range(fan_in):
        synapses.x1[j] = _decay(synapses.x1[j], layer.trace_decay[0], layer.trace_decay[1], trace_random)
    for i in range(neurons):
        y1[i] = MODULATOR_OFFSET + modulator[i]
    if layer.tagged:
        y3[:] = CLEAR
    else:
        y2[:] = MODULATOR_OFFSET
    _learn(layer, synapses, Graded(y1, y2, y3), weight_random, _workspace(layer, fan_in, neurons), NOT_FAST)

"""The integer emulator: Lava's fixed-point arithmetic for networks that learn, bit for bit, and fast.

Rounding, shifts, clipping, random streams and order of updates are those of lava-nc 0.10.0 (seen by
running it; tests/hardware compares them). Many chips run side by side: the same program, each with
its own weights, random numbers and stimuli.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.hardware.emulator import kernels
from plastic.hardware.emulator.compiled import NumbaCircuit
from plastic.hardware.emulator.stepping import Stepping
from plastic.hardware.program.running import integer_circuit
from plastic.hardware.program.spec import POST_FACTORS, PRODUCTS, WEIGHT_BITS, ChipLayer, Plasticity, Program

Ints = NDArray[np.integer[Any]]
UNIT = 1 << 53  # a random number in [0, 1) has 53 bits
WEIGHT_SEED = 2  # of the stream that rounds weights and tags, whatever the program's seed
STREAMS = 4  # seeds that one projection takes: of its position p, seed + 4 p and on


def decay_table(tau: float) -> NDArray[np.int64]:
    """What remains of 0 … 127 after a step, and below which random number it is one more: (2, 128)."""
    left = np.exp(-1 / np.array([tau]))[0] * np.arange(128)
    whole = np.floor(left)
    return np.array([whole, [math.ceil(fraction * UNIT) for fraction in left - whole]], dtype=np.int64)


@dataclass(frozen=True)
class Stimulated:
    """What happened in one stimulus."""

    spikes: list[NDArray[np.uint8]]  # per layer: (chips, time, units)
    counts: NDArray[np.int64]  # (chips, units of all layers)
    arrived: NDArray[np.int64]  # spikes that arrived at each layer: (chips, layers)
    signals: list[NDArray[np.int32]]  # where asked for, per layer: membranes before the reset and post factors,
    # (2, chips, time, units)


class RandomStream:
    """One of Lava's random streams: a first number goes unused, then the last of `per_step` is used in each step."""

    def __init__(self, seed: int, per_step: int, skipped: int = 0) -> None:
        bits = np.random.PCG64(seed)
        bits.advance(1 + per_step * skipped)
        self._generator, self._per_step = np.random.Generator(bits), per_step

    def steps(self, count: int) -> NDArray[np.int64]:
        drawn = self._generator.random(count * self._per_step)[self._per_step - 1 :: self._per_step]
        return (drawn * UNIT).astype(np.int64)


class Halves:
    """Rounding to nearest: one half, always."""

    def steps(self, count: int) -> NDArray[np.int64]:
        return np.full(count, UNIT // 2)


class Emulator:
    """Some chips with the same program.

    seeds: one per chip, added to the seeds of the program's random streams; weights: per layer (chips,
    positions, neurons, fan_in), and circuit state (chips, …) per name, where they are not the program's;
    steps: that have been run before, from which on the random streams go on.
    """

    def __init__(
        self, program: Program, seeds: Sequence[int] = (0,), weights: Sequence[Ints] | None = None,
        state: dict[str, NDArray[np.int64]] | None = None, steps: int = 0,
    ) -> None:  # fmt: skip
        self.program, self.chips, self.steps = program, len(seeds), steps
        given = weights or [np.broadcast_to(la.weight, (self.chips, *la.weight.shape)) for la in program.layers]
        self.layers = [
            _Layer(layer, weight, program, seeds, steps) for layer, weight in zip(program.layers, given, strict=True)
        ]
        self.circuit = integer_circuit(program, seeds, state, steps // (program.time_steps + 1), NumbaCircuit)
        self._weight_random = stream(program, WEIGHT_SEED, 1, steps)

    @property
    def weights(self) -> list[NDArray[np.int16]]:
        """Per layer (chips, positions, neurons, fan_in)."""
        return [np.ascontiguousarray(layer.weight.swapaxes(2, 3)).astype(np.int16) for layer in self.layers]

    @property
    def tags(self) -> list[NDArray[np.int16]]:
        """Per layer (chips, positions, neurons, fan_in)."""
        return [np.ascontiguousarray(layer.tag.swapaxes(2, 3)).astype(np.int16) for layer in self.layers]

    def stimulus(
        self, spikes: Ints, record: bool = False, fixation: Ints | None = None, target: Ints | None = None
    ) -> Stimulated:
        """All steps of a stimulus on every chip; spikes: (chips, time, inputs) of 0 and 1; record: return signals.

        fixation, target: as of `learn`, for programs whose weights change during the stimulus.
        """
        modulator = np.zeros((self.chips, self.program.units), np.int32)
        if not self.program.tagged or self.circuit.steps is not None:
            if fixation is None or target is None:
                raise ValueError("modulators during the stimulus need fixation and target before it")
            modulator = self.circuit.begin(fixation, target)
        below = np.ascontiguousarray(spikes, dtype=np.uint8)
        random = self._weight_random.steps(below.shape[1])
        if self.circuit.steps is not None:
            return self._step_by_step(below, random, record)
        which = np.arange(self.chips)
        layers: list[NDArray[np.uint8]] = []
        signals, start = [], 0
        for layer in self.layers:
            signals.append(np.zeros((2, *below.shape[:2], layer.units), np.int32) if record else NO_SIGNALS)
            own = np.ascontiguousarray(modulator[:, start : start + layer.units])
            layers.append(layer.respond(layers[-1] if layers else below, which, random, signals[-1], own))
            start += layer.units
        return self._stimulated(below, layers, signals if record else [])

    def _step_by_step(self, spikes: NDArray[np.uint8], random: NDArray[np.int64], record: bool) -> Stimulated:
        """All layers through one step, the circuit that answers it, and their synapses; then the next step."""
        steps = [layer.stepping(spikes.shape[1]) for layer in self.layers]
        for t in range(spikes.shape[1]):
            fired = [step.fire(t) for step in steps]
            modulator = self.circuit.step(spikes[:, t], np.concatenate(fired, axis=1))
            start = 0
            for step, below in zip(steps, [spikes[:, t], *fired], strict=False):
                step.adapt(t, below, modulator[:, start : start + step.units], int(random[t]))
                start += step.units
        return self._stimulated(spikes, [s.spikes for s in steps], [s.signals for s in steps] if record else [])

    def _stimulated(
        self, inputs: NDArray[np.uint8], layers: list[NDArray[np.uint8]], signals: list[NDArray[np.int32]]
    ) -> Stimulated:
        self.steps += inputs.shape[1]
        arrived = [
            below[:, :-1].sum((1, 2), dtype=np.int64) for below in (inputs, *layers[:-1])
        ]  # the last come too late
        counts = np.concatenate([one.sum(1, dtype=np.int64) for one in layers], axis=1)
        return Stimulated(layers, counts, np.stack(arrived, axis=1), signals)

    def learn(self, stimulated: Stimulated, fixation: Ints, target: Ints) -> NDArray[np.int32]:
        """The step after it: modulators (chips, units), which are returned, change weights and clear tags; of a circuit
        that answers every step those of all steps, (chips, time, units), which have changed them.

        fixation: ±1 (chips,); target: one-hot (chips, classes).
        """
        modulator = self.circuit.end(stimulated.counts, stimulated.arrived, fixation, target)
        random, start = int(self._weight_random.steps(1)[0]), 0
        sent = modulator if self.program.tagged else np.zeros((self.chips, self.program.units), np.int32)
        if self.circuit.steps is not None and self.program.tagged:  # those of the last step, which the tag holds now
            sent = modulator[:, -1] * (self.program.time_steps % self.program.learning_period == 0)
        for layer in self.layers:
            layer.conclude(np.ascontiguousarray(sent[:, start : start + layer.units]), random)
            start += layer.units
        self.steps += 1
        return modulator

    def features(self, spikes: Ints, chip: int = 0) -> list[NDArray[np.uint8]]:
        """Spikes of every layer, (examples, time, units), for inputs (examples, time, inputs), as the chip is now."""
        below, which = np.ascontiguousarray(spikes, dtype=np.uint8), np.full(len(spikes), chip)
        layers = []
        for layer in self.layers:
            below = layer.respond(below, which, None, NO_SIGNALS, NO_MODULATOR)
            layers.append(below)
        return layers


def stream(program: Program, seed: int, per_step: int, skipped: int) -> RandomStream | Halves:
    """The random numbers of a program, or none of them."""
    return Halves() if program.rounding == "nearest" else RandomStream(seed, per_step, skipped)


NO_PLASTICITY = Plasticity((), (), 0, 1, 0)
NO_RANDOM = np.zeros((1, 1, 0), np.int64), np.zeros(0, np.int64)
NO_MODULATOR = np.zeros((1, 1), np.int32)
NO_SIGNALS = np.zeros((2, 1, 0, 1), np.int32)


def constants(layer: ChipLayer, plasticity: Plasticity, program: Program) -> NDArray[np.void]:
    """The constants of a layer as the kernels take them, an array of one; PlasticError where they do not fit."""
    neurons, (products, fast), made = layer.constants, encode(plasticity), np.zeros(1, kernels.LAYER)
    table = neurons.post_factor
    for what, count, most in (("post factors", len(table), POST_FACTORS), ("products", len(products), PRODUCTS)):
        if count > most:
            raise PlasticError(
                f"a layer of this integer program has {count} {what}, and the emulator takes up to {most}."
            )
    values = {
        "current_decay": neurons.current_decay,
        "membrane_decay": neurons.membrane_decay,
        "threshold": neurons.threshold,
        "post_factor": np.pad(table, (0, POST_FACTORS - len(table)), mode="edge"),
        "post_factor_shift": neurons.post_factor_shift,
        "weight_exponent": layer.weight_exponent,
        "weight_bits": layer.weight_bits,
        "trace_impulse": plasticity.trace_impulse,
        "trace_decay": decay_table(plasticity.trace_tau),
        "products": np.pad(products, ((0, PRODUCTS - len(products)), (0, 0))),
        "product_count": len(products),
        "fast_product": fast,
        "learning_period": program.learning_period,
        "tagged": program.tagged,
    }
    for name, value in values.items():
        made[name][0] = value
    return made


class _Layer:
    """State and constants of one layer on all chips, as the kernels take them."""

    def __init__(self, layer: ChipLayer, weight: Ints, program: Program, seeds: Sequence[int], steps: int) -> None:
        rule = layer.plasticity or NO_PLASTICITY
        self.units, self.learns = layer.units, layer.plasticity is not None
        self._constants = constants(layer, rule, program)
        stored = initial(np.asarray(weight), layer.weight_bits) if steps == 0 else np.asarray(weight, np.int32)
        self.weight = np.ascontiguousarray(stored.swapaxes(2, 3))
        self.tag = np.zeros_like(self.weight)
        self._x1 = np.zeros((len(seeds), layer.positions, layer.fan_in), np.int32)
        self._synapses = self.weight, self.tag, self._x1
        first = [[rule.seed + seed + STREAMS * p for p in range(layer.positions)] for seed in seeds]
        self._streams = [[stream(program, one, 2, steps) for one in row] for row in first]

    def respond(
        self, below: NDArray[np.uint8], which: Ints, random: NDArray[np.int64] | None, signals: NDArray[np.int32],
        modulator: NDArray[np.int32],
    ) -> NDArray[np.uint8]:  # fmt: skip
        """Spikes of all steps, from rest; with random numbers it learns on the way, with these modulators where there
        is no tag. Fills `signals`, if given."""
        steps = below.shape[1]
        spikes = np.zeros((len(below), steps, self.units), np.uint8)
        self._x1[:] = 0
        learns = self.learns and random is not None
        numbers = (self._trace_random(steps), random) if learns else NO_RANDOM
        kernels.respond(self._constants, self._synapses, which, below, spikes, *numbers, modulator, signals)
        return spikes

    def stepping(self, steps: int) -> Stepping:
        """From rest, one step after the other."""
        self._x1[:] = 0
        numbers = self._trace_random(steps) if self.learns else np.zeros((0, 0, steps), np.int64)
        return Stepping(self._constants, self._synapses, steps, numbers)

    def conclude(self, modulator: NDArray[np.int32], random: int) -> None:
        """The learning step."""
        if self.learns:
            kernels.conclude(self._constants, self._synapses, self._trace_random(1)[..., 0], random, modulator)

    def _trace_random(self, steps: int) -> NDArray[np.int64]:
        """(chips, positions, steps)."""
        return np.array([[one.steps(steps) for one in row] for row in self._streams])


def initial(weight: Ints, bits: int) -> NDArray[np.int32]:
    """Weights as the chip stores them when it starts: signed ones lose their last bit, and those below `bits`."""
    lost = WEIGHT_BITS - bits + 1
    return (weight.astype(np.int32) >> lost) << lost


def encode(rule: Plasticity) -> tuple[NDArray[np.int32], int]:
    """The products as the kernels take them, and the index of the one that may take the fast way, or NOT_FAST."""
    rows: list[list[int]] = []
    fast = kernels.NOT_FAST
    for target, products in ((kernels.TO_WEIGHT, rule.weight_change), (kernels.TO_TAG, rule.tag_change)):
        for product in products:
            row = [target, 0, 0, 0, product.mantissa, product.shift, product.exponent + 7] + [0] * 7
            for factor in product.factors:
                if factor.variable in ("y1", "y2", "y3"):
                    at = 7 + 2 * (int(factor.variable[1]) - 1)
                    row[at : at + 2] = [1, factor.constant]
                else:
                    row[1] |= {"x1": kernels.X1, "t": kernels.TAG, "w": kernels.WEIGHT}[factor.variable]
                    row[2 if factor.variable == "x1" else 3] = factor.constant
            plain = not any(row[2:4]) and not any(row[8:13:2])
            if target == kernels.TO_TAG and row[1] == kernels.X1 and plain and product.mantissa > 0:
                fast = len(rows)
            rows.append(row)
    return np.array(rows, np.int32).reshape(-1, kernels.PRODUCT_FIELDS), fast

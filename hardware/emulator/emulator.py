"""The integer emulator: Lava's fixed-point arithmetic for networks that learn, bit for bit, and fast.

Rounding, shifts, clipping, random streams and order of updates are those of lava-nc 0.10.0 (seen by
running it; tests/hardware compares them). Many chips run side by side: the same program, each with
its own weights, random numbers and stimuli.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator import kernels
from plastic.hardware.emulator.compiled import Compiled
from plastic.hardware.emulator.stepping import Stepping
from plastic.hardware.program.arithmetic import FixedPoint
from plastic.hardware.program.circuit import IntegerCircuit
from plastic.hardware.program.spec import WEIGHT_BITS, ChipLayer, Plasticity, Program

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


class Stream:
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
        self.early = program.eligibility == "none"
        self.circuit = integer_circuit(program, seeds, state, steps // (program.time_steps + 1), Compiled)
        self._weight_random = _stream(program, WEIGHT_SEED, 1, steps)

    @property
    def weights(self) -> list[NDArray[np.int16]]:
        """Per layer (chips, positions, neurons, fan_in)."""
        return [np.ascontiguousarray(layer.weight.swapaxes(2, 3)).astype(np.int16) for layer in self.layers]

    @property
    def tags(self) -> list[NDArray[np.int16]]:
        """Per layer (chips, positions, neurons, fan_in)."""
        return [np.ascontiguousarray(layer.tag.swapaxes(2, 3)).astype(np.int16) for layer in self.layers]

    def stimulus(
        self, spikes: Ints, looks: bool = False, fixation: Ints | None = None, target: Ints | None = None
    ) -> Stimulated:
        """All steps of a stimulus on every chip; spikes: (chips, time, inputs) of 0 and 1; looks: show signals.

        fixation, target: as of `learn`, for programs whose weights change during the stimulus.
        """
        told = np.zeros((self.chips, self.program.units), np.int32)
        if self.early or self.circuit.steps is not None:
            if fixation is None or target is None:
                raise ValueError("modulators during the stimulus need fixation and target before it")
            told = self.circuit.begin(fixation, target)
        below = np.ascontiguousarray(spikes, dtype=np.uint8)
        random = self._weight_random.steps(below.shape[1])
        if self.circuit.steps is not None:
            return self._step_by_step(below, random, looks)
        which = np.arange(self.chips)
        seen, arrived, signals, start = [], [], [], 0
        for layer in self.layers:
            arrived.append(below[:, :-1].sum((1, 2), dtype=np.int64))  # the last step's come too late
            signals.append(np.zeros((2, *below.shape[:2], layer.units), np.int32) if looks else NO_SIGNALS)
            own = np.ascontiguousarray(told[:, start : start + layer.units])
            below = layer.respond(below, which, random, signals[-1], own)
            seen.append(below)
            start += layer.units
        self.steps += below.shape[1]
        counts = np.concatenate([one.sum(1, dtype=np.int64) for one in seen], axis=1)
        return Stimulated(seen, counts, np.stack(arrived, axis=1), signals if looks else [])

    def _step_by_step(self, spikes: NDArray[np.uint8], random: NDArray[np.int64], looks: bool) -> Stimulated:
        """All layers through one step, the circuit that answers it, and their synapses; then the next step."""
        steps = [layer.stepping(spikes.shape[1]) for layer in self.layers]
        for t in range(spikes.shape[1]):
            fired = [step.fire(t) for step in steps]
            told = self.circuit.step(spikes[:, t], np.concatenate(fired, axis=1))
            start = 0
            for step, below in zip(steps, [spikes[:, t], *fired], strict=False):
                step.adapt(t, below, told[:, start : start + step.layer.units], int(random[t]))
                start += step.layer.units
        self.steps += spikes.shape[1]
        seen = [step.spikes for step in steps]
        arrived = [below[:, :-1].sum((1, 2), dtype=np.int64) for below in (spikes, *seen[:-1])]
        counts = np.concatenate([one.sum(1, dtype=np.int64) for one in seen], axis=1)
        return Stimulated(seen, counts, np.stack(arrived, axis=1), [step.signals for step in steps] if looks else [])

    def learn(self, stimulated: Stimulated, fixation: Ints, target: Ints) -> NDArray[np.int32]:
        """The step after it: modulators (chips, units), which are returned, change weights and clear tags; of a circuit
        that answers every step those of all steps, (chips, time, units), which have changed them.

        fixation: ±1 (chips,); target: one-hot (chips, classes).
        """
        modulator = self.circuit.end(stimulated.counts, stimulated.arrived, fixation, target)
        random, start = int(self._weight_random.steps(1)[0]), 0
        sent = np.zeros((self.chips, self.program.units), np.int32) if self.early else modulator
        if self.circuit.steps is not None and not self.early:  # those of the last step, which the tag holds now
            sent = modulator[:, -1] * (self.program.time_steps % self.program.learning_period == 0)
        for layer in self.layers:
            layer.conclude(np.ascontiguousarray(sent[:, start : start + layer.units]), random)
            start += layer.units
        self.steps += 1
        return modulator

    def features(self, spikes: Ints, chip: int = 0) -> list[NDArray[np.uint8]]:
        """Spikes of every layer, (examples, time, units), for inputs (examples, time, inputs), as the chip is now."""
        below, which = np.ascontiguousarray(spikes, dtype=np.uint8), np.full(len(spikes), chip)
        seen = []
        for layer in self.layers:
            below = layer.respond(below, which, None, NO_SIGNALS, NOTHING_TOLD)
            seen.append(below)
        return seen


def integer_circuit(
    program: Program, seeds: Sequence[int], state: Mapping[str, NDArray[np.int64]] | None = None, stimuli: int = 0,
    arithmetic: Any = FixedPoint,
) -> IntegerCircuit:  # fmt: skip
    """The modulatory circuits of some chips; state: (chips, …) per name, after that many stimuli."""
    layers = program.layers
    own = {k: np.repeat(np.asarray(v)[None], len(seeds), 0) for k, v in program.state.items()}
    own |= {k: np.array(v) for k, v in (state or {}).items()}
    return IntegerCircuit(
        program.circuit, [la.units for la in layers], program.inputs, program.time_steps,
        [la.modulator_scale for la in layers], [la.modulator_shift for la in layers],
        None if program.rounding == "nearest" else seeds, own, stimuli, arithmetic, program.eligibility == "none",
        program.steps,
    )  # fmt: skip


def _stream(program: Program, seed: int, per_step: int, skipped: int) -> Stream | Halves:
    return Halves() if program.rounding == "nearest" else Stream(seed, per_step, skipped)


NOTHING = Plasticity((), (), 0, 1, 0)


class _Layer:
    """State and constants of one layer on all chips, as the kernels take them."""

    def __init__(self, layer: ChipLayer, weight: Ints, program: Program, seeds: Sequence[int], steps: int) -> None:
        chips, rule, neurons = len(seeds), layer.plasticity or NOTHING, layer.constants
        self.units, self.learns = layer.units, layer.plasticity is not None
        self.early = program.eligibility == "none"
        stored = initial(np.asarray(weight), layer.weight_bits) if steps == 0 else np.asarray(weight, np.int32)
        self.weight = np.ascontiguousarray(stored.swapaxes(2, 3))
        self.tag = np.zeros_like(self.weight)
        self.x1 = np.zeros((chips, layer.positions, layer.fan_in), np.int32)
        self.constants = np.array(
            [neurons.current_decay, neurons.membrane_decay, neurons.threshold, neurons.post_factor_shift,
             layer.weight_exponent]
        )  # fmt: skip
        self.post_factor, self.period = neurons.post_factor.astype(np.int32), program.learning_period
        self.products, self.simple = encode(rule)
        self.impulse, self.bits = rule.trace_impulse, layer.weight_bits
        self.decay = decay_table(rule.trace_tau)
        first = [[rule.seed + seed + STREAMS * p for p in range(layer.positions)] for seed in seeds]
        self._x = [[_stream(program, one, 2, steps) for one in row] for row in first]

    def respond(
        self, below: NDArray[np.uint8], which: Ints, random: NDArray[np.int64] | None, signals: NDArray[np.int32],
        told: NDArray[np.int32],
    ) -> NDArray[np.uint8]:  # fmt: skip
        """Spikes of all steps, from rest; with random numbers it learns on the way, with the modulators `told` where
        there is no tag. Fills `signals`, if given."""
        steps, learns = below.shape[1], self.learns and random is not None
        spikes = np.zeros((len(below), steps, self.units), np.uint8)
        self.x1[:] = 0
        x_random = self._randoms(steps) if random is not None else NONE
        kernels.respond(
            below, spikes, which, learns, self.period, self.weight, self.tag, self.x1, self.constants,
            self.post_factor, self.impulse, self.products, self.simple, self.bits, self.decay, x_random,
            random if random is not None else NONE[0, 0], signals is not NO_SIGNALS, signals, self.early, told,
        )  # fmt: skip
        return spikes

    def stepping(self, steps: int) -> Stepping:
        """From rest, one step after the other."""
        self.x1[:] = 0
        return Stepping(self, steps, self._randoms(steps))

    def conclude(self, modulator: NDArray[np.int32], random: int) -> None:
        """The learning step."""
        x_random = self._randoms(1)[..., 0]
        if self.learns:
            kernels.conclude(
                modulator, self.weight, self.tag, self.x1, self.products, self.bits, self.decay, x_random, random,
                self.early,
            )  # fmt: skip

    def _randoms(self, steps: int) -> NDArray[np.int64]:
        """(chips, positions, steps)."""
        return np.array([[one.steps(steps) for one in row] for row in self._x])


NONE = np.zeros((1, 1, 1), np.int64)
NOTHING_TOLD = np.zeros((1, 1), np.int32)
NO_SIGNALS = np.zeros((2, 1, 1, 1), np.int32)


def initial(weight: Ints, bits: int) -> NDArray[np.int32]:
    """Weights as the chip stores them when it starts: signed ones lose their last bit, and those below `bits`."""
    lost = WEIGHT_BITS - bits + 1
    return (weight.astype(np.int32) >> lost) << lost


def encode(rule: Plasticity) -> tuple[NDArray[np.int32], int]:
    """The products as the kernels take them, and the index of the one that may take the fast way (−1: none)."""
    rows: list[list[int]] = []
    simple = -1
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
                simple = len(rows)
            rows.append(row)
    return np.array(rows, np.int32).reshape(-1, kernels.PRODUCT_FIELDS), simple

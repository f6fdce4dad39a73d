"""The circuits of some chips as they run: what they keep, and the modulators that they send.

Numbers of a circuit are turned into what is sent by a function: `Levels` for chips, the identity in floating point.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .arithmetic import Arithmetic, Array, FixedPoint
from .circuit import LEVELS, STEP, STEP_STATE, SUMMED_ERROR, UNTAGGED_MODULATOR, Circuit, evaluate, of_a_step
from .spec import Program

Sender = Callable[[int, Array, int], Array]  # of a layer, its modulators (chips, units), how often it was sent before


@dataclass(frozen=True)
class Circuits:
    """The circuit of a stimulus and, of rules that weight each step, that of one step; and the network that they serve.

    Of a step: its modulators are those before the stimulus times what the rule says of the step, its plastic weights
    change when the stimulus ends, and what it keeps under names that begin with STEP_STATE is zero when one begins.
    """

    stimulus: Circuit
    step: Circuit | None
    sizes: tuple[int, ...]  # units of each layer
    inputs: int
    time_steps: int


@dataclass(frozen=True)
class Levels:
    """A modulator as it is sent: of each layer, level = modulator · scale >> shift, and that −56 … 56, or without a
    tag −127 … 127.

    seeds: one per chip, for stochastic rounding of levels, or None, to nearest.
    """

    scales: tuple[int, ...]
    shifts: tuple[int, ...]
    seeds: tuple[int, ...] | None
    tagged: bool = True

    def sent(self, layer: int, value: Array, count: int) -> Array:
        """(chips, units) of a layer; count: of what was sent before, for the random numbers."""
        shift = self.shifts[layer]
        rounding = 1 << (shift - 1) if self.seeds is None else _random(self.seeds, count, layer, value.shape[1], shift)
        level = (value * self.scales[layer] + rounding) >> shift
        most, step = (LEVELS, STEP) if self.tagged else (UNTAGGED_MODULATOR, 1)
        return (step * np.clip(level, -most, most)).astype(np.int32)


class RunningCircuit:
    """The circuits of some chips over a run: a call per stimulus (`end`), or before it (`begin`) and in every step of
    it (`step`), too.

    state: (chips, …) per name; stimuli: that have been before.
    """

    def __init__(
        self, circuits: Circuits, state: Mapping[str, Array], arithmetic: Arithmetic, sent: Sender, stimuli: int = 0
    ) -> None:
        self.circuit, self.steps, self.arithmetic, self._send = circuits.stimulus, circuits.step, arithmetic, sent
        self.sizes, self.time_steps = circuits.sizes, circuits.time_steps
        self._below = (circuits.inputs, *circuits.sizes[:-1])
        ends = np.cumsum((0, *circuits.sizes)).tolist()
        self._parts = [slice(a, b) for a, b in itertools.pairwise(ends)]
        self.state, self.stimuli = dict(state), stimuli
        self.values: list[Array] = []
        self._sent_in_steps: list[Array] = []  # (chips, units)
        self.gates: list[list[Array]] = []  # g of every step and layer: (chips, 1, units or 1)

    def begin(self, fixation: Array, target: Array) -> Array:
        """Modulators before the stimulus, as `end` gives them after it: of circuits that do not need the response."""
        chips = len(fixation)
        quiet = np.zeros((chips, sum(self.sizes)), np.int64), np.zeros((chips, len(self.sizes)), np.int64)
        self._sent_in_steps, self.gates, self._stimulus = [], [], self._whole(fixation=fixation[:, None], target=target)
        if self.steps is not None:
            self.state |= {k: np.zeros_like(v) for k, v in self.state.items() if k.startswith(STEP_STATE)}
        self.values = self._evaluate(*quiet)
        if self.steps is not None:
            known = [self.values[layer.modulator] for layer in self.circuit.layers]
            self._stimulus |= {f"modulator{i}": value for i, value in enumerate(known, 1)}
            self._arriving: Array = quiet[1]
            changing = of_a_step(self.steps)
            values = evaluate(self.steps, self.arithmetic, self._stimulus, self.state, without=changing)
            self._known = {index: value for index, value in enumerate(values) if index not in changing}
            self._changes = {learned.name: np.zeros_like(self.state[learned.name]) for learned in self.steps.learned}
        return self.modulators()

    def step(self, inputs: Array, spikes: Array) -> Array:
        """Modulators of one step: (chips, units); inputs (chips, inputs) and spikes (chips, units): of this step.

        A spike arrives at the layer above one step after it was sent.
        """
        assert self.steps is not None
        given = dict(self._stimulus)
        for index, part in enumerate(self._parts):
            given |= self._whole(**{f"spike{index + 1}": spikes[:, part]})
            mean = self.arithmetic.ratio(self._arriving[:, index : index + 1], self._below[index])
            given[f"arriving{index + 1}"] = mean[:, None]
        values = evaluate(self.steps, self.arithmetic, given, self.state, self._known)
        for name, post, pre in self._products(self.steps, values):
            self._changes[name] = self.arithmetic.grown(self._changes[name], post, pre)
        self.state |= {kept.name: values[kept.node] for kept in self.steps.kept}
        sums = [inputs.sum(1), *(spikes[:, part].sum(1) for part in self._parts[:-1])]
        self._arriving = np.stack(sums, axis=1).astype(np.int64)
        step = self.stimuli * self.time_steps + len(self._sent_in_steps)
        self.gates.append([values[layer.gate] for layer in self.steps.layers])
        self._sent_in_steps.append(self._sent(self.steps, values, len(spikes), step))
        return self._sent_in_steps[-1]

    def end(self, counts: Array, arrived: Array, fixation: Array, target: Array) -> Array:
        """Modulators of all units as they are sent: (chips, units), or those of every step, (chips, time, units).

        counts: spikes of every unit in the stimulus (chips, units); arrived: spikes that arrived at each
        layer, summed over its inputs (chips, layers); fixation: ±1 (chips,); target: one-hot (chips, classes).
        """
        self._stimulus = self._whole(fixation=fixation[:, None], target=target)
        self.values = self._evaluate(counts, arrived)
        for name, post, pre in self._products(self.circuit, self.values):
            self.state[name] = self.arithmetic.grown(self.state[name], post, pre)
        self.state |= {kept.name: self.values[kept.node] for kept in self.circuit.kept}
        if self.steps is not None:
            grown = {name: self.arithmetic.bounded(self.state[name] + change) for name, change in self._changes.items()}
            self.state |= grown
            sent = np.stack(self._sent_in_steps, axis=1)
        else:
            sent = self.modulators()
        self.stimuli += 1
        return sent

    def modulators(self) -> Array:
        """Of the stimulus, as they are sent: (chips, units)."""
        return self._sent(self.circuit, self.values, len(self._stimulus["fixation"]), self.stimuli)

    def _whole(self, **given: Array) -> dict[str, Array]:
        """Whole numbers (chips, n) as signals."""
        return {name: self.arithmetic.ratio(np.asarray(value), 1)[:, None] for name, value in given.items()}

    def _evaluate(self, counts: Array, arrived: Array) -> list[Array]:
        """The circuit of the stimulus."""
        given = dict(self._stimulus)
        for index, part in enumerate(self._parts):
            given[f"activity{index + 1}"] = self.arithmetic.ratio(counts[:, part], self.time_steps)[:, None]
            mean = self.arithmetic.ratio(arrived[:, index : index + 1], self.time_steps * self._below[index])
            given[f"input_activity{index + 1}"] = mean[:, None]
        if self.circuit.reads("error"):  # averaged over the steps
            steps = self.arithmetic.number(self.time_steps)
            given["error"] = self.arithmetic.divide(self.state[SUMMED_ERROR], steps)
        return evaluate(self.circuit, self.arithmetic, given, self.state)

    @staticmethod
    def _products(circuit: Circuit, values: list[Array]) -> list[tuple[str, Array, Array]]:
        return [(one.name, np.swapaxes(values[one.post], -1, -2), values[one.pre]) for one in circuit.learned]

    def _sent(self, circuit: Circuit, values: list[Array], chips: int, count: int) -> Array:
        """The modulators of these values as they are sent; count: of what was sent before, for random numbers."""
        each = zip(self.sizes, (values[layer.modulator] for layer in circuit.layers), strict=True)
        units = [np.broadcast_to(value, (chips, 1, size))[:, 0] for size, value in each]
        return np.concatenate([self._send(layer, value, count) for layer, value in enumerate(units)], axis=1)


def integer_circuit(
    program: Program, seeds: Sequence[int], state: Mapping[str, Array] | None = None, stimuli: int = 0,
    arithmetic: type[FixedPoint] = FixedPoint,
) -> RunningCircuit:  # fmt: skip
    """The modulatory circuits of some chips; state: (chips, …) per name, after that many stimuli."""
    layers = program.layers
    own = {k: np.repeat(np.asarray(v)[None], len(seeds), 0) for k, v in program.state.items()}
    own |= {k: np.array(v) for k, v in (state or {}).items()}
    sizes = tuple(layer.units for layer in layers)
    circuits = Circuits(program.circuit, program.steps, sizes, program.inputs, program.time_steps)
    levels = Levels(
        tuple(layer.modulator_scale for layer in layers),
        tuple(layer.modulator_shift for layer in layers),
        None if program.rounding == "nearest" else tuple(seeds),
        program.tagged,
    )
    return RunningCircuit(circuits, own, arithmetic, levels.sent, stimuli)


def _random(seeds: Sequence[int], count: int, layer: int, size: int, bits: int) -> Array:
    """Whole numbers of so many bits, (chips, size), from a counter: G. L. Steele, D. Lea, C. H. Flood, "Fast
    splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64)."""
    key = (np.array(seeds, np.uint64) << np.uint64(40)) + np.uint64((count << 8) + layer)
    z = _mixed(key)[:, None] + np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (_mixed(z) >> np.uint64(64 - bits)).astype(np.int64)


def _mixed(z: Array) -> Array:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))

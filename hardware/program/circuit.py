"""The modulatory circuit of a whole network as a list of operations, and what it tells the neurons in integers.

A rule's one declaration of its third factor is compiled to a circuit (plastic.hardware.compiler.circuit): a
list of nodes, each an operation on nodes before it. The same list runs in two arithmetics: float64
(`Floating`), and `FixedPoint`, int64 with 24 bits after the point (plastic.hardware.program.arithmetic). numpy is all
that it needs, so that a circuit travels with a bundle.

Signals are (chips, 1, n) and weights (chips, n, k).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plastic.hardware.program.arithmetic import OPERATIONS, Array, FixedPoint

LEVELS = 7  # a modulator is one of −7 … 7
STEP = -8  # and is sent as 64 − 8 · level: times the mantissa −4 that is 32 · level, which a shift by 5 divides
EARLY_MODULATOR = 127  # of one that is known during the stimulus: −127 … 127, and sent as it is
STEP_STATE = "step."  # how names of states begin that are zero at the beginning of every stimulus
SUMMED_ERROR = STEP_STATE + "error"  # of a readout, over the steps of a stimulus so far


@dataclass(frozen=True)
class Node:
    """One operation; `args` are the indices of nodes before it."""

    op: str
    args: tuple[int, ...] = ()
    name: str = ""  # of an input or a state
    value: float = 0.0  # of a constant
    axis: int = 0  # along which it sums, takes the maximum or expands (negative); or positions to pool over


@dataclass(frozen=True)
class Modulated:
    """What the circuit tells one layer: the node of the modulator, one number per unit. Of gate, loss, dendrite
    (−1: there is none) and the rule's own signals, which are only shown, too. Of a step the gate is g of that step."""

    modulator: int
    gate: int = -1
    loss: int = -1
    dendrite: int = -1
    signals: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Learned:
    """A plastic circuit weight: state[name] += post ⊗ pre, the learning rate within post."""

    name: str
    post: int
    pre: int


@dataclass(frozen=True)
class Kept:
    """A signal held until the next stimulus: state[name] = node."""

    name: str
    node: int


@dataclass(frozen=True)
class Circuit:
    """Nodes in the order of evaluation, and what becomes of some of them.

    Inputs: activity1, activity2, … (spikes per step of each unit of a layer), fixation (±1), target
    (one-hot), input_activity1, … (spikes per step, mean over what arrives at a layer), error (of the readout, mean
    over the steps). Of the circuit of one step: fixation, target, spike1, … (0 or 1), arriving1, … (fraction of what
    arrives at a layer), modulator1, … (known before the stimulus).
    """

    nodes: tuple[Node, ...]
    layers: tuple[Modulated, ...]
    learned: tuple[Learned, ...] = ()
    kept: tuple[Kept, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As data for JSON; `Circuit.of` is the inverse."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Circuit:
        """ValueError for an operation that there is not, or one that reads what comes after it."""
        nodes = tuple(Node(**{**one, "args": tuple(one["args"])}) for one in data["nodes"])
        for index, node in enumerate(nodes):
            if node.op not in OPERATIONS or not all(0 <= arg < index for arg in node.args):
                raise ValueError(f"node {index} of the circuit, {node.op!r}")
        return cls(
            nodes,
            tuple(Modulated(**{**one, "signals": tuple(map(tuple, one["signals"]))}) for one in data["layers"]),
            tuple(Learned(**one) for one in data["learned"]),
            tuple(Kept(**one) for one in data["kept"]),
        )

    def reads(self, name: str) -> bool:
        """Whether an input of that name is read."""
        return any(node.op == "input" and node.name == name for node in self.nodes)


def evaluate(
    circuit: Circuit, arithmetic: Any, inputs: Mapping[str, Array], state: Mapping[str, Array],
    known: Mapping[int, Array] | None = None, without: Collection[int] = (),
) -> list[Array]:  # fmt: skip
    """The value of every node; known: of nodes that need not be computed again; without: nodes that are None."""
    values: list[Array] = []
    for index, node in enumerate(circuit.nodes):
        if known and index in known:
            values.append(known[index])
        elif index in without:
            values.append(None)
        elif node.op == "input":
            values.append(inputs[node.name])
        elif node.op == "state":
            values.append(state[node.name])
        elif node.op == "constant":
            values.append(arithmetic.number(node.value))
        else:
            given = [values[arg] for arg in node.args]
            values.append(getattr(arithmetic, node.op)(*given, **({"axis": node.axis} if node.axis else {})))
    return values


def of_a_step(circuit: Circuit) -> set[int]:
    """The nodes whose value may change from step to step of a stimulus."""
    found: set[int] = set()
    for index, node in enumerate(circuit.nodes):
        heard = node.op == "input" and node.name.startswith(("spike", "arriving"))
        held = node.op == "state" and node.name.startswith(STEP_STATE)
        if heard or held or not found.isdisjoint(node.args):
            found.add(index)
    return found


class RunningCircuit:
    """The circuits of some chips over a run: what they hold, and a call per stimulus (`end`), or before it (`begin`)
    and in every step of it (`step`), too.

    sizes: units of each layer; state: (chips, …) per name; arithmetic: `Floating`, `FixedPoint` or a faster one that
    is the same; stimuli: that have been before; steps: the circuit of one step, of rules that weigh each: its
    modulators are those of `begin` times what the rule says of the step, its plastic weights change when the
    stimulus ends, and what it keeps under names that begin with STEP_STATE is zero when one begins.
    """

    def __init__(
        self, circuit: Circuit, sizes: list[int], inputs: int, time_steps: int, state: Mapping[str, Array],
        arithmetic: Any, stimuli: int = 0, steps: Circuit | None = None,
    ) -> None:  # fmt: skip
        self.circuit, self.steps, self.arithmetic = circuit, steps, arithmetic
        self.sizes, self.below, self.time_steps = sizes, [inputs, *sizes[:-1]], time_steps
        self.parts = [slice(sum(sizes[:i]), sum(sizes[: i + 1])) for i in range(len(sizes))]
        self.state, self.stimuli = dict(state), stimuli
        self.values: list[Array] = []
        self.told: list[Array] = []  # in every step, as sent: (chips, units)
        self.gates: list[list[Array]] = []  # g of every step and layer: (chips, 1, units or 1)

    def begin(self, fixation: Array, target: Array) -> Array:
        """Modulators before the stimulus, as `end` gives them after it: of circuits that do not need the response."""
        chips = len(fixation)
        quiet = np.zeros((chips, sum(self.sizes)), np.int64), np.zeros((chips, len(self.sizes)), np.int64)
        self.told, self.gates, self._stimulus = [], [], self._whole(fixation=fixation[:, None], target=target)
        if self.steps is not None:
            self.state |= {k: np.zeros_like(v) for k, v in self.state.items() if k.startswith(STEP_STATE)}
        self.values = self._evaluate(*quiet)
        if self.steps is not None:
            known = [self.values[told.modulator] for told in self.circuit.layers]
            self._stimulus |= {f"modulator{i}": value for i, value in enumerate(known, 1)}
            self._arriving: Array = quiet[1]
            changing = of_a_step(self.steps)
            values = evaluate(self.steps, self.arithmetic, self._stimulus, self.state, without=changing)
            self._known = {index: value for index, value in enumerate(values) if index not in changing}
            self._changes = {learned.name: np.zeros_like(self.state[learned.name]) for learned in self.steps.learned}
        return self._sent(self.circuit, self.values, chips, self.stimuli)

    def step(self, inputs: Array, spikes: Array) -> Array:
        """Modulators of one step: (chips, units); inputs (chips, inputs) and spikes (chips, units): of this step.

        A spike arrives at the layer above one step after it was sent.
        """
        assert self.steps is not None
        given = dict(self._stimulus)
        for index, part in enumerate(self.parts):
            given |= self._whole(**{f"spike{index + 1}": spikes[:, part]})
            mean = self.arithmetic.ratio(self._arriving[:, index : index + 1], self.below[index])
            given[f"arriving{index + 1}"] = mean[:, None]
        values = evaluate(self.steps, self.arithmetic, given, self.state, self._known)
        for name, post, pre in self._products(self.steps, values):
            self._changes[name] = self.arithmetic.grown(self._changes[name], post, pre)
        self.state |= {kept.name: values[kept.node] for kept in self.steps.kept}
        sums = [inputs.sum(1), *(spikes[:, part].sum(1) for part in self.parts[:-1])]
        self._arriving = np.stack(sums, axis=1).astype(np.int64)
        step = self.stimuli * self.time_steps + len(self.told)
        self.gates.append([values[told.gate] for told in self.steps.layers])
        self.told.append(self._sent(self.steps, values, len(spikes), step))
        return self.told[-1]

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
            told = np.stack(self.told, axis=1)
        else:
            told = self._sent(self.circuit, self.values, len(counts), self.stimuli)
        self.stimuli += 1
        return told

    def _whole(self, **given: Array) -> dict[str, Array]:
        """Whole numbers (chips, n) as signals."""
        return {name: self.arithmetic.ratio(np.asarray(value), 1)[:, None] for name, value in given.items()}

    def _evaluate(self, counts: Array, arrived: Array) -> list[Array]:
        """The circuit of the stimulus."""
        given = dict(self._stimulus)
        for index, part in enumerate(self.parts):
            given[f"activity{index + 1}"] = self.arithmetic.ratio(counts[:, part], self.time_steps)[:, None]
            mean = self.arithmetic.ratio(arrived[:, index : index + 1], self.time_steps * self.below[index])
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
        each = zip(self.sizes, (values[told.modulator] for told in circuit.layers), strict=True)
        units = [np.broadcast_to(value, (chips, 1, size))[:, 0] for size, value in each]
        return np.concatenate([self._coded(layer, value, count) for layer, value in enumerate(units)], axis=1)

    def _coded(self, layer: int, value: Array, count: int) -> Array:
        """(chips, units of the layer): modulators as they are sent."""
        raise NotImplementedError


class IntegerCircuit(RunningCircuit):
    """In fixed point; sends −56 … 56, or early, and in every step, −127 … 127.

    scales and shifts: of each layer's modulator, level = modulator · scale >> shift; seeds: one per chip, for
    stochastic rounding of levels, or None, to nearest; early: modulators are sent during the stimulus. The others:
    see RunningCircuit.
    """

    def __init__(
        self, circuit: Circuit, sizes: list[int], inputs: int, time_steps: int, scales: list[int], shifts: list[int],
        seeds: Sequence[int] | None, state: Mapping[str, Array], stimuli: int = 0, arithmetic: Any = FixedPoint,
        early: bool = False, steps: Circuit | None = None,
    ) -> None:  # fmt: skip
        super().__init__(circuit, sizes, inputs, time_steps, state, arithmetic, stimuli, steps)
        self.scales, self.shifts, self.seeds, self.early = scales, shifts, seeds, early

    def _coded(self, layer: int, value: Array, count: int) -> Array:
        size, shift = self.sizes[layer], self.shifts[layer]
        below_one = 1 << (shift - 1) if self.seeds is None else _random(self.seeds, count, layer, size, shift)
        level = (value * self.scales[layer] + below_one) >> shift
        most, step = (EARLY_MODULATOR, 1) if self.early else (LEVELS, STEP)
        return (step * np.clip(level, -most, most)).astype(np.int32)


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

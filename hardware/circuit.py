"""The modulatory circuit of a whole network as a list of operations, and what it tells the neurons in integers.

A rule's one declaration of its third factor is compiled to a circuit (plastic.hardware.compiler): a
list of nodes, each an operation on nodes before it. The same list runs in two arithmetics: float64
(`Floating`), and `FixedPoint`, int64 with 24 bits after the point (plastic.hardware.arithmetic). numpy is all
that it needs, so that a circuit travels with a bundle.

Signals are (chips, 1, n) and weights (chips, n, k).
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from plastic.hardware.arithmetic import FRACTION, OPERATIONS, Array, FixedPoint

LEVELS = 7  # a modulator is one of −7 … 7
STEP = -8  # and is sent as 64 − 8 · level: times the mantissa −4 that is 32 · level, which a shift by 5 divides
EARLY_MODULATOR = 127  # of one that is known before the stimulus: −127 … 127, and sent as it is


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
    (−1: there is none) and the rule's own signals, which are only shown, too."""

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
    (one-hot), input_activity1, … (spikes per step, mean over what arrives at a layer).
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


def evaluate(circuit: Circuit, arithmetic: Any, inputs: Mapping[str, Array], state: Mapping[str, Array]) -> list[Array]:
    """The value of every node."""
    values: list[Array] = []
    for node in circuit.nodes:
        if node.op == "input":
            values.append(inputs[node.name])
        elif node.op == "state":
            values.append(state[node.name])
        elif node.op == "constant":
            values.append(arithmetic.number(node.value))
        else:
            given = [values[arg] for arg in node.args]
            values.append(getattr(arithmetic, node.op)(*given, **({"axis": node.axis} if node.axis else {})))
    return values


def learn(circuit: Circuit, arithmetic: Any, values: list[Array], state: MutableMapping[str, Array]) -> None:
    """Change the plastic weights of the circuit and hold what is held, in `state`."""
    for learned in circuit.learned:
        post = np.swapaxes(values[learned.post], -1, -2)
        state[learned.name] = arithmetic.grown(state[learned.name], post, values[learned.pre])
    for kept in circuit.kept:
        state[kept.name] = values[kept.node]


class IntegerCircuit:
    """The circuits of some chips over a run: what they hold, and one call per stimulus.

    sizes: units of each layer; scales and shifts: of each layer's modulator, level = modulator · scale >> shift;
    seeds: one per chip, for stochastic rounding of levels, or None, to nearest; state: (chips, …) per name;
    arithmetic: fixed point, this one or a faster one that is the same; early: modulators are known before the
    stimulus and sent then.
    """

    def __init__(
        self, circuit: Circuit, sizes: list[int], inputs: int, time_steps: int, scales: list[int], shifts: list[int],
        seeds: Sequence[int] | None, state: Mapping[str, Array], stimuli: int = 0, arithmetic: Any = FixedPoint,
        early: bool = False,
    ) -> None:  # fmt: skip
        self.arithmetic, self.early = arithmetic, early
        self.circuit, self.sizes, self.inputs, self.time_steps = circuit, sizes, inputs, time_steps
        self.scales, self.shifts, self.seeds = scales, shifts, seeds
        self.state, self.stimuli = dict(state), stimuli
        self.values: list[Array] = []

    def begin(self, fixation: Array, target: Array) -> Array:
        """Modulators before the stimulus, as `end` gives them after it: of circuits that do not need the response."""
        given = {"fixation": _numbers(fixation[:, None]), "target": _numbers(target)}
        for index, size in enumerate(self.sizes):
            given[f"activity{index + 1}"] = np.zeros((len(fixation), 1, size), np.int64)
            given[f"input_activity{index + 1}"] = np.zeros((len(fixation), 1, 1), np.int64)
        self.values = evaluate(self.circuit, self.arithmetic, given, self.state)
        return self._told(len(fixation))

    def end(self, counts: Array, arrived: Array, fixation: Array, target: Array) -> Array:
        """Modulators of all units as they are sent, −56 … 56, or early −127 … 127: (chips, units).

        counts: spikes of every unit in the stimulus (chips, units); arrived: spikes that arrived at each
        layer, summed over its inputs (chips, layers); fixation: ±1 (chips,); target: one-hot (chips, classes).
        """
        given = {"fixation": _numbers(fixation[:, None]), "target": _numbers(target)}
        below, start = [self.inputs, *self.sizes[:-1]], 0
        for index, size in enumerate(self.sizes):
            own = counts[:, start : start + size].astype(np.int64)
            given[f"activity{index + 1}"] = ((own << FRACTION) // self.time_steps)[:, None]
            mean = (arrived[:, index : index + 1].astype(np.int64) << FRACTION) // (self.time_steps * below[index])
            given[f"input_activity{index + 1}"] = mean[:, None]
            start += size
        self.values = evaluate(self.circuit, self.arithmetic, given, self.state)
        learn(self.circuit, self.arithmetic, self.values, self.state)
        told = self._told(len(counts))
        self.stimuli += 1
        return told

    def _told(self, chips: int) -> Array:
        found = [self._sent(index, chips) for index in range(len(self.sizes))]
        return np.concatenate(found, axis=1).astype(np.int32)

    def _sent(self, layer: int, chips: int) -> Array:
        size, shift = self.sizes[layer], self.shifts[layer]
        value = np.broadcast_to(self.values[self.circuit.layers[layer].modulator], (chips, 1, size))[:, 0]
        below_one = 1 << (shift - 1) if self.seeds is None else _random(self.seeds, self.stimuli, layer, size, shift)
        level = (value * self.scales[layer] + below_one) >> shift
        most, step = (EARLY_MODULATOR, 1) if self.early else (LEVELS, STEP)
        return step * np.clip(level, -most, most)


def _random(seeds: Sequence[int], stimulus: int, layer: int, size: int, bits: int) -> Array:
    """Whole numbers of so many bits, (chips, size), from a counter: G. L. Steele, D. Lea, C. H. Flood, "Fast
    splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64)."""
    key = (np.array(seeds, np.uint64) << np.uint64(40)) + np.uint64((stimulus << 8) + layer)
    z = _mixed(key)[:, None] + np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return (_mixed(z) >> np.uint64(64 - bits)).astype(np.int64)


def _mixed(z: Array) -> Array:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _numbers(whole: Array) -> Array:
    """Whole numbers (chips, n) as signals."""
    return (np.asarray(whole).astype(np.int64) << FRACTION)[:, None]

"""The modulatory circuit of a whole network as a list of operations, and its arithmetic in integers.

A rule's one declaration of its third factor is compiled to a circuit (plastic.hardware.compiler): a
list of nodes, each an operation on nodes before it. The same list runs in two arithmetics: float64
(`Floating`), and `FixedPoint`, int64 with 24 bits after the point. numpy is all that it needs, so
that a circuit travels: this module imports nothing of plastic.

Signals are (chips, 1, n) and weights (chips, n, k).
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

FRACTION = 24  # bits after the point
ONE = 1 << FRACTION
HALF = ONE >> 1
BOUND = 32 * ONE  # circuit weights saturate at ± 32
LEVELS = 7  # a modulator is one of −7 … 7
STEP = -8  # and is sent as 64 − 8 · level: times the mantissa −4 that is 32 · level, which a shift by 5 divides
Array = Any  # numpy.ndarray, of int64 or float64 as the arithmetic has it


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


class _Shared:
    """Operations that are the same in both arithmetics. Truth values are 0 and 1 and are no numbers."""

    add = staticmethod(np.add)
    subtract = staticmethod(np.subtract)
    absolute = staticmethod(np.abs)
    mask = staticmethod(np.multiply)  # a number by a truth value

    @staticmethod
    def greater(a: Array, b: Array) -> Array:
        return (a > b).astype(np.int64)

    @staticmethod
    def invert(a: Array) -> Array:
        return 1 - a

    @staticmethod
    def where(condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition != 0, a, b)

    @staticmethod
    def transpose(a: Array) -> Array:
        return np.swapaxes(a, -1, -2)

    @staticmethod
    def diagonal(a: Array) -> Array:
        return np.diagonal(a, axis1=-2, axis2=-1)

    @staticmethod
    def sum(a: Array, axis: int) -> Array:
        return a.sum(axis)

    @staticmethod
    def maximum(a: Array, axis: int) -> Array:
        return a.max(axis)

    @staticmethod
    def expand(a: Array, axis: int) -> Array:
        return np.expand_dims(a, axis)

    @staticmethod
    def spread(a: Array, axis: int) -> Array:
        """The same for each of `axis` positions: (…, n) to (…, positions · n)."""
        return np.tile(a, axis)

    @staticmethod
    def pool(a: Array, axis: int) -> Array:
        """The sum over `axis` positions: (…, positions · n) to (…, n)."""
        return a.reshape(*a.shape[:-1], axis, -1).sum(-2)


class Floating(_Shared):
    """float64: what the fixed point is measured against, and the arithmetic of Lava's floating-point model."""

    number = staticmethod(np.float64)
    multiply = staticmethod(np.multiply)
    matmul = staticmethod(np.matmul)
    exp = staticmethod(np.exp)
    sqrt = staticmethod(np.sqrt)

    @staticmethod
    def from_truth(a: Array) -> Array:
        return np.asarray(a, dtype=np.float64)

    @staticmethod
    def sign(a: Array) -> Array:
        return np.sign(a)

    @staticmethod
    def divide(a: Array, b: Array) -> Array:
        return np.divide(a, b, out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))), where=b != 0)

    @staticmethod
    def grown(weight: Array, post: Array, pre: Array) -> Array:
        return weight + post * pre


# 2^f = Σ_k (ln 2)^k / k! · f^k, with 30 bits after the point
_EXP2 = [round(c * 2**30) for c in (
    1.0, 0.6931471805599453, 0.2402265069591007, 0.05550410866482158, 0.009618129107628477, 0.001333355814642844,
    0.0001540353039338161, 1.525273380405984e-05, 1.321548679014431e-06, 1.01780860092397e-07,
)]  # fmt: skip
_LOG2E = round(1.4426950408889634 * ONE)


class FixedPoint(_Shared):
    """int64 with 24 bits after the point; products round to nearest, quotients down.

    Numbers must stay below 2^14, so that no product leaves 63 bits; a quotient by zero is 0.
    """

    @staticmethod
    def number(value: float) -> Array:
        return np.int64(round(value * ONE))

    @staticmethod
    def multiply(a: Array, b: Array) -> Array:
        return (a * b + HALF) >> FRACTION

    @staticmethod
    def matmul(a: Array, b: Array) -> Array:
        return (np.matmul(a, b) + HALF) >> FRACTION

    @staticmethod
    def from_truth(a: Array) -> Array:
        return a << FRACTION

    @staticmethod
    def sign(a: Array) -> Array:
        return np.sign(a) << FRACTION

    @staticmethod
    def divide(a: Array, b: Array) -> Array:
        return np.where(b == 0, 0, (a << FRACTION) // np.where(b == 0, 1, b))

    @staticmethod
    def exp(a: Array) -> Array:
        """2^(a · log2 e): the whole part shifts, the fraction goes through a polynomial."""
        power = (a * _LOG2E) >> FRACTION
        whole, fraction = power >> FRACTION, power & (ONE - 1)
        result = np.full_like(fraction, _EXP2[-1])
        for coefficient in reversed(_EXP2[:-1]):
            result = coefficient + ((result * fraction) >> FRACTION)
        shift = 30 - FRACTION - whole
        return np.where(shift >= 0, result >> np.clip(shift, 0, 62), result << np.clip(-shift, 0, 14))

    @staticmethod
    def sqrt(a: Array) -> Array:
        """Whole root of a · 2^24, bit by bit."""
        rest, root = np.maximum(a, 0) << FRACTION, np.zeros_like(a)
        for bit in range(60, -1, -2):
            trial = root + (1 << bit)
            fits = rest >= trial
            rest = np.where(fits, rest - trial, rest)
            root = np.where(fits, (root >> 1) + (1 << bit), root >> 1)
        return root

    @staticmethod
    def grown(weight: Array, post: Array, pre: Array) -> Array:
        """weight + post ⊗ pre, up to ± 32: (chips, n, k), (chips, n, 1) and (chips, 1, k)."""
        return np.clip(weight + ((post * pre + HALF) >> FRACTION), -BOUND, BOUND)


OPERATIONS = frozenset({"input", "state", "constant"}) | {
    name for name in dir(FixedPoint) if not name.startswith("_") and name not in ("number", "grown")
}


class IntegerCircuit:
    """The circuits of some chips over a run: what they hold, and one call per stimulus.

    sizes: units of each layer; scales and shifts: of each layer's modulator, level = modulator · scale >> shift;
    seeds: one per chip, for stochastic rounding of levels, or None, to nearest; state: (chips, …) per name;
    arithmetic: fixed point, this one or a faster one that is the same.
    """

    def __init__(
        self, circuit: Circuit, sizes: list[int], inputs: int, time_steps: int, scales: list[int], shifts: list[int],
        seeds: Sequence[int] | None, state: Mapping[str, Array], stimuli: int = 0, arithmetic: Any = FixedPoint,
    ) -> None:  # fmt: skip
        self.arithmetic = arithmetic
        self.circuit, self.sizes, self.inputs, self.time_steps = circuit, sizes, inputs, time_steps
        self.scales, self.shifts, self.seeds = scales, shifts, seeds
        self.state, self.stimuli = dict(state), stimuli
        self.values: list[Array] = []

    def end(self, counts: Array, arrived: Array, fixation: Array, target: Array) -> Array:
        """Modulators of all units as they are sent, −56 … 56: (chips, units).

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
        found = [self._sent(index, len(counts)) for index in range(len(self.sizes))]
        self.stimuli += 1
        return np.concatenate(found, axis=1).astype(np.int32)

    def _sent(self, layer: int, chips: int) -> Array:
        size, shift = self.sizes[layer], self.shifts[layer]
        value = np.broadcast_to(self.values[self.circuit.layers[layer].modulator], (chips, 1, size))[:, 0]
        below_one = 1 << (shift - 1) if self.seeds is None else _random(self.seeds, self.stimuli, layer, size, shift)
        level = (value * self.scales[layer] + below_one) >> shift
        return STEP * np.clip(level, -LEVELS, LEVELS)


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

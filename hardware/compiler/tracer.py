"""Arrays that are not there yet: a rule computes with them, and what it does is written down as a circuit.

`Traced` has the part of the array-API standard that rules are written in. What the integer circuit
cannot do (a logarithm, the weights of another layer) is written down as well, and refused only where
the modulator depends on it: many losses that are only shown need a logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plastic.hardware.program.arithmetic import OPERATIONS
from plastic.hardware.program.circuit import Node

Shape = tuple[int, ...]


@dataclass
class Graph:
    """Nodes so far, and what is not possible about some of them."""

    nodes: list[Node] = field(default_factory=list)
    impossible: dict[int, str] = field(default_factory=dict)

    def add(self, op: str, shape: Shape, *args: Traced, truth: bool = False, **more: Any) -> Traced:
        self.nodes.append(Node(op, tuple(arg.index for arg in args), **more))
        return Traced(self, len(self.nodes) - 1, shape, truth)

    def input(self, name: str, shape: Shape) -> Traced:
        return self.add("input", shape, name=name)

    def state(self, name: str, shape: Shape) -> Traced:
        return self.add("state", shape, name=name)

    def refuse(self, reason: str, shape: Shape) -> Traced:
        """Something that a chip's circuit cannot have."""
        node = self.add("impossible", shape)
        self.impossible[node.index] = reason
        return node

    def pruned(self, wanted: list[int]) -> tuple[tuple[Node, ...], dict[int, int]]:
        """The nodes that the wanted ones need, and where each of them is now."""
        needed = self.needed(wanted)
        place = {old: new for new, old in enumerate(needed)}
        return tuple(_moved(self.nodes[old], place) for old in needed), place

    def needed(self, wanted: list[int], valued: bool = False) -> list[int]:
        """Indices of the wanted nodes and all that they depend on, in order; valued: in value, not in shape alone, as
        what is multiplied with 0 is."""
        open_, seen = list(wanted), set(wanted)
        while open_:
            node = self.nodes[open_.pop()]
            factors = [self.nodes[arg] for arg in node.args] if node.op == "multiply" else []
            nothing = valued and any(factor.op == "constant" and factor.value == 0 for factor in factors)
            for arg in () if nothing else node.args:
                if arg not in seen:
                    seen.add(arg)
                    open_.append(arg)
        return sorted(seen)

    def why_not(self, wanted: list[int]) -> str | None:
        """What is not possible about the wanted nodes, in a few words; None if all is."""
        for index in self.needed(wanted):
            if index in self.impossible:
                return self.impossible[index]
            if self.nodes[index].op not in OPERATIONS:
                return f"the operation {self.nodes[index].op!r}"
        return None


def _moved(node: Node, place: dict[int, int]) -> Node:
    return Node(node.op, tuple(place[arg] for arg in node.args), node.name, node.value, node.axis)


@dataclass(frozen=True, eq=False)
class Traced:
    """An array of a graph: its node, its shape without the axis of chips, whether it is a truth value."""

    graph: Graph
    index: int
    shape: Shape
    truth: bool = False
    dtype: str = "traced"
    device: str = "chip"

    def __array_namespace__(self, api_version: str | None = None) -> type[Namespace]:
        del api_version
        return Namespace

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def mT(self) -> Traced:
        return self.graph.add("transpose", (*self.shape[:-2], self.shape[-1], self.shape[-2]), self)

    def _other(self, other: Any) -> Traced:
        if isinstance(other, Traced):
            return other
        return self.graph.add("constant", (), value=float(other))

    def number(self) -> Traced:
        return self.graph.add("from_truth", self.shape, self) if self.truth else self

    def _binary(self, op: str, a: Traced, b: Traced) -> Traced:
        shape = np.broadcast_shapes(a.shape, b.shape)
        return self.graph.add(op, shape, a.number(), b.number())

    def __add__(self, other: Any) -> Traced:
        return self._binary("add", self, self._other(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Traced:
        return self._binary("subtract", self, self._other(other))

    def __rsub__(self, other: Any) -> Traced:
        return self._binary("subtract", self._other(other), self)

    def __neg__(self) -> Traced:
        return 0.0 - self

    def __mul__(self, other: Any) -> Traced:
        b = self._other(other)
        if self.truth or b.truth:
            shape = np.broadcast_shapes(self.shape, b.shape)
            return self.graph.add("mask", shape, self, b, truth=self.truth and b.truth)
        return self._binary("multiply", self, b)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Traced:
        return self._binary("divide", self, self._other(other))

    def __rtruediv__(self, other: Any) -> Traced:
        return self._binary("divide", self._other(other), self)

    def __pow__(self, power: float) -> Traced:
        if power == 2:
            return self * self
        return self.graph.add("sqrt" if power == 0.5 else f"power {power}", self.shape, self.number())

    def __matmul__(self, other: Traced) -> Traced:
        leading = np.broadcast_shapes(self.shape[:-2], other.shape[:-2])
        return self.graph.add("matmul", (*leading, self.shape[-2], other.shape[-1]), self.number(), other.number())

    def _greater(self, a: Traced, b: Traced) -> Traced:
        shape = np.broadcast_shapes(a.shape, b.shape)
        return self.graph.add("greater", shape, a.number(), b.number(), truth=True)

    def __gt__(self, other: Any) -> Traced:
        return self._greater(self, self._other(other))

    def __lt__(self, other: Any) -> Traced:
        return self._greater(self._other(other), self)

    def __ge__(self, other: Any) -> Traced:
        return self.graph.add("invert", self.shape, self < other, truth=True)

    def __le__(self, other: Any) -> Traced:
        return self.graph.add("invert", self.shape, self > other, truth=True)

    def __abs__(self) -> Traced:
        return self.graph.add("absolute", self.shape, self)

    def __getitem__(self, key: Any) -> Traced:
        if isinstance(key, tuple) and len(key) == 2 and key[0] is Ellipsis and key[1] is None:
            return self.graph.add("expand", (*self.shape, 1), self, axis=-1)
        if isinstance(key, tuple) and key == (Ellipsis, None, slice(None)):
            return self.graph.add("expand", (*self.shape[:-1], 1, self.shape[-1]), self, axis=-2)
        return self.graph.add("a part of an array", self.shape, self)

    def sum(self, axis: int | tuple[int, ...] = -1) -> Traced:
        found = self.number()
        for one in sorted(axis if isinstance(axis, tuple) else (axis,)):
            found = _along("sum", found, one)
        return found


def _along(op: str, x: Traced, axis: int) -> Traced:
    """Without this axis, which is counted from the end."""
    at = axis % x.ndim
    return x.graph.add(op, x.shape[:at] + x.shape[at + 1 :], x, axis=at - x.ndim)


class _Linalg:
    @staticmethod
    def diagonal(x: Traced) -> Traced:
        return x.graph.add("diagonal", x.shape[:-1], x)


class Namespace:
    """The functions of the array-API standard that rules call."""

    linalg = _Linalg

    @staticmethod
    def exp(x: Traced) -> Traced:
        return x.graph.add("exp", x.shape, x)

    @staticmethod
    def log(x: Traced) -> Traced:
        return x.graph.add("log", x.shape, x)

    @staticmethod
    def log1p(x: Traced) -> Traced:
        return x.graph.add("log1p", x.shape, x)

    @staticmethod
    def tanh(x: Traced) -> Traced:
        return x.graph.add("tanh", x.shape, x)

    @staticmethod
    def sqrt(x: Traced) -> Traced:
        return x**0.5

    @staticmethod
    def abs(x: Traced) -> Traced:
        return abs(x)

    @staticmethod
    def sign(x: Traced) -> Traced:
        return x.graph.add("sign", x.shape, x)

    @staticmethod
    def astype(x: Traced, dtype: Any) -> Traced:
        del dtype
        return x.number()

    @staticmethod
    def where(condition: Traced, a: Any, b: Any) -> Traced:
        first, second = condition._other(a).number(), condition._other(b).number()
        shape = np.broadcast_shapes(condition.shape, first.shape, second.shape)
        return condition.graph.add("where", shape, condition, first, second)

    @staticmethod
    def sum(x: Traced, axis: int = -1, keepdims: bool = False) -> Traced:
        return _kept(_along("sum", x.number(), axis), axis, keepdims)

    @staticmethod
    def max(x: Traced, axis: int = -1, keepdims: bool = False) -> Traced:
        return _kept(_along("maximum", x, axis), axis, keepdims)

    @staticmethod
    def roll(x: Traced, shift: int, axis: int = -1) -> Traced:
        del shift, axis
        return x.graph.refuse("the responses of other streams", x.shape)

    @staticmethod
    def arange(count: int, device: Any = None) -> Any:
        del device
        return np.arange(count)


def _kept(x: Traced, axis: int, keepdims: bool) -> Traced:
    if not keepdims:
        return x
    assert axis == -1, "rules keep the last axis only"
    return x[..., None]

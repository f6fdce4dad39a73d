"""A graph of a rule's lines (plastic.rules.tracing) as a circuit in integers.

What the circuit cannot do (a logarithm, the weights of another layer) is written down as well, and refused only where
the modulator depends on it: many losses that are only shown need a logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plastic.hardware.program.arithmetic import OPERATIONS
from plastic.hardware.program.circuit import Node
from plastic.rules.rule import Shape
from plastic.rules.tracing import Traced

REASONS = {"roll": "the responses of other streams"}  # what these functions of numpy would need


def given(op: str, name: str, shape: Shape) -> Traced:
    """An input or a state; its shape is without the axis of chips."""
    return Traced(np.ones(shape), op, name=name)


def made(op: str, shape: Shape, x: Traced, axis: int) -> Traced:
    """An operation that the circuit has beside numpy's: pool or spread, over so many positions."""
    return Traced(np.ones(shape), op, (x,), {"axis": axis})


def out_of_reach(reason: str, shape: Shape) -> Traced:
    """Something that a chip's circuit cannot have."""
    return Traced(np.ones(shape), "impossible", name=reason)


@dataclass
class Graph:
    """Nodes of a circuit, and what is not possible about some of them."""

    nodes: list[Node] = field(default_factory=list)
    impossible: dict[int, str] = field(default_factory=dict)
    place: dict[Traced, int] = field(default_factory=dict)

    @classmethod
    def of(cls, roots: Iterable[Traced]) -> Graph:
        """All that these need, in the order in which the rule computes it."""
        graph, found, waiting = cls(), dict[Traced, None](), list(roots)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found[one] = None
                waiting += one.operands()
        for one in sorted(found, key=lambda x: x.number):
            graph.place[one] = graph._lowered(one)
        return graph

    def _add(self, op: str, *args: int, **more: Any) -> int:
        self.nodes.append(Node(op, args, **more))
        return len(self.nodes) - 1

    def _refuse(self, reason: str) -> int:
        self.impossible[len(self.nodes)] = reason
        return self._add("impossible")

    def _any(self, x: Any) -> int:
        """An argument: what is there already, or a constant."""
        if isinstance(x, Traced):
            return self.place[x]
        if np.size(x) != 1:
            return self._refuse("a constant array")
        return self._add("constant", value=float(np.asarray(x).item()))

    def _number(self, x: Any, index: int | None = None) -> int:
        """An argument that is to be a number, also where it is a truth value."""
        index = self._any(x) if index is None else index
        return self._add("from_truth", index) if _truth(x) else index

    def _lowered(self, x: Traced) -> int:
        if x.op in ("input", "state"):
            return self._add(x.op, name=x.name)
        if x.op == "impossible":
            return self._refuse(x.name)
        if x.op in LOWERED:
            return LOWERED[x.op](self, x)
        if x.op in SAME:
            return self._add(SAME[x.op], *map(self._any, x.arguments[:1]), **x.options)
        if x.op in REASONS:
            return self._refuse(REASONS[x.op])
        return self._add(x.op, *(self.place[one] for one in x.operands()))

    def _pair(self, op: str, a: Any, b: Any) -> int:
        first, second = self._any(a), self._any(b)
        return self._add(op, self._number(a, first), self._number(b, second))

    def _multiply(self, x: Traced) -> int:
        a, b = x.arguments if isinstance(x.arguments[0], Traced) else reversed(x.arguments)
        if _truth(a) or _truth(b):
            return self._add("mask", self._any(a), self._any(b))
        return self._pair("multiply", a, b)

    def _add_up(self, x: Traced) -> int:
        a, b = x.arguments if isinstance(x.arguments[0], Traced) else reversed(x.arguments)
        return self._pair("add", a, b)

    def _divide(self, x: Traced) -> int:
        """a²/b as a/(b/a): squares of what is counted would saturate."""
        a, b = x.arguments
        if isinstance(a, Traced) and a.op == "pow" and a.arguments[1] == 2:
            return self._add("divide", self.place[a.arguments[0]], self._pair("divide", b, a.arguments[0]))
        return self._pair("divide", a, b)

    def _power(self, x: Traced) -> int:
        base, power = x.arguments
        if power == 2:
            return self._pair("multiply", base, base)
        return self._add("sqrt" if power == 0.5 else f"power {power}", self._number(base))

    def _greater(self, x: Traced) -> int:
        """a > b, a < b, and the opposite of both."""
        a, b = x.arguments
        first, second = (self._any(a), self._any(b))
        if x.op in ("lt", "ge"):
            a, b, first, second = b, a, second, first
        found = self._add("greater", self._number(a, first), self._number(b, second))
        return self._add("invert", found) if x.op in ("ge", "le") else found

    def _getitem(self, x: Traced) -> int:
        array, key = x.arguments
        axis = {"(Ellipsis, None)": -1, "(Ellipsis, None, slice(None, None, None))": -2}.get(str(key))
        return (
            self._add("a part of an array", self._any(array))
            if axis is None
            else self._add("expand", self._any(array), axis=axis)
        )

    def _where(self, x: Traced) -> int:
        condition, a, b = x.arguments
        return self._add("where", self._any(condition), self._number(a), self._number(b))

    def _along(self, x: Traced) -> int:
        """A sum or a maximum over one axis, or a sum over some, counted from the end."""
        array = x.arguments[0]
        axis = x.options.get("axis", x.arguments[1] if len(x.arguments) > 1 else -1)
        found = self._number(array) if x.op == "sum" else self._any(array)
        left = array.value.ndim
        for one in sorted(axis if isinstance(axis, tuple) else (axis,)):
            found, left = self._add("sum" if x.op == "sum" else "maximum", found, axis=one % left - left), left - 1
        return self._add("expand", found, axis=axis) if x.options.get("keepdims") else found

    # --- what a circuit is asked ---

    def pruned(self, wanted: list[int]) -> tuple[tuple[Node, ...], dict[int, int]]:
        """The nodes that the wanted ones need, and where each of them is now."""
        needed = self.needed(wanted)
        place = {old: new for new, old in enumerate(needed)}
        return tuple(_moved(self.nodes[old], place) for old in needed), place

    def needed(self, wanted: list[int], valued: bool = False) -> list[int]:
        """Indices of the wanted nodes and all that they depend on, in order; valued: in value, not in shape alone, as
        what is multiplied with 0 is."""
        open_, reached = list(wanted), set(wanted)
        while open_:
            node = self.nodes[open_.pop()]
            factors = [self.nodes[arg] for arg in node.args] if node.op == "multiply" else []
            nothing = valued and any(factor.op == "constant" and factor.value == 0 for factor in factors)
            for arg in () if nothing else node.args:
                if arg not in reached:
                    reached.add(arg)
                    open_.append(arg)
        return sorted(reached)

    def why_not(self, wanted: list[int]) -> str | None:
        """What is not possible about the wanted nodes, in a few words; None if all is."""
        for index in self.needed(wanted):
            if index in self.impossible:
                return self.impossible[index]
            if self.nodes[index].op not in OPERATIONS:
                return f"the operation {self.nodes[index].op!r}"
        return None


def _truth(x: Any) -> bool:
    return isinstance(x, Traced) and x.truth


def _moved(node: Node, place: dict[int, int]) -> Node:
    return Node(node.op, tuple(place[arg] for arg in node.args), node.name, node.value, node.axis)


SAME = {  # operations of one array that the circuit has, too
    "transpose": "transpose", "abs": "absolute", "sign": "sign", "exp": "exp", "linalg.diagonal": "diagonal",
    "invert": "invert", "pool": "pool", "spread": "spread",
}  # fmt: skip
LOWERED: dict[str, Callable[[Graph, Traced], int]] = {
    "add": Graph._add_up,
    "sub": lambda graph, x: graph._pair("subtract", *x.arguments),
    "neg": lambda graph, x: graph._pair("subtract", 0.0, x.arguments[0]),
    "mul": Graph._multiply,
    "truediv": Graph._divide,
    "pow": Graph._power,
    "matmul": lambda graph, x: graph._pair("matmul", *x.arguments),
    "sqrt": lambda graph, x: graph._add("sqrt", graph._number(x.arguments[0])),
    "astype": lambda graph, x: graph._number(x.arguments[0]),
    **dict.fromkeys(("gt", "lt", "ge", "le"), Graph._greater),
    "getitem": Graph._getitem,
    "where": Graph._where,
    "sum": Graph._along,
    "max": Graph._along,
}

"""The modulatory circuit of a whole network as a list of operations.

A rule's one declaration of its third factor is compiled to a circuit (plastic.hardware.compiler.circuit): a
list of nodes, each an operation on nodes before it. The same list runs in two arithmetics: float64
(`Floating`), and `FixedPoint`, int64 with 24 bits after the point (plastic.hardware.program.arithmetic).

Signals are (chips, 1, n) and weights (chips, n, k).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .arithmetic import OPERATIONS, Arithmetic, Array

LEVELS = 7  # a modulator is one of −7 … 7
STEP = -8  # and is sent as 64 − 8 · level: times the mantissa −4 that is 32 · level, which a shift by 5 divides
UNTAGGED_MODULATOR = 127  # of one that changes weights during the stimulus: −127 … 127, and sent as it is
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
    """What the circuit sends to one layer: the node of the modulator, one number per unit. Of gate, loss, dendrite
    (−1: there is none) and the rule's own signals, which are only recorded, too. Of a step the gate is g of it."""

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
    """A signal that is kept until the next stimulus: state[name] = node."""

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
    circuit: Circuit, arithmetic: Arithmetic, inputs: Mapping[str, Array], state: Mapping[str, Array],
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
        spikes = node.op == "input" and node.name.startswith(("spike", "arriving"))
        state = node.op == "state" and node.name.startswith(STEP_STATE)
        if spikes or state or not found.isdisjoint(node.args):
            found.add(index)
    return found

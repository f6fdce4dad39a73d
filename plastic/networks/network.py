"""A network as a value: Network(Input(16), Layer(128, Patches(2), rule=…), …, Readout(8)).

It prints as it is written, compares and hashes. What a layer leaves open is that of the simulation: the rule, the
neuron, the learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from plastic.errors import PlasticError
from plastic.networks.projections import Dense, Projection, number, shown
from plastic.rules import Rule, load_rule, split_options

RUN, FIXED = "run", "none"  # a layer's rule: that of the simulation; the one that does not learn, which is None here
PARTS = "a network is an Input, then Layers from the bottom up, then a Readout"


def _whole(value: Any, what: str) -> None:
    if not number(value, int) or value < 1:
        raise PlasticError(f"{what} is {value!r}; it must be a whole number above 0.")


def _rate(value: Any, what: str) -> float | None:
    if value is None:
        return None
    if not (number(value) and value > 0):
        raise PlasticError(
            f"the learning rate of {what} is {value!r}; it must be a number above 0 (a layer of rule None is fixed)."
        )
    return float(value)


@dataclass(frozen=True, repr=False)
class Input:
    """The input neurons, `units` in all; positions: the places that they are grouped in, of a string or an image (None:
    as the task has them)."""

    units: int
    positions: int | None = None

    def __post_init__(self) -> None:
        _whole(self.units, "the number of input neurons")
        if self.positions is not None:
            _whole(self.positions, "the number of positions of the input")
            if self.units % self.positions:
                raise PlasticError(f"{self.units} input neurons do not divide into {self.positions} positions.")

    def __repr__(self) -> str:
        return shown(self)


@dataclass(frozen=True, repr=False)
class Layer:
    """`neurons` at each position of the layer, and their incoming projection.

    rule: a value, a name ("vicreg", "vicreg:sides=both"), a file ("my_rule.py:MyRule"), None (the weights are fixed: it
    answers and does not learn), or "run": that of the simulation. learning_rate: η of the layer and of its circuit, in
    the place of the run's. neuron, recurrent, lateral: not built yet.
    """

    neurons: int
    projection: Projection = Dense()  # noqa: RUF009 (a frozen value)
    rule: Rule | str | None = field(default=RUN, kw_only=True)
    learning_rate: float | None = field(default=None, kw_only=True)
    neuron: Any = field(default=None, kw_only=True)
    recurrent: Projection | None = field(default=None, kw_only=True)
    lateral: Projection | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _whole(self.neurons, "the number of neurons of a layer")
        if not isinstance(self.projection, Projection):
            raise PlasticError(
                f"the projection of a layer is {self.projection!r}; it must be Dense(), Patches(…), Sparse(…) or "
                "Convolution(…)."
            )
        object.__setattr__(self, "learning_rate", _rate(self.learning_rate, "a layer"))
        for name in ("neuron", "recurrent", "lateral"):
            if (value := getattr(self, name)) is not None:
                raise PlasticError(
                    f"a layer has {name}={value!r}, which is not built yet: networks are feed-forward, and all neurons "
                    f"are those of the simulation; leave {name} out."
                )
        object.__setattr__(self, "rule", _rule(self.rule))
        if self.rule is None and self.learning_rate is not None:
            raise PlasticError("a layer of rule None is fixed, so its learning_rate means nothing; leave one out.")

    def __repr__(self) -> str:
        return shown(self)


def _rule(given: Any) -> Any:
    """As a value, but for one in a file, which is read where the rule is needed."""
    if given is None or given == RUN:
        return given
    if isinstance(given, Rule):
        return None if given.name == FIXED else given
    if not isinstance(given, str):
        raise PlasticError(f"the rule of a layer is {given!r}; it must be a rule, a name, FILE.py:CLASS or None.")
    return given if ".py:" in given else _rule(load_rule(*split_options(given)))


@dataclass(frozen=True, repr=False)
class Readout:
    """softmax(W z) of the top layer, for rules that read its error; learning_rate: as of a layer."""

    classes: int
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        _whole(self.classes, "the number of classes of the readout")
        object.__setattr__(self, "learning_rate", _rate(self.learning_rate, "the readout"))

    def __repr__(self) -> str:
        return shown(self)


@dataclass(frozen=True, init=False, repr=False)
class Network:
    """Network(Input(…), Layer(…), …, Readout(…)); without a Readout it has one of as many classes as the task.

    Raises PlasticError where the parts do not follow one another.
    """

    input: Input
    layers: tuple[Layer, ...]
    readout: Readout | None

    def __init__(self, *parts: Input | Layer | Readout) -> None:
        first, *rest = parts or (None,)
        last = rest.pop() if rest and isinstance(rest[-1], Readout) else None
        if not isinstance(first, Input):
            raise PlasticError(f"the first part of a network is {first!r}; {PARTS}.")
        if wrong := [one for one in rest if not isinstance(one, Layer)]:
            raise PlasticError(f"a network has {wrong[0]!r} between its Input and its Readout; {PARTS}.")
        if not rest:
            raise PlasticError(f"a network has no Layer; {PARTS}.")
        object.__setattr__(self, "input", first)
        object.__setattr__(self, "layers", tuple(rest))
        object.__setattr__(self, "readout", last)

    def __repr__(self) -> str:
        parts = (self.input, *self.layers, *([self.readout] if self.readout is not None else []))
        return f"Network({', '.join(map(repr, parts))})"

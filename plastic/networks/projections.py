"""How a layer is connected to the one below: all to all, in patches, by a convolution, or sparsely.

What all have:

bounds   (low, high): no weight of it is ever less or more, in thresholds; beside the run's --weight-bound.
sign     Dale's law: "excitatory" (no weight below 0) or "inhibitory" (none above); of a fraction, that part of the
         neurons below, the first of them, is excitatory and the rest inhibitory; or +1 and −1 for each neuron below.
         It is kept exactly, from the first weight on.
scale    of the initial weights: their standard deviation is this times √(2/inputs). None: as the run draws them
         (spiking networks at --initial-rate).
delay    in steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from plastic.errors import PlasticError

Sign = Literal["excitatory", "inhibitory"] | float | tuple[int, ...] | None
Bounds = tuple[float, float] | None
SIGNS = ("excitatory", "inhibitory")


def shown(value: Any) -> str:
    """As it is written, without what has its default."""
    positional, parts = True, []
    for one in sorted(fields(value), key=lambda one: bool(one.kw_only)):
        if (found := getattr(value, one.name)) == one.default:
            positional = False  # those behind it need their names
        else:
            parts.append(repr(found) if positional and not one.kw_only else f"{one.name}={found!r}")
    return f"{type(value).__name__}({', '.join(parts)})"


def number(value: Any, kind: type = float) -> bool:
    """Whether it is a finite number, or a whole one."""
    right = isinstance(value, int) if kind is int else isinstance(value, int | float)
    return right and not isinstance(value, bool) and math.isfinite(value)


@dataclass(frozen=True, repr=False, kw_only=True)
class Projection:
    """Base of all projections; raises PlasticError for values that cannot be."""

    bounds: Bounds = None
    sign: Sign = None
    scale: float | None = None
    delay: int = 1

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.bounds is not None:
            pair = tuple(self.bounds)
            numbers = all(isinstance(x, int | float) and not isinstance(x, bool) and x == x for x in pair)
            if len(pair) != 2 or not numbers or not pair[0] < pair[1]:
                raise PlasticError(f"the bounds of {name} are {self.bounds!r}; they must be (low, high), low < high.")
            object.__setattr__(self, "bounds", (float(pair[0]), float(pair[1])))
        if self.scale is not None:
            if not (number(self.scale) and self.scale > 0):
                raise PlasticError(f"the scale of {name} is {self.scale!r}; it must be a number above 0.")
            object.__setattr__(self, "scale", float(self.scale))
        if not number(self.delay, int) or self.delay < 1:
            raise PlasticError(f"the delay of {name} is {self.delay!r}; it must be a whole number of steps from 1 on.")
        if self.delay != 1:
            raise PlasticError(
                f"{name} has a delay of {self.delay} steps, which is not built yet: every projection takes one; "
                "leave delay out."
            )
        self._check_sign(name)

    def __repr__(self) -> str:
        return shown(self)

    def _check_sign(self, name: str) -> None:
        sign: Any = self.sign
        if isinstance(sign, list | tuple):
            object.__setattr__(self, "sign", tuple(sign))
            right = bool(sign) and all(one in (1, -1) and number(one, int) for one in sign)
        else:
            right = sign is None or sign in SIGNS if isinstance(sign, str | None) else number(sign) and 0 <= sign <= 1
        if not right:
            raise PlasticError(
                f"the sign of {name} is {sign!r}; it must be 'excitatory', 'inhibitory', a fraction from 0 to 1 of "
                "excitatory neurons, or +1 or -1 for each neuron below."
            )
        if number(sign):
            object.__setattr__(self, "sign", float(sign))


@dataclass(frozen=True, repr=False)
class Dense(Projection):
    """Every unit below to every neuron."""


@dataclass(frozen=True, repr=False)
class Patches(Projection):
    """Patches of `branching` neighbouring positions, side by side: a neuron of a position sees all units of its own."""

    branching: int
    shared: bool = True  # positions share their weights, or each has its own

    def __post_init__(self) -> None:
        Projection.__post_init__(self)
        if not number(self.branching, int) or self.branching < 1:
            raise PlasticError(f"Patches has a branching of {self.branching!r}; it must be a whole number above 0.")
        if not isinstance(self.shared, bool):
            raise PlasticError(f"Patches has shared={self.shared!r}; it must be True or False.")


@dataclass(frozen=True, repr=False)
class Sparse(Projection):
    """Some of all synapses: each is there with a probability (drawn from the run's seed), or those of `indices` are,
    pairs (unit below, neuron)."""

    probability: float | None = None
    indices: tuple[tuple[int, int], ...] | None = None

    def __post_init__(self) -> None:
        Projection.__post_init__(self)
        if (self.probability is None) == (self.indices is None):
            raise PlasticError("Sparse takes a probability or indices, one of them: Sparse(0.1).")
        if self.probability is not None:
            if not (number(self.probability) and 0 < self.probability <= 1):
                raise PlasticError(
                    f"Sparse has a probability of {self.probability!r}; it must be above 0, and 1 at most."
                )
            object.__setattr__(self, "probability", float(self.probability))
        if self.indices is None:
            return
        pairs = tuple(tuple(pair) if isinstance(pair, list | tuple) else (pair,) for pair in self.indices)
        if not pairs or not all(len(pair) == 2 and all(number(i, int) and i >= 0 for i in pair) for pair in pairs):
            raise PlasticError("the indices of Sparse must be pairs (unit below, neuron) of whole numbers from 0 on.")
        if len(set(pairs)) < len(pairs):
            raise PlasticError("the indices of Sparse name a pair twice; a synapse is there once.")
        object.__setattr__(self, "indices", pairs)


@dataclass(frozen=True, repr=False)
class Convolution(Projection):
    """kernel × kernel patches of a square map, stride 1, zeros around it; then max-pooling over pool × pool.

    Modulatory circuits and probes see cells × cells means of the pooled map; with `whole_circuit` circuits see every
    unit (None: where the layer's rule is broadcast, which needs that).
    """

    kernel: int = 3
    pool: int = 1
    cells: int = 1
    whole_circuit: bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        Projection.__post_init__(self)
        for name in ("kernel", "pool", "cells"):
            value = getattr(self, name)
            if not number(value, int) or value < 1:
                raise PlasticError(f"Convolution has {name}={value!r}; it must be a whole number above 0.")
        if self.kernel % 2 == 0:
            raise PlasticError(f"Convolution has a kernel of {self.kernel}, which has no middle; take an odd one.")


KINDS: dict[str, type[Projection]] = {
    "dense": Dense, "patches": Patches, "sparse": Sparse, "convolution": Convolution,
}  # fmt: skip

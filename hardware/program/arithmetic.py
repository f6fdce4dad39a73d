"""The arithmetic of a modulatory circuit: float64 (`Floating`), and int64 with 24 bits after the point (`FixedPoint`).

Signals are (chips, 1, n) and weights (chips, n, k).
"""

from __future__ import annotations

from typing import Any

import numpy as np

FRACTION = 24  # bits after the point
ONE = 1 << FRACTION
HALF = ONE >> 1
BOUND = 32 * ONE  # circuit weights saturate at ± 32
LIMIT = (1 << 38) - 1  # all numbers saturate at ± 2^14
SAFE = 2.0**62  # products below are exact in int64
Array = Any  # numpy.ndarray, of int64 or float64 as the arithmetic has it


class _Shared:
    """Operations that are the same in both arithmetics. Truth values are 0 and 1 and are no numbers."""

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
    def maximum(a: Array, axis: int) -> Array:
        return a.max(axis)

    @staticmethod
    def expand(a: Array, axis: int) -> Array:
        return np.expand_dims(a, axis)

    @staticmethod
    def spread(a: Array, axis: int) -> Array:
        """The same for each of `axis` positions: (…, n) to (…, positions · n)."""
        return np.tile(a, axis)


class Floating(_Shared):
    """float64: what the fixed point is measured against, and the arithmetic of Lava's floating-point model."""

    number = staticmethod(np.float64)
    add = staticmethod(np.add)
    subtract = staticmethod(np.subtract)
    multiply = staticmethod(np.multiply)
    matmul = staticmethod(np.matmul)
    exp = staticmethod(np.exp)
    sqrt = staticmethod(np.sqrt)

    @staticmethod
    def sum(a: Array, axis: int) -> Array:
        return a.sum(axis)

    @staticmethod
    def pool(a: Array, axis: int) -> Array:
        """The sum over `axis` positions: (…, positions · n) to (…, n)."""
        return _pooled(a, axis)

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
    def ratio(a: Array, b: int) -> Array:
        """Whole numbers by a whole number."""
        return a / b

    @staticmethod
    def bounded(weight: Array) -> Array:
        return weight

    @staticmethod
    def grown(weight: Array, post: Array, pre: Array) -> Array:
        return weight + post * pre


def _pooled(a: Array, positions: int) -> Array:
    return a.reshape(*a.shape[:-1], positions, -1).sum(-2)


def saturated(a: Array) -> Array:
    return np.minimum(np.maximum(a, -LIMIT), LIMIT)


def _whole(operation: Any, a: Array, b: Array, size: Array) -> Array:
    """The product of a and b to the nearest, saturated; `size`: in float64, what it stays below."""
    if np.max(size, initial=0) < SAFE:
        return saturated((operation(a, b) + HALF) >> FRACTION)
    exact = (operation(np.asarray(a, object), np.asarray(b, object)) + HALF) >> FRACTION  # Python's own integers
    return np.asarray(saturated(exact), np.int64)


# 2^f = Σ_k (ln 2)^k / k! · f^k, with 30 bits after the point
_EXP2 = [round(c * 2**30) for c in (
    1.0, 0.6931471805599453, 0.2402265069591007, 0.05550410866482158, 0.009618129107628477, 0.001333355814642844,
    0.0001540353039338161, 1.525273380405984e-05, 1.321548679014431e-06, 1.01780860092397e-07,
)]  # fmt: skip
_LOG2E = round(1.4426950408889634 * ONE)


class FixedPoint(_Shared):
    """int64 with 24 bits after the point; products round to nearest, quotients down.

    Numbers saturate at ± 2^14, so that nothing wraps around; a quotient by zero is 0.
    """

    @staticmethod
    def number(value: float) -> Array:
        return np.int64(min(max(round(value * ONE), -LIMIT), LIMIT))

    @staticmethod
    def add(a: Array, b: Array) -> Array:
        return saturated(a + b)

    @staticmethod
    def subtract(a: Array, b: Array) -> Array:
        return saturated(a - b)

    @staticmethod
    def sum(a: Array, axis: int) -> Array:
        return saturated(a.sum(axis))

    @staticmethod
    def pool(a: Array, axis: int) -> Array:
        """As of Floating."""
        return saturated(_pooled(a, axis))

    @staticmethod
    def multiply(a: Array, b: Array) -> Array:
        return _whole(np.multiply, a, b, np.abs(np.multiply(a, b, dtype=np.float64)))

    @staticmethod
    def matmul(a: Array, b: Array) -> Array:
        return _whole(np.matmul, a, b, np.matmul(np.abs(a).astype(np.float64), np.abs(b).astype(np.float64)))

    @staticmethod
    def from_truth(a: Array) -> Array:
        return a << FRACTION

    @staticmethod
    def sign(a: Array) -> Array:
        return np.sign(a) << FRACTION

    @staticmethod
    def divide(a: Array, b: Array) -> Array:
        return saturated(np.where(b == 0, 0, (a << FRACTION) // np.where(b == 0, 1, b)))

    @staticmethod
    def exp(a: Array) -> Array:
        """2^(a · log2 e): the whole part shifts, the fraction goes through a polynomial."""
        power = (a * _LOG2E) >> FRACTION
        whole, fraction = power >> FRACTION, power & (ONE - 1)
        result = np.full_like(fraction, _EXP2[-1])
        for coefficient in reversed(_EXP2[:-1]):
            result = coefficient + ((result * fraction) >> FRACTION)
        shift = 30 - FRACTION - whole
        return saturated(np.where(shift >= 0, result >> np.clip(shift, 0, 62), result << np.clip(-shift, 0, 14)))

    @staticmethod
    def sqrt(a: Array) -> Array:
        """Whole root of a · 2^24, bit by bit."""
        rest, root = np.clip(a, 0, LIMIT) << FRACTION, np.zeros_like(a)
        for bit in range(60, -1, -2):
            trial = root + (1 << bit)
            fits = rest >= trial
            rest = np.where(fits, rest - trial, rest)
            root = np.where(fits, (root >> 1) + (1 << bit), root >> 1)
        return root

    @staticmethod
    def ratio(a: Array, b: int) -> Array:
        return (a.astype(np.int64) << FRACTION) // b

    @staticmethod
    def bounded(weight: Array) -> Array:
        return np.clip(weight, -BOUND, BOUND)

    @staticmethod
    def grown(weight: Array, post: Array, pre: Array) -> Array:
        """weight + post ⊗ pre, up to ± 32: (chips, n, k), (chips, n, 1) and (chips, 1, k)."""
        return FixedPoint.bounded(weight + FixedPoint.multiply(post, pre))


Arithmetic = type[Floating] | type[FixedPoint]
HOST = ("number", "ratio", "bounded", "grown")  # what no node does
OPERATIONS = frozenset({"input", "state", "constant"}) | {
    name for name in dir(FixedPoint) if not name.startswith("_") and name not in HOST
}

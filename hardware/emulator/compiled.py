"""The circuit's fixed point, compiled by numba where matrices make it slow; the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, njit, vectorize

from plastic.hardware.program.arithmetic import BOUND, FRACTION, HALF, LIMIT, SAFE, Array, FixedPoint


@vectorize([int64(int64, int64)], cache=True)
def _product(a: Any, b: Any) -> Any:
    if abs(float(a) * float(b)) < SAFE:
        return min(max((a * b + HALF) >> FRACTION, -LIMIT), LIMIT)
    return LIMIT if (a > 0) == (b > 0) else -LIMIT


@vectorize([int64(int64, int64)], cache=True)
def _sum(a: Any, b: Any) -> Any:
    return min(max(a + b, -LIMIT), LIMIT)


@vectorize([int64(int64, int64)], cache=True)
def _difference(a: Any, b: Any) -> Any:
    return min(max(a - b, -LIMIT), LIMIT)


@vectorize([int64(int64, int64)], cache=True)
def _quotient(a: Any, b: Any) -> Any:
    return 0 if b == 0 else min(max((a << FRACTION) // b, -LIMIT), LIMIT)


class NumbaCircuit(FixedPoint):
    """FixedPoint whose sums, products, quotients, products of a row with a matrix and outer products are compiled."""

    add = staticmethod(_sum)
    subtract = staticmethod(_difference)
    multiply = staticmethod(_product)
    divide = staticmethod(_quotient)

    @staticmethod
    def matmul(a: Array, b: Array) -> Array:
        if a.ndim != 3 or b.ndim != 3 or a.shape[1] != 1:
            return FixedPoint.matmul(a, b)
        result = np.empty((len(a), 1, b.shape[2]), np.int64)
        if b.strides[1] < b.strides[2]:  # a transposed matrix: its columns lie together
            safe = _columns(a[:, 0], b.swapaxes(1, 2), result[:, 0])
        else:
            safe = _rows(a[:, 0], b, result[:, 0])
        return result if safe else FixedPoint.matmul(a, b)

    @staticmethod
    def grown(weight: Array, post: Array, pre: Array) -> Array:
        """In place."""
        if float(np.abs(post).max()) * float(np.abs(pre).max()) >= SAFE:
            weight[...] = FixedPoint.grown(weight, post, pre)
        else:
            _grow(weight, post[:, :, 0], pre[:, 0])
        return weight


@njit(cache=True)
def _columns(x: Any, columns: Any, result: Any) -> bool:
    """Whether nothing left 62 bits."""
    for chip in range(len(x)):
        size, largest = np.abs(x[chip]).astype(np.float64).sum(), np.int64(0)
        for i in range(columns.shape[1]):
            total = np.int64(0)
            for j in range(columns.shape[2]):
                total += x[chip, j] * columns[chip, i, j]
                largest = max(largest, abs(columns[chip, i, j]))
            result[chip, i] = min(max((total + HALF) >> FRACTION, -LIMIT), LIMIT)
        if size * largest >= SAFE:
            return False
    return True


@njit(cache=True)
def _rows(x: Any, matrix: Any, result: Any) -> bool:
    """Whether nothing left 62 bits."""
    for chip in range(len(x)):
        size, largest = np.abs(x[chip]).astype(np.float64).sum(), np.int64(0)
        result[chip] = HALF
        for j in range(matrix.shape[1]):
            if x[chip, j] != 0:
                for i in range(matrix.shape[2]):
                    result[chip, i] += x[chip, j] * matrix[chip, j, i]
                    largest = max(largest, abs(matrix[chip, j, i]))
        for i in range(matrix.shape[2]):
            result[chip, i] = min(max(result[chip, i] >> FRACTION, -LIMIT), LIMIT)
        if size * largest >= SAFE:
            return False
    return True


@njit(cache=True)
def _grow(weight: Any, post: Any, pre: Any) -> None:
    """In place."""
    for chip in range(len(weight)):
        for i in range(weight.shape[1]):
            if post[chip, i] != 0:
                for j in range(weight.shape[2]):
                    value = weight[chip, i, j] + ((post[chip, i] * pre[chip, j] + HALF) >> FRACTION)
                    weight[chip, i, j] = min(max(value, -BOUND), BOUND)

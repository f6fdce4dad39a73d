"""The circuit's fixed point, compiled by numba where matrices make it slow; the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from plastic.hardware.arithmetic import BOUND, FRACTION, HALF, Array, FixedPoint


class Compiled(FixedPoint):
    """FixedPoint whose products of a row with a matrix, and outer products, are compiled."""

    @staticmethod
    def matmul(a: Array, b: Array) -> Array:
        if a.ndim != 3 or b.ndim != 3 or a.shape[1] != 1:
            return FixedPoint.matmul(a, b)
        result = np.empty((len(a), 1, b.shape[2]), np.int64)
        if b.strides[1] < b.strides[2]:  # a transposed matrix: its columns lie together
            _columns(a[:, 0], b.swapaxes(1, 2), result[:, 0])
        else:
            _rows(a[:, 0], b, result[:, 0])
        return result

    @staticmethod
    def grown(weight: Array, post: Array, pre: Array) -> Array:
        _grow(weight, post[:, :, 0], pre[:, 0])
        return weight


@njit(cache=True)
def _columns(x: Any, columns: Any, result: Any) -> None:
    for chip in range(len(x)):
        for i in range(columns.shape[1]):
            total = np.int64(0)
            for j in range(columns.shape[2]):
                total += x[chip, j] * columns[chip, i, j]
            result[chip, i] = (total + HALF) >> FRACTION


@njit(cache=True)
def _rows(x: Any, matrix: Any, result: Any) -> None:
    for chip in range(len(x)):
        result[chip] = HALF
        for j in range(matrix.shape[1]):
            if x[chip, j] != 0:
                for i in range(matrix.shape[2]):
                    result[chip, i] += x[chip, j] * matrix[chip, j, i]
        for i in range(matrix.shape[2]):
            result[chip, i] >>= FRACTION


@njit(cache=True)
def _grow(weight: Any, post: Any, pre: Any) -> None:
    """In place."""
    for chip in range(len(weight)):
        for i in range(weight.shape[1]):
            if post[chip, i] != 0:
                for j in range(weight.shape[2]):
                    value = weight[chip, i, j] + ((post[chip, i] * pre[chip, j] + HALF) >> FRACTION)
                    weight[chip, i, j] = min(max(value, -BOUND), BOUND)

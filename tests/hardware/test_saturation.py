"""The fixed point of circuits at its ends: every operation against Python's own integers, which have none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.hardware.arithmetic import BOUND, FRACTION, HALF, LIMIT, ONE, FixedPoint
from plastic.hardware.fast import Compiled

pytestmark = pytest.mark.filterwarnings("error")  # of numpy: an overflow
compiling = settings(deadline=None)
ARITHMETICS = [FixedPoint, Compiled]
numbers = st.one_of(
    st.integers(-LIMIT, LIMIT),
    st.integers(0, 38).flatmap(lambda bits: st.integers(-(2**bits), 2**bits)).map(lambda x: max(min(x, LIMIT), -LIMIT)),
    st.sampled_from([0, 1, -1, ONE, -ONE, LIMIT, -LIMIT]),
)
rows = st.lists(numbers, min_size=3, max_size=3)


def saturated(x: int) -> int:
    return max(min(x, LIMIT), -LIMIT)


def rounded(x: int) -> int:
    """A product with 48 bits after the point, with 24: to the nearest."""
    return (x + HALF) >> FRACTION


def array(*values: int) -> Any:
    return np.array([[list(values)]], np.int64)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@compiling
@given(a=numbers, b=numbers)
def test_sums_products_and_quotients(arithmetic: Any, a: int, b: int) -> None:
    expected = {
        "add": a + b, "subtract": a - b, "multiply": rounded(a * b), "divide": (a << FRACTION) // b if b else 0,
    }  # fmt: skip
    for name, value in expected.items():
        assert getattr(arithmetic, name)(array(a), array(b)).item() == saturated(value)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@compiling
@given(x=rows, first=rows, second=rows)
def test_matrices_and_sums_along_an_axis(arithmetic: Any, x: list[int], first: list[int], second: list[int]) -> None:
    columns = np.array([[first, second]], np.int64)
    expected = [saturated(rounded(sum(a * b for a, b in zip(x, one, strict=True)))) for one in (first, second)]
    assert arithmetic.matmul(array(*x), columns.swapaxes(1, 2)).ravel().tolist() == expected
    assert arithmetic.matmul(array(*x), np.ascontiguousarray(columns.swapaxes(1, 2))).ravel().tolist() == expected
    assert arithmetic.sum(array(*x), -1).item() == saturated(sum(x))
    assert arithmetic.pool(array(*x), 3).item() == saturated(sum(x))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@compiling
@given(weight=st.integers(-BOUND, BOUND), post=numbers, pre=numbers)
def test_weights_of_a_circuit(arithmetic: Any, weight: int, post: int, pre: int) -> None:
    expected = max(min(weight + saturated(rounded(post * pre)), BOUND), -BOUND)
    assert arithmetic.grown(array(weight), array(post), array(pre)).item() == expected


@compiling
@given(a=st.integers(0, LIMIT))
def test_roots(a: int) -> None:
    assert FixedPoint.sqrt(array(a)).item() == math.isqrt(a << FRACTION)


def test_what_used_to_wrap_around_stays_at_the_end() -> None:
    """200 · 200 was −25536 while products had 63 bits and no more."""
    big = FixedPoint.number(200.0).reshape(1, 1, 1)
    for arithmetic in ARITHMETICS:
        assert arithmetic.multiply(big, big).item() == arithmetic.multiply(-big, -big).item() == LIMIT
        assert arithmetic.multiply(big, -big).item() == -LIMIT
    powers = [FixedPoint.exp(array(round(x * ONE))).item() for x in (5.0, 9.0, 9.7, 10.0, 15.0, 20.0, 1000.0)]
    assert powers == sorted(powers)
    assert powers[-1] == LIMIT
    assert abs(powers[1] / ONE / math.exp(9.0) - 1) < 1e-6
    assert FixedPoint.number(-1e30) == -LIMIT

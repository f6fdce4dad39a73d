"""The fixed point of circuits at its ends: every operation against Python's own integers, which have none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.hardware.emulator.compiled import NumbaCircuit
from plastic.hardware.program.arithmetic import BOUND, FRACTION, HALF, LIMIT, ONE, FixedPoint, Floating

pytestmark = pytest.mark.filterwarnings("error")  # of numpy: an overflow
compiling = settings(deadline=None)
ARITHMETICS = [FixedPoint, NumbaCircuit]
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


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_matrices_of_several_rows_and_chips(arithmetic: Any) -> None:
    random = np.random.default_rng(3)
    a, b = random.integers(-3 * ONE, 3 * ONE, (2, 4, 5)), random.integers(-3 * ONE, 3 * ONE, (2, 5, 3))
    exact = np.matmul(a.astype(object), b.astype(object))
    assert np.array_equal(arithmetic.matmul(a, b), np.vectorize(rounded)(exact))
    assert arithmetic.matmul(a[:, :1], b).tolist() == arithmetic.matmul(a, b)[:, :1].tolist()


@pytest.mark.parametrize("arithmetic", [*ARITHMETICS, Floating])
def test_positions_are_pooled_and_spread(arithmetic: Any) -> None:
    signal = np.arange(12, dtype=np.int64).reshape(2, 1, 6) * ONE
    assert (arithmetic.pool(signal, 3) // ONE).tolist() == [[[0 + 2 + 4, 1 + 3 + 5]], [[6 + 8 + 10, 7 + 9 + 11]]]
    assert (arithmetic.spread(signal[..., :2], 3) // ONE).tolist() == [[[0, 1] * 3], [[6, 7] * 3]]


def test_what_the_host_does_is_the_same_in_floating_point() -> None:
    random = np.random.default_rng(4)
    weight, post, pre = (random.normal(size=size) for size in ((2, 4, 3), (2, 4, 1), (2, 1, 3)))
    whole = [np.round(x * ONE).astype(np.int64) for x in (weight, post, pre)]
    exact = weight + np.einsum("eik,ekj->eij", post, pre)
    np.testing.assert_allclose(Floating.grown(weight, post, pre), exact, rtol=1e-14)
    np.testing.assert_allclose(FixedPoint.grown(*whole) / ONE, exact, atol=1e-6)
    count = np.array([[7, -5]])
    assert Floating.ratio(count, 4).tolist() == (FixedPoint.ratio(count, 4) / ONE).tolist() == [[1.75, -1.25]]
    assert Floating.bounded(np.array([40.0])).tolist() == [40.0]
    assert FixedPoint.bounded(np.array([40 * ONE, -40 * ONE, 7])).tolist() == [BOUND, -BOUND, 7]


def test_powers_of_e_from_the_smallest_to_the_largest() -> None:
    x = np.round(np.linspace(-20, 9.7, 4001) * ONE).astype(np.int64)
    exact = np.exp(x / ONE)
    assert (np.abs(FixedPoint.exp(x) / ONE - exact) <= 1e-6 * exact + 1 / ONE).all()


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

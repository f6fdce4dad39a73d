"""Values to spikes: rates, counts, spacing and order, against what they are defined to be."""

from __future__ import annotations

from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plastic.stimuli.coding import Coding, encode
from plastic.stimuli.random import generator

CODINGS = get_args(Coding)


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    steps=st.integers(1, 40),
    coding=st.sampled_from(CODINGS),
    rate=st.floats(0, 1),
)
def test_spikes_are_zero_or_one_and_a_zero_is_silent(
    values: list[float], steps: int, coding: Coding, rate: float
) -> None:
    spikes = encode(np.array([[*values, 0.0]]), steps, coding, rate, generator(0, "spikes"))
    assert spikes.shape == (steps, 1, len(values) + 1)
    assert spikes.dtype == np.uint8
    assert set(np.unique(spikes)) <= {0, 1}
    assert not spikes[..., -1].any()


def test_poisson_spikes_at_rate_times_value() -> None:
    values, rate, steps = np.linspace(0, 1, 11)[None], 0.5, 40_000
    spikes = encode(values, steps, "poisson", rate, generator(1, "spikes"))
    expected = rate * values
    error = np.sqrt(expected * (1 - expected) / steps) + 1e-5  # 2^-17 is the resolution of the probability
    assert (np.abs(spikes.mean(0) - expected) < 4.5 * error).all()
    assert spikes.mean() > 0.2


def test_poisson_steps_and_neurons_are_independent() -> None:
    spikes = encode(np.full((2, 3), 0.5), 20_000, "poisson", 1.0, generator(2, "spikes")).reshape(20_000, 6)
    across = np.corrcoef(spikes.T) - np.eye(6)
    along = [np.corrcoef(s[1:], s[:-1])[0, 1] for s in spikes.T]
    assert np.abs(across).max() < 0.04  # 5.6 standard errors
    assert np.abs(along).max() < 0.04


def test_poisson_at_probability_one_never_fails() -> None:
    assert encode(np.ones((3, 50)), 400, "poisson", 1.0, generator(3, "spikes")).all()


@given(numerator=st.integers(0, 60), denominator=st.integers(1, 60), steps=st.integers(1, 120))
@example(numerator=1, denominator=49, steps=100)  # 49 · (1/49) < 1 in floating point
@example(numerator=1, denominator=10, steps=10)
def test_regular_has_the_exact_count_and_even_spacing(numerator: int, denominator: int, steps: int) -> None:
    probability = min(Fraction(numerator, denominator), Fraction(1))
    spikes = encode(np.array([[float(probability)]]), steps, "regular", 1.0, generator(0, "spikes"))[:, 0, 0]
    assert spikes.sum() == probability * steps // 1  # exact in fractions
    gaps = np.diff(np.flatnonzero(spikes))
    if len(gaps):
        period = 1 / probability
        assert set(gaps.tolist()) <= {period // 1, -(-period // 1)}  # the period rounded down or up


def test_latency_is_one_spike_the_earlier_the_larger_the_value() -> None:
    steps = 21
    values = np.linspace(1, 0, steps)[None]  # one step of time per step of value
    spikes = encode(values, steps, "latency", 0.1, generator(0, "spikes"))[:, 0]
    assert np.array_equal(spikes[:, :-1], np.eye(steps)[:, :-1])
    assert not spikes[:, -1].any()  # zero: no spike at all, rather than the latest


@given(values=st.lists(st.floats(1e-3, 1), min_size=2, max_size=8))
def test_latency_keeps_the_order_of_values(values: list[float]) -> None:
    spikes = encode(np.array([values]), 30, "latency", 0.5, generator(0, "spikes"))[:, 0]
    assert (spikes.sum(0) == 1).all()
    first = spikes.argmax(0)
    assert all(first[i] <= first[j] for i, a in enumerate(values) for j, b in enumerate(values) if a >= b)


@pytest.mark.parametrize("change", [(1, "spikes", 5), (0, "probe-test", 5), (0, "spikes", 6)])
def test_draws_depend_on_seed_purpose_and_counter_alone(change: tuple[int, str, int]) -> None:
    values = np.full((4, 8), 0.5)

    def draw(seed: int, purpose: str, counter: int) -> np.ndarray:
        return encode(values, 30, "poisson", 0.7, generator(seed, purpose, counter))

    assert np.array_equal(draw(0, "spikes", 5), draw(0, "spikes", 5))
    assert not np.array_equal(draw(0, "spikes", 5), draw(*change))


@pytest.mark.parametrize("coding", ["regular", "latency"])
def test_the_other_codings_draw_nothing(coding: Coding) -> None:
    values = np.random.default_rng(0).random((2, 5))
    one, other = (encode(values, 16, coding, 0.5, generator(seed, "spikes")) for seed in (0, 1))
    assert one.any()
    assert np.array_equal(one, other)

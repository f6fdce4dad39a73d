"""The generator against Philox4x64-10 written out, so that a seed means the same everywhere."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plastic.stimuli.random import generator

WORD = 2**64


def philox(key: tuple[int, int], counter: list[int]) -> list[int]:
    """One block of Philox4x64-10 (Salmon et al. 2011, section 4.3), in Python integers."""
    first, second = key
    a, b, c, d = counter
    for _ in range(10):
        low, high = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = (high // WORD) ^ b ^ first, high % WORD, (low // WORD) ^ d ^ second, low % WORD
        first, second = (first + 0x9E3779B97F4A7C15) % WORD, (second + 0xBB67AE8584CAA73B) % WORD
    return [a, b, c, d]


def test_reference_gives_the_published_known_answer() -> None:
    # kat_vectors of Random123, philox4x64 10, all zero
    assert philox((0, 0), [0, 0, 0, 0]) == [
        0x16554D9ECA36314C,
        0xDB20FE9D672D0FDC,
        0xD7E772CEE186176B,
        0x7E68B68AEC7BA23B,
    ]


@given(seed=st.integers(0, WORD - 1), purpose=st.text(max_size=12), counter=st.integers(0, WORD - 1))
def test_generator_is_philox_of_seed_purpose_and_counter(seed: int, purpose: str, counter: int) -> None:
    key = (seed, zlib.crc32(purpose.encode()))
    expected = philox(key, [1, 0, 0, counter]) + philox(key, [2, 0, 0, counter])
    assert generator(seed, purpose, counter).bit_generator.random_raw(8).tolist() == expected


@pytest.mark.parametrize("other", [(1, "stream", 0), (0, "spikes", 0), (0, "stream", 1)])
def test_each_of_seed_purpose_and_counter_matters(other: tuple[int, str, int]) -> None:
    here, there = generator(0, "stream", 0).random(1000), generator(*other).random(1000)
    assert not np.isin(here, there).any()
    assert abs(np.corrcoef(here, there)[0, 1]) < 0.15  # 4.7 standard errors


def test_a_seed_is_taken_modulo_two_to_the_64_and_the_counter_begins_at_zero() -> None:
    for seed, same in ((-1, WORD - 1), (WORD + 5, 5), (3, 3)):
        drawn = [generator(seed, "stream"), generator(same, "stream", 0)]
        assert drawn[0].random(5).tolist() == drawn[1].random(5).tolist()


def test_numpys_global_state_does_not_enter() -> None:
    np.random.seed(1)
    first = generator(3, "stream").random(5)
    np.random.seed(2)
    assert np.array_equal(first, generator(3, "stream").random(5))

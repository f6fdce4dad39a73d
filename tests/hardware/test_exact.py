"""The emulator against Lava's fixed point, bit for bit: arithmetic, rounding, random streams, order of updates."""

from __future__ import annotations

from typing import Any

import pytest
from chips import TAG, WEIGHT, Agreement, compare, stimuli, two_layers

from plastic.hardware.program import Factor, Plasticity, Product

CASES: dict[str, dict[str, Any]] = {
    "stochastic": {"rounding": "stochastic"},
    "nearest": {"rounding": "nearest"},
    "six-bits": {"rounding": "stochastic", "bits": 6},
    "period-3": {"rounding": "stochastic", "period": 3},
    "synaptic-filter": {"rounding": "nearest", "current_decay": 2047, "threshold": 90},
    "three-factors-decay": {
        # without a tag, with a modulator of 0 in every step but the last, and weights that decay
        "rounding": "stochastic",
        "plasticity": Plasticity(
            (Product((Factor("x1"), Factor("y1", -64)), -3, -6), Product((Factor("w"), Factor("y2", -3)), -1, -6)),
            (), 20, 7, 0,
        ),
    },
    "negative-tags": {
        "rounding": "stochastic",
        "plasticity": Plasticity(WEIGHT, (Product((Factor("x1", -40), Factor("y2")), 5, -6), TAG[1]), 30, 5, 0),
    },
}  # fmt: skip


def alive(found: Agreement) -> None:
    """Agreement of silent networks, or of weights that stay, would say nothing."""
    assert all(0.02 < rate < 0.9 for rate in found.rates), found.rates
    assert all(moved > 0.1 for moved in found.moved), found.moved
    assert max(abs(m).max() for m in found.modulators) > 20


@pytest.mark.parametrize("name", CASES)
def test_emulator_and_lava_agree_bit_for_bit(name: str) -> None:
    program = two_layers(**CASES[name])
    found = compare(program, *stimuli(program, 8))
    assert found.differing == []
    alive(found)


def test_another_seed_is_another_run() -> None:
    """The random numbers enter: the same program with another seed rounds otherwise, and Lava with it."""
    program = two_layers("stochastic")
    given = stimuli(program, 5)
    one, other = (compare(program, *given, seed=seed) for seed in (0, 7))
    assert one.differing == other.differing == []
    assert (
        any((a != b).any() for a, b in zip(one.modulators, other.modulators, strict=True)) or one.moved != other.moved
    )

"""The emulator against Lava's fixed point, bit for bit: arithmetic, rounding, random streams, order of updates."""

from __future__ import annotations

from typing import Any

import pytest
from chips import TAG, WEIGHT, Agreement, compare, stimuli, two_layers

from plastic.hardware.program.spec import Factor, Plasticity, Term

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
            (Term((Factor("x1"), Factor("y1", -64)), -3, -6), Term((Factor("w"), Factor("y2", -3)), -1, -6)),
            (), 20, 7, 0,
        ),
    },
    "negative-tags": {
        "rounding": "stochastic",
        "plasticity": Plasticity(WEIGHT, (Term((Factor("x1", -40), Factor("y2")), 5, -6), TAG[1]), 30, 5, 0),
    },
}  # fmt: skip
LOUD = (Term((Factor("t"), Factor("y1", -64)), 7, 1),)  # up to the ends of a weight
SHARE = Term((Factor("y3"),), -7, -6)  # 7 in the learning step, where each of the three below adds about as much
ENDS: dict[str, dict[str, Any]] = {
    "tags": {"plasticity": Plasticity(WEIGHT, (Term((Factor("x1"), Factor("y2")), 7, -3), TAG[1]), 30, 10, 3)},
    "tags-of-both-signs": {
        "plasticity": Plasticity(WEIGHT, (Term((Factor("x1", -40), Factor("y2")), 7, -2), TAG[1]), 30, 5, 0),
    },
    "weights": {"plasticity": Plasticity(LOUD, TAG, 30, 10, 3)},
    "weights-of-six-bits": {"bits": 6, "plasticity": Plasticity(LOUD, TAG, 30, 10, 3)},
    "membranes-and-currents": {"exponent": 7, "current_decay": 0, "membrane_decay": 0, "threshold": 2**17 - 1},
    "currents-to-the-right": {"exponent": -2, "threshold": 12},
    "accumulators": {
        "plasticity": Plasticity(
            (Term((Factor("t"), Factor("y1", -64)), 7, 3), Term((Factor("y3"),), -7, -3)), TAG, 12, 10, 3
        ),
    },
    "factors": {
        "plasticity": Plasticity(
            (
                *WEIGHT, Term((Factor("y1", 60), Factor("y3")), 1, -7),
                Term((Factor("t", 480), Factor("y3")), 1, -7), Term((Factor("x1", 110), Factor("y3")), 1, -7),
                SHARE, SHARE, SHARE,
            ),
            TAG, 30, 10, 3,
        ),
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


def test_at_the_ends_of_its_numbers_the_emulator_is_lava_too() -> None:
    """Currents wrap around, membranes, tags, weights, accumulators and factors saturate."""
    found = {}
    for name, constants in ENDS.items():
        program = two_layers("stochastic", **constants)
        found[name] = compare(program, *stimuli(program, 6))
        assert found[name].differing == [], name
        assert all(0.02 < rate < 0.9 for rate in found[name].rates), (name, found[name].rates)
        assert all(moved > 0.1 for moved in found[name].moved), (name, found[name].moved)
    assert found["tags"].largest_tag == found["tags-of-both-signs"].largest_tag == 255
    assert found["tags-of-both-signs"].smallest_tag == -256
    ends = [w for layer in found["weights"].weights for w in (layer.min(), layer.max())]
    assert (min(ends), max(ends)) == (-256, 255)
    assert max(layer.max() for layer in found["weights-of-six-bits"].weights) == 252  # a multiple of 4
    assert found["membranes-and-currents"].membranes == (1 - 2**23, 2**23 - 1)


def test_another_seed_is_another_run() -> None:
    """The random numbers enter: the same program with another seed rounds otherwise, and Lava with it."""
    program = two_layers("stochastic")
    given = stimuli(program, 5)
    one, other = (compare(program, *given, seed=seed) for seed in (0, 7))
    assert one.differing == other.differing == []
    assert (
        any((a != b).any() for a, b in zip(one.modulators, other.modulators, strict=True)) or one.moved != other.moved
    )

"""LIF, by hand: β = ½, θ = 1, ψ = max(0, 1 − 2 |u − θ|). Every number is exact in binary."""

from __future__ import annotations

import numpy as np
import pytest
from stepping import stepped

from plastic.errors import PlasticError
from plastic.neurons import LIF

DRIVES = [0.75, 1.0, 0.25, -2.0, 2.5, 0.75]


def test_reset_to_zero() -> None:
    found = stepped(LIF(), DRIVES)
    assert found["membrane"].tolist() == [0.75, 1.375, 0.25, -1.875, 1.5625, 0.75]
    assert found["spike"].tolist() == [0, 1, 0, 0, 1, 0]
    assert found["post_factor"].tolist() == [0.5, 0.25, 0, 0, 0, 0.5]  # of 1.375: before the reset
    assert found["membrane after"].tolist() == [0.75, 0, 0.25, -1.875, 0, 0.75]


def test_at_threshold_it_does_not_fire() -> None:
    assert stepped(LIF(), [1.0, 0.5])["spike"].tolist() == [0, 0]
    assert stepped(LIF(), [1.0, 0.5])["post_factor"].tolist() == [1, 1]


def test_reset_by_subtraction_in_the_step_after() -> None:
    found = stepped(LIF(reset="subtract"), DRIVES)
    # ½ · 1.375 + 0.25 − 1, then without
    assert found["membrane"].tolist() == [0.75, 1.375, -0.0625, -2.03125, 1.484375, 0.4921875]
    assert found["spike"].tolist() == [0, 1, 0, 0, 1, 0]


def test_no_reset() -> None:
    found = stepped(LIF(reset="none"), DRIVES)
    assert found["membrane"].tolist() == [0.75, 1.375, 0.9375, -1.53125, 1.734375, 1.6171875]
    assert found["spike"].tolist() == [0, 1, 0, 0, 1, 1]


def test_refractory_steps_lose_their_drive() -> None:
    found = stepped(LIF(refractory=2), [1.5, 5.0, 5.0, 0.75, 1.0])
    assert found["membrane"].tolist() == [1.5, 0, 0, 0.75, 1.375]
    assert found["spike"].tolist() == [1, 0, 0, 0, 1]
    assert found["post_factor"].tolist() == [0, 0, 0, 0.5, 0.25]


def test_refractory_without_reset_is_silent_above_the_threshold() -> None:
    found = stepped(LIF(reset="none", refractory=1), [1.25, 0.0, 2.0])
    assert found["membrane"].tolist() == [1.25, 1.25, 2.625]
    assert found["spike"].tolist() == [1, 0, 1]
    assert found["post_factor"].tolist() == [0.5, 0, 0]


def test_refractory_with_subtraction_is_held_at_what_is_left() -> None:
    assert stepped(LIF(reset="subtract", refractory=1), [1.5, 9.0, 0.25])["membrane"].tolist() == [1.5, 0.5, 0.5]


def test_the_membrane_stops_at_its_floor() -> None:
    found = stepped(LIF(floor=-1.0), [-0.5, -3.0, 0.0, 1.75])
    assert found["membrane"].tolist() == [-0.5, -1.0, -0.5, 1.5]
    assert found["spike"].tolist() == [0, 0, 0, 1]


def test_many_neurons_are_each_by_itself() -> None:
    drives = np.random.default_rng(0).normal(0.3, 1, size=(40, 7))
    together = stepped(LIF(reset="subtract", refractory=1), drives)
    for k in range(7):
        alone = stepped(LIF(reset="subtract", refractory=1), drives[:, k])
        assert np.array_equal(together["membrane"][:, k], alone["membrane"])
    assert 10 < together["spike"].sum() < 200


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"reset": "half"}, "no reset 'half'; choose one of: zero, subtract, none"),
        ({"refractory": -1}, "refractory of neuron 'lif' is -1"),
        ({"floor": 0.5}, "floor of neuron 'lif' is 0.5"),
        ({"floor": float("nan")}, "floor of neuron 'lif' is nan"),
    ],
)
def test_options_that_cannot_be(options: dict[str, object], named: str) -> None:
    with pytest.raises(PlasticError, match=named):
        LIF(**options)  # type: ignore[arg-type]

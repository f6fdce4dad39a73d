"""CUBA: by hand, and the neuron of Loihi in a loop of integers that Lava's documentation has."""

from __future__ import annotations

import numpy as np
import pytest
from stepping import stepped

from plastic.errors import PlasticError
from plastic.neurons import CUBA, LIF


def test_by_hand() -> None:
    """α = β = ½, θ = 1: the current goes on through the reset."""
    found = stepped(CUBA(synapse_decay=0.5), [0.5, 0.75, 0, 0, 0])
    assert found["current"].tolist() == [0.5, 1.0, 0.5, 0.25, 0.125]
    assert found["membrane"].tolist() == [0.5, 1.25, 0.5, 0.5, 0.375]
    assert found["spike"].tolist() == [0, 1, 0, 0, 0]
    assert found["post_factor"].tolist() == [0, 0.5, 0, 0, 0]


def test_the_current_goes_on_while_the_membrane_is_held() -> None:
    found = stepped(CUBA(synapse_decay=0.5, refractory=1), [2.0, 0, 0])
    assert found["current"].tolist() == [2.0, 1.0, 0.5]
    assert found["membrane"].tolist() == [2.0, 0, 0.5]


def test_the_equations_of_lava() -> None:
    """u[t] = u[t−1] (1 − du) + a_in,  v[t] = v[t−1] (1 − dv) + u[t],  v = 0 where v > vth."""
    drives = np.random.default_rng(2).normal(0.05, 0.4, size=200)
    u = v = 0.0
    rows = []
    for a in drives:
        u = u * (1 - 0.25) + a
        v = v * (1 - 0.125) + u
        rows.append((u, v, float(v > 1)))
        v = 0.0 if v > 1 else v
    found = stepped(CUBA(synapse_decay=0.75), drives, 0.875)
    expected = np.array(rows)
    assert 5 < expected[:, 2].sum() < 150
    for column, name in enumerate(("current", "membrane", "spike")):
        np.testing.assert_allclose(found[name], expected[:, column], rtol=0, atol=1e-13)


def test_without_a_current_that_lasts_it_is_the_lif() -> None:
    drives = np.random.default_rng(3).normal(0.3, 1, size=60)
    for reset in ("zero", "subtract", "none"):
        ours, lif = (stepped(kind, drives) for kind in (CUBA(synapse_decay=0, reset=reset), LIF(reset=reset)))
        assert np.array_equal(ours["membrane"], lif["membrane"])
        assert lif["spike"].sum() > 3


def test_a_decay_that_cannot_be() -> None:
    with pytest.raises(PlasticError, match=r"synapse_decay of neuron 'cuba' is -0\.1; it must be from 0 to 1"):
        CUBA(synapse_decay=-0.1)

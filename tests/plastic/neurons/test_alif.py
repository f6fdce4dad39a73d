"""ALIF: by hand, beside the equations of Bellec et al. 2020 written out, and what adaptation is for."""

from __future__ import annotations

import numpy as np
import pytest
from stepping import stepped

from plastic.errors import PlasticError
from plastic.neurons import ALIF, LIF


def test_by_hand() -> None:
    """β = ½, θ = 1, ρ = ½, κ = 1: a spike lifts the threshold by 1 in the step after, by ½ in the next."""
    found = stepped(ALIF(adaptation=1.0, adaptation_decay=0.5), [1.25, 2.25, 2.0, 2.0])
    assert found["adaptation"].tolist() == [0, 1, 0.5, 1.25]
    assert found["membrane"].tolist() == [1.25, 1.875, 2.9375, 2.46875]  # θ off after each spike
    assert found["spike"].tolist() == [1, 0, 1, 1]  # 1.875 < θ + 1
    assert found["post_factor"].tolist() == [0.5, 0.75, 0, 0.5625]  # ψ of u − A, not of u − θ


def bellec(drives: np.ndarray, beta: float, thr: float, kappa: float, rho: float, refractory: int) -> dict:
    """v ← α v + I − z thr,  b ← ρ b + z,  z = Θ(v − thr − κ b), none for some steps after a spike."""
    v = b = z = 0.0
    left = 0
    rows = []
    for drive in drives:
        b, v = rho * b + z, beta * v + drive - z * thr
        z = 1.0 if v - (thr + kappa * b) > 0 and left == 0 else 0.0
        psi = 0.0 if left else max(0.0, 1 - 2 * abs(v - (thr + kappa * b)))
        left = refractory if z else max(left - 1, 0)
        rows.append((v, b, z, psi))
    return dict(zip(("membrane", "adaptation", "spike", "post_factor"), np.array(rows).T, strict=True))


@pytest.mark.parametrize("refractory", [0, 1, 4])
def test_the_published_equations(refractory: int) -> None:
    drives = np.random.default_rng(1).normal(0.4, 0.6, size=300)
    neuron = ALIF(adaptation=0.3, adaptation_decay=0.98, refractory=refractory)
    found, expected = stepped(neuron, drives, 0.95, 0.6), bellec(drives, 0.95, 0.6, 0.3, 0.98, refractory)
    assert 15 < expected["spike"].sum() < 200
    assert (expected["post_factor"] > 0).sum() > 10
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-12)


def intervals(neuron: ALIF | LIF) -> np.ndarray:
    times = np.flatnonzero(stepped(neuron, np.full(600, 0.12), 0.95)["spike"])
    return np.diff(times)


def test_it_fires_ever_more_slowly_and_settles() -> None:
    slow = intervals(ALIF(adaptation_decay=0.99))
    assert len(slow) > 10
    assert slow[0] * 1.5 < slow[-1]
    assert slow[:4].tolist() == sorted(slow[:4])
    assert np.ptp(slow[-4:]) <= 1
    assert len(set(intervals(LIF(reset="subtract"))[1:])) == 1
    without = stepped(ALIF(adaptation=0.0), np.full(100, 0.12), 0.95)["membrane"]
    assert np.array_equal(without, stepped(LIF(reset="subtract"), np.full(100, 0.12), 0.95)["membrane"])


@pytest.mark.parametrize(
    ("options", "named"),
    [({"adaptation": -1.0}, "adaptation of neuron"), ({"adaptation_decay": 1.5}, "adaptation_decay of neuron")],
)
def test_options_that_cannot_be(options: dict[str, float], named: str) -> None:
    with pytest.raises(PlasticError, match=named):
        ALIF(**options)  # type: ignore[arg-type]

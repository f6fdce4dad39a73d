"""P*, its interval and the fitted exponents, against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plastic.experiments.sweeps.p_star import crossing, exponent, p_star


def test_crossing_is_interpolated_in_log_p() -> None:
    # from 0.5 to 0.1 between 100 and 400: 0.2 is three quarters of the way, 100 · 4^0.75
    assert crossing([100, 400], [0.5, 0.1], 0.2) == pytest.approx(100 * 4**0.75)
    assert crossing([50, 100, 400, 800], [0.9, 0.5, 0.1, 0.3], 0.2) == pytest.approx(100 * 4**0.75)


def test_crossing_at_the_ends() -> None:
    assert crossing([100, 400], [0.1, 0.0], 0.2) == 100
    assert crossing([100, 400], [0.5, 0.2], 0.2) is None, "at the threshold is not below it"


def test_p_star_is_that_of_the_mean_and_its_interval_holds_the_seeds() -> None:
    errors = {100: [0.6, 0.4], 400: [0.05, 0.15]}
    star = p_star(errors, 0.2)
    assert star.value == pytest.approx(100 * 4 ** (0.3 / 0.4))
    # the ends of the interval are the two extreme draws: (0.4, 0.05) and (0.6, 0.15)
    assert star.low == pytest.approx(100 * 4 ** (0.2 / 0.35))
    assert star.high == pytest.approx(100 * 4 ** (0.4 / 0.45))


def test_p_star_that_is_not_reached() -> None:
    star = p_star({100: [0.6, 0.5], 400: [0.1, 0.4]}, 0.2)
    assert star.value is None
    assert star.low is not None, "one seed did reach it"
    assert star.high is None


def test_exponent_of_a_power_law() -> None:
    m = [3, 4, 6, 8]
    slope, error = exponent(m, [5 * x**2.5 for x in m])  # type: ignore[misc]
    assert slope == pytest.approx(2.5)
    assert error == pytest.approx(0, abs=1e-9)
    noisy = [5 * x**2.5 * f for x, f in zip(m, (1.1, 0.9, 1.05, 1.0), strict=True)]
    fit = np.polyfit(np.log(m), np.log(noisy), 1, cov=True)
    assert exponent(m, noisy) == pytest.approx((fit[0][0], math.sqrt(fit[1][0, 0])))
    assert exponent([3, 4], [1, 2]) is None

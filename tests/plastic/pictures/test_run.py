"""What the picture of a run computes before it draws."""

from __future__ import annotations

import numpy as np

from plastic.pictures.run import running_mean


def test_the_running_mean_is_that_of_the_neighbours() -> None:
    values = np.random.default_rng(0).normal(size=40)
    values[[0, 7, 8, 30]] = np.nan
    expected = [np.nanmean(values[max(0, k - 2) : k + 3]) for k in range(40)]
    np.testing.assert_allclose(running_mean(values, 5), expected, rtol=1e-12)


def test_the_running_mean_of_nothing_is_nothing() -> None:
    assert np.isnan(running_mean([np.nan] * 12)).all()
    np.testing.assert_array_equal(running_mean([3.0]), [3.0])

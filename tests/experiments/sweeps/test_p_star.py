"""P* and its interval against numbers worked out by hand, against scipy, and against a known truth in simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from plastic.experiments.sweeps.p_star import (
    FLOOR,
    Crossing,
    PStar,
    crossing,
    exponent,
    over_grammars,
    p_star,
    p_star_ratio,
)

CHANCE = 7 / 8
THRESHOLD = CHANCE / 10


def test_crossing_of_a_power_law_is_exact() -> None:
    """Error 0.8 (P / 100)^-2 falls below 0.2 at 200, between whatever sizes it is measured."""
    for sizes in ([100, 400], [50, 150, 1000], [190, 210]):
        found = crossing(sizes, [0.8 * (p / 100) ** -2 for p in sizes], 0.2)
        assert (found.size, found.side) == (pytest.approx(200), 0)


def test_the_first_crossing_counts() -> None:
    assert crossing([50, 100, 400, 800], [0.9, 0.8, 0.05, 0.3], 0.2).size == pytest.approx(200)


def test_crossing_at_the_ends() -> None:
    assert crossing([100, 400], [0.1, 0.0], 0.2) == Crossing(100, -1)
    assert crossing([100, 400], [0.5, 0.2], 0.2) == Crossing(400, 1), "at the threshold is not below it"


def test_no_error_counts_as_half_an_error_of_128() -> None:
    assert crossing([100, 400], [0.5, 0.0], 0.2) == crossing([100, 400], [0.5, 1 / 256], 0.2)
    assert FLOOR == 0.5 / 128
    assert 100 < crossing([100, 400], [0.5, 0.0], 0.2).size < 400


def power_laws(stars: list[float], sizes: tuple[int, ...] = (100, 200, 400, 800, 1600)) -> dict[int, list[float]]:
    """Error curves of grammars with these P* (threshold 0.2, slope 2), exact between any sizes."""
    return {p: [0.2 * (p / star) ** -2 for star in stars] for p in sizes}


def test_the_interval_is_that_of_students_t_on_log_p_star() -> None:
    stars = [150, 210, 330, 500, 720]
    found = p_star(power_laws([float(star) for star in stars]), 0.2)
    assert found.value == pytest.approx(stats.gmean(stars))
    low, high = stats.ttest_1samp(np.log(stars), 0).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
    assert (found.grammars, found.beyond, found.below) == (5, 0, 0)


def test_grammars_beyond_the_range_leave_the_interval_open() -> None:
    """Three of ten do not get there: the median is known, the upper bound is not, the lower is the second smallest."""
    stars = [150.0, 210, 230, 330, 400, 500, 720, 5000, 6000, 1e6]
    found = p_star(power_laws(stars), 0.2)
    assert found == PStar(pytest.approx(math.sqrt(400 * 500)), pytest.approx(210), None, 10, 3, 0)  # type: ignore[arg-type]
    assert stats.binom.cdf(1, 10, 0.5) < 0.05 < stats.binom.cdf(2, 10, 0.5), "so it is the second smallest"


def test_where_half_of_them_do_not_get_there_there_is_no_p_star() -> None:
    found = p_star(power_laws([150, 210, 5000, 5000, 330, 5000]), 0.2)
    assert (found.value, found.low, found.high) == (None, pytest.approx(150), None)
    nowhere = p_star(power_laws([5000.0] * 5), 0.2)
    assert (nowhere.value, nowhere.low, nowhere.high) == (None, pytest.approx(1600), None), "all lie beyond 1600"


def test_grammars_at_the_smallest_size_leave_it_open_below() -> None:
    few = p_star(power_laws([20, 150, 210, 330, 400]), 0.2)
    assert few == PStar(pytest.approx(210), None, pytest.approx(400), 5, 0, 1)  # type: ignore[arg-type]
    most = p_star(power_laws([20.0, 30, 40, 50, 400]), 0.2)
    assert (most.value, most.low, most.high, most.below) == (100, None, pytest.approx(400), 4)
    both = p_star(power_laws([20, 150, 210, 330, 5000]), 0.2)
    assert (both.value, both.low, both.high) == (pytest.approx(210), None, None)


def test_few_grammars() -> None:
    assert p_star(power_laws([150.0]), 0.2) == PStar(pytest.approx(150), None, None, 1)  # type: ignore[arg-type]
    assert p_star(power_laws([150, 210, 5000]), 0.2).low is None, "three cannot bound a median with 95 %"
    assert over_grammars([]) == PStar(None, None, None, 0)


def test_a_network_that_is_missing_does_not_shift_the_others() -> None:
    """Grammar 0 has no error at 200: its own P* is interpolated across, and the others' stay."""
    whole = {p: list(own) for p, own in power_laws([150, 210, 330]).items()}
    assert p_star({**whole, 200: [None, *whole[200][1:]]}, 0.2).value == pytest.approx(p_star(whole, 0.2).value)
    without_first = p_star({p: [None, *own[1:]] for p, own in whole.items()}, 0.2)
    assert (without_first.value, without_first.grammars) == (pytest.approx(math.sqrt(210 * 330)), 2)


def test_ratios_are_taken_grammar_by_grammar() -> None:
    """Grammars differ widely, the ratio does not: so it is known well."""
    base, own = [150.0, 300, 600, 1200], [165.0, 324, 660, 1296]
    found = p_star_ratio(power_laws(own), power_laws(base), 0.2)
    low, high = stats.ttest_1samp(np.log(own) - np.log(base), 0).confidence_interval(0.95)
    assert found.value == pytest.approx(math.exp((math.log(1.1) + math.log(1.08)) / 2))
    assert (found.low, found.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))


def test_a_ratio_is_open_where_one_of_them_is() -> None:
    five = [150.0, 200, 300, 400, 600]
    arm_beyond = p_star_ratio(power_laws([300.0, 400, 600, 800, 9000]), power_laws(five), 0.2)
    assert (arm_beyond.value, arm_beyond.low, arm_beyond.high) == (pytest.approx(2), pytest.approx(2), None)
    base_beyond = p_star_ratio(power_laws(five), power_laws([300.0, 400, 600, 800, 9000]), 0.2)
    assert (base_beyond.value, base_beyond.low, base_beyond.high) == (pytest.approx(0.5), None, pytest.approx(0.5))
    unknown = p_star_ratio(power_laws([*five[:4], 9000]), power_laws([*five[:4], 9000]), 0.2)
    assert (unknown.value, unknown.low, unknown.high) == (None, None, None)


# In simulation. Curves get steeper in log error against log P towards P*, as measured ones do (bp at L = 6 follows
# chance · exp(-(P / a)^1.85) closely from P = 512 to 1024). Spread between grammars, steepness, noise between networks
# and sizes of test sets are those of docs/results/rhm-efficiency.json and depth.json, whose log P* have standard
# deviations over grammars of 0.03 (bp, L = 6) to 0.49 (vicreg, L = 3).
GRID = (512, 1024, 1536, 2048, 4096, 8192)
WIDE = (256, *GRID)
REFINED = (512, 724, 1024, 1254, 1536, 1774, 2048, 2896, 4096, 5793, 8192)
TRUTH = 1450.0
TRIALS = 300
Curves = dict[int, list[float]]


def simulated(n: int, spread: float, steepness: float, sizes: tuple[int, ...], random: np.random.Generator) -> Curves:
    """Error curves of n grammars whose P* are lognormal around TRUTH, with noise of training and of the test set."""
    stars = TRUTH * np.exp(spread * random.standard_normal(n))
    exact = CHANCE * 0.1 ** ((np.array(sizes)[:, None] / stars) ** steepness)  # a tenth of chance at P*
    noisy = np.minimum(exact * np.exp(0.15 * random.standard_normal(exact.shape)), 1)
    return {p: list(own) for p, own in zip(sizes, random.binomial(4000, noisy) / 4000, strict=True)}


def of_the_bootstrap(errors: Curves, random: np.random.Generator) -> tuple[float, float]:
    """What was published before: percentiles of the crossing of the mean curve, linear in the error, over draws of the
    seeds at each size."""
    sizes = sorted(errors)

    def means(values: NDArray[Any]) -> NDArray[Any]:
        return values[random.integers(len(values), size=(300, len(values)))].mean(1)

    def linear(curve: list[float]) -> float:
        for k in range(1, len(sizes)):
            if curve[k] < THRESHOLD:
                share = (curve[k - 1] - THRESHOLD) / (curve[k - 1] - curve[k])
                return math.exp(np.log(sizes[k - 1]) + share * math.log(sizes[k] / sizes[k - 1]))
        return math.inf

    drawn = np.stack([means(np.asarray(errors[p])) for p in sizes], axis=1).tolist()
    low, high = np.quantile([linear(curve) for curve in drawn], [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize(
    ("spread", "steepness", "sizes"),
    [(0.05, 1.85, REFINED), (0.1, 1.85, REFINED), (0.25, 1.3, GRID), (0.45, 0.6, WIDE)],
)
def test_the_interval_covers_the_truth_and_says_something(
    n: int, spread: float, steepness: float, sizes: tuple[int, ...]
) -> None:
    """At least 90 % of 95 % intervals hold the truth, and they are no wider than a t interval has to be.

    What that is: 2 t s / √n with s the spread and the noise of the crossing together.
    """
    random = np.random.default_rng(n)
    found = [p_star(simulated(n, spread, steepness, sizes, random), THRESHOLD) for _ in range(TRIALS)]
    covered = [(star.low or 0) <= TRUTH <= (star.high or math.inf) for star in found]
    assert np.mean(covered) >= 0.90
    closed = [math.log(star.high / star.low) for star in found if star.low is not None and star.high is not None]
    assert len(closed) > 0.9 * TRIALS, "open intervals cover without saying anything"
    needed = 2 * stats.t.ppf(0.975, n - 1) * math.hypot(spread, 0.15 / (steepness * math.log(10))) / math.sqrt(n)
    assert np.mean(closed) < 1.15 * needed
    assert np.mean(covered) < 1, "intervals that never miss are too wide"


def test_why_sweeps_refine() -> None:
    """Between sizes that differ by a factor of two a steep curve is crossed too early, by more than n = 10 allows."""
    random = np.random.default_rng(0)

    def coverage(sizes: tuple[int, ...]) -> tuple[float, float]:
        found = [p_star(simulated(10, 0.05, 1.85, sizes, random), THRESHOLD) for _ in range(TRIALS)]
        covered = [(star.low or 0) <= TRUTH <= (star.high or math.inf) for star in found]
        return float(np.mean(covered)), float(np.mean([math.log(star.value / TRUTH) for star in found if star.value]))

    coarse, bias = coverage((800, 1600, 3200))
    assert coarse < 0.7
    assert -0.08 < bias < -0.04
    refined, bias = coverage((800, 1008, 1270, 1600, 3200))  # refine = 2
    assert refined >= 0.90
    assert abs(bias) < 0.015


@pytest.mark.parametrize("n", [5, 10])
def test_the_interval_covers_a_truth_near_the_end_of_the_range(n: int) -> None:
    """Where some grammars do not get there: it covers, is open above, and still bounds from below."""
    random = np.random.default_rng(n)
    sizes = tuple(p for p in GRID if p <= 2048)
    found = [p_star(simulated(n, 0.35, 1, sizes, random), THRESHOLD) for _ in range(TRIALS)]
    assert np.mean([(star.low or 0) <= TRUTH <= (star.high or math.inf) for star in found]) >= 0.90
    opened = [star for star in found if star.beyond]
    assert len(opened) > 0.5 * TRIALS
    assert all(star.high is None for star in opened)
    assert np.mean([star.low is not None and star.low > TRUTH / 3 for star in opened]) > 0.9


@pytest.mark.parametrize("n", [3, 5])
def test_the_bootstrap_did_not_cover(n: int) -> None:
    """What this test would have found of the interval that was there before."""
    random = np.random.default_rng(n)
    covered = []
    for _ in range(150):
        low, high = of_the_bootstrap(simulated(n, 0.25, 1.3, GRID, random), random)
        covered.append(low <= TRUTH <= high)
    assert np.mean(covered) < 0.85


def test_exponent_of_a_power_law() -> None:
    m = [3, 4, 6, 8]
    slope, error = exponent(m, [5 * x**2.5 for x in m])  # type: ignore[misc]
    assert slope == pytest.approx(2.5)
    assert error == pytest.approx(0, abs=1e-9)
    noisy = [5 * x**2.5 * f for x, f in zip(m, (1.1, 0.9, 1.05, 1.0), strict=True)]
    fit = np.polyfit(np.log(m), np.log(noisy), 1, cov=True)
    assert exponent(m, noisy) == pytest.approx((fit[0][0], math.sqrt(fit[1][0, 0])))
    assert exponent([3, 4], [1, 2]) is None

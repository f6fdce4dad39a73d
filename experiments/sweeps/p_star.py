"""How many examples are enough: P* of each grammar, its interval over grammars, and how it scales.

Error curves come in and estimates go out; whose error it is (a probe's, a readout's) is the caller's affair.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
FLOOR = 1 / 256  # half an error in the smallest test set of the sweeps (128 strings): what no error counts as

Errors = Mapping[int, Sequence[float | None]]  # train size → test error of each grammar, None where it is not there

DEFINITION = (
    "P* of a grammar: P at which the test error falls below the threshold, interpolated in log error against log P "
    "(no error counts as 1/256). p_star: geometric mean over grammars; where some do not cross in the range of P, "
    "their median, null where it lies beyond the largest P. p_star_interval: 95 % t interval over grammars on log P*; "
    "where some lie beyond the largest P (or at or below the smallest) it is open there (null), and its other bound "
    "is the order statistic that bounds the median with 95 % (null for fewer than 5 grammars). p_star_grammars: how "
    "many there are, and how many lie beyond the largest P or at or below the smallest"
)


@dataclass(frozen=True)
class Crossing:
    """P* of one grammar. `side` is 1 where P* lies beyond `size`, the largest P; -1 where it is at most `size`, the
    smallest P; 0 where it is `size`."""

    size: float
    side: int = 0

    def over(self, other: Crossing) -> Crossing | None:
        """Its ratio to another; None where both lie beyond the same end, so that nothing is known of it."""
        side = self.side - other.side
        return None if side == 0 and self.side else Crossing(self.size / other.size, int(np.sign(side)))


@dataclass(frozen=True)
class PStar:
    """P* (or a ratio of two) over grammars and its 95 % interval.

    `value` is None where more than half of the grammars do not get there, a bound is None where the interval is open.
    `grammars` is n; `beyond` and `below` are how many of them lie beyond the largest P, at or below the smallest.
    """

    value: float | None
    low: float | None
    high: float | None
    grammars: int = 0
    beyond: int = 0
    below: int = 0


def crossing(sizes: Sequence[int], errors: Sequence[float], threshold: float) -> Crossing:
    """Where the error of one grammar first falls below the threshold.

    Linear in log error and log P between the two sizes around it: error falls like a power of P there, and a straight
    line between errors themselves lies above such a curve.
    """
    logs = [math.log(max(error, FLOOR)) - math.log(threshold) for error in errors]
    for index, value in enumerate(logs):
        if value < 0:
            if index == 0:
                return Crossing(float(sizes[0]), -1)
            above, before = logs[index - 1], math.log(sizes[index - 1])
            share = above / (above - value)
            return Crossing(math.exp(before + share * (math.log(sizes[index]) - before)))
    return Crossing(float(sizes[-1]), 1)


def crossings(errors: Errors, threshold: float) -> dict[int, Crossing]:
    """P* of every grammar that has an error at any size, by its place in the lists."""
    found = {}
    for grammar in range(max(map(len, errors.values()), default=0)):
        curve = {p: own[grammar] for p, own in sorted(errors.items()) if grammar < len(own)}
        there = {p: error for p, error in curve.items() if error is not None}
        if there:
            found[grammar] = crossing(list(there), list(there.values()), threshold)
    return found


def p_star(errors: Errors, threshold: float) -> PStar:
    """P* over grammars and its interval; see DEFINITION. The smallest P where most grammars are there already."""
    star = over_grammars(list(crossings(errors, threshold).values()))
    return replace(star, value=float(min(errors))) if 2 * star.below > star.grammars else star


def p_star_ratio(errors: Errors, base: Errors, threshold: float) -> PStar:
    """P* over that of another rule on the same grammars, grammar by grammar, and the interval of that."""
    own, others = crossings(errors, threshold), crossings(base, threshold)
    return over_grammars([own[grammar].over(others[grammar]) for grammar in own if grammar in others])


def over_grammars(found: Sequence[Crossing | None]) -> PStar:
    """One number and its interval of what was found for each grammar; None there: nothing is known of it."""
    n, known = len(found), [one for one in found if one is not None]
    beyond, below = sum(one.side > 0 for one in known), sum(one.side < 0 for one in known)
    logs = np.array([math.log(one.size) for one in known])
    if beyond or below or len(known) < n:
        ends = _of_some([one.side for one in known], logs) if len(known) == n else (None, None, None)
    else:
        ends = _of_all(logs)
    value, low, high = (None if end is None else math.exp(end) for end in ends)
    return PStar(value, low, high, n, beyond, below)


Ends = tuple[float | None, float | None, float | None]  # logarithms of estimate, lower and upper bound


def _of_all(logs: NDArray[Any]) -> Ends:
    """Mean and t interval with n - 1 degrees of freedom; no interval of one grammar."""
    if len(logs) < 2:
        return (float(logs[0]) if len(logs) else None), None, None
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(logs) - 1) * logs.std(ddof=1)) / math.sqrt(len(logs))
    mean = float(logs.mean())
    return mean, mean - half, mean + half


def _of_some(sides: Sequence[int], logs: NDArray[Any]) -> Ends:
    """Median, which need not know how far beyond the range the others lie, and its bound away from them.

    Open at every end beyond which a grammar lies.
    """
    middle = statistics.median(log if side == 0 else math.inf * side for log, side in zip(logs, sides, strict=True))
    low = None if -1 in sides else _bound(logs)
    high = None if 1 in sides else _bound(-logs)
    return float(middle) if math.isfinite(middle) else None, low, None if high is None else -high


def _bound(logs: NDArray[Any]) -> float | None:
    """A number that the median of the population exceeds with 95 %: an order statistic, as in the sign test.

    Exact for any distribution; None for fewer than five values, of which even the smallest is not low enough.
    """
    outside = int(np.sum(stats.binom.cdf(np.arange(len(logs)), len(logs), 0.5) <= 1 - LEVEL))
    return float(np.sort(logs)[outside - 1]) if outside else None


def exponent(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Slope of log y against log x by least squares, and its standard error; None below three points."""
    if len(x) < 3:
        return None
    fit = stats.linregress(np.log(x), np.log(y))
    return float(fit.slope), float(fit.stderr)

"""How many examples are enough: P*, its interval over seeds, and how it scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.stimuli.random import generator

RESAMPLES = 10_000
LEVEL = 0.95

Errors = Mapping[int, Sequence[float]]  # train size → test error of each seed


@dataclass(frozen=True)
class PStar:
    """P* and a 95 % interval; None where the error never falls below the threshold."""

    value: float | None
    low: float | None
    high: float | None


def crossing(sizes: Sequence[int], errors: Sequence[float], threshold: float) -> float | None:
    """Smallest P with an error below the threshold, interpolated between the two sizes around it.

    Linear in the error and in log P. The smallest size itself if its error is below already; None if
    no error is.
    """
    for index, (size, error) in enumerate(zip(sizes, errors, strict=True)):
        if error < threshold:
            if index == 0:
                return float(size)
            before, above = math.log(sizes[index - 1]), errors[index - 1]
            share = (above - threshold) / (above - error)
            return math.exp(before + share * (math.log(size) - before))
    return None


def p_star(errors: Errors, threshold: float) -> PStar:
    """P* of the mean over seeds, and the bootstrap interval over seeds (percentiles).

    Seeds are drawn anew with replacement within each train size, so that sizes with seeds missing
    count as they are. A bound that lies beyond the largest size is None.
    """
    sizes = sorted(errors)
    value = crossing(sizes, [float(np.mean(errors[p])) for p in sizes], threshold)
    random = generator(0, "bootstrap")
    drawn = np.stack([_means(np.asarray(errors[p]), random) for p in sizes], axis=1)
    found = np.array([c if (c := crossing(sizes, row, threshold)) is not None else math.inf for row in drawn.tolist()])
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="inverted_cdf")
    return PStar(value, *(None if math.isinf(bound) else float(bound) for bound in (low, high)))


def _means(values: NDArray[Any], random: np.random.Generator) -> NDArray[Any]:
    """Of RESAMPLES draws with replacement."""
    return values[random.integers(len(values), size=(RESAMPLES, len(values)))].mean(1)


def exponent(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Slope of log y against log x by least squares, and its standard error; None below three points."""
    if len(x) < 3:
        return None
    a, b = np.log(x), np.log(y)
    centred = a - a.mean()
    slope = float((centred * b).sum() / (centred**2).sum())
    residual = b - b.mean() - slope * centred
    return slope, float(math.sqrt((residual**2).sum() / (len(x) - 2) / (centred**2).sum()))

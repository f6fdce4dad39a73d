"""Batch statistics, as rules that name them read them."""

from __future__ import annotations

from torch import Tensor

from plastic.rules.rule import Statistics


def batch_statistics(x: Tensor, weight: Tensor, with_covariance: bool) -> Statistics:
    """Mean, variance and covariance of x (members, batch, units) over the batch, each stimulus
    counted with its weight, 0 or 1 (members, batch, 1)."""
    count = weight.sum(1, keepdim=True)
    mean = (weight * x).sum(1, keepdim=True) / count.clamp(min=1)
    centred = weight * (x - mean)
    freedom = (count - 1).clamp(min=1)
    covariance = centred.mT @ centred / freedom if with_covariance else None
    return Statistics(count, mean, centred.square().sum(1, keepdim=True) / freedom, covariance)


def cross_covariance(x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
    """Unbiased covariance between the units of x and those of y: (members, units, units)."""
    count = weight.sum(1, keepdim=True)
    x, y = (weight * (z - (weight * z).sum(1, keepdim=True) / count.clamp(min=1)) for z in (x, y))
    return x.mT @ y / (count - 1).clamp(min=1)

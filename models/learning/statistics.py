"""Statistics of a layer's responses, as rules that name them read them: of the batch, or slow traces.

Over a batch they are what they are called. Online there is no batch: every neuron keeps a slow trace
of its mean and variance, lateral synapses one of the covariance, and all of them forget with one
time constant τ, in stimuli. A trace is debiased: at stimulus n it is the mean of all stimuli so far,
stimulus k with the weight exp(−(n − k)/τ), so it needs no priming. With τ = 0 it is the batch's own
statistic, with τ = ∞ that of all that was ever seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from plastic.rules.rule import Rule, Statistics

State = dict[str, Tensor]


def batch_statistics(x: Tensor, weight: Tensor | None, with_covariance: bool) -> Statistics:
    """Mean, variance and covariance of x (members, batch, units) over the batch, each stimulus
    counted with its weight, 0 or 1 (members, batch, 1); None: all."""
    count = x.new_full((len(x), 1, 1), x.shape[1]) if weight is None else weight.sum(1, keepdim=True)
    mean = (x if weight is None else weight * x).sum(1, keepdim=True) / count.clamp(min=1)
    centred = x - mean if weight is None else weight * (x - mean)
    share = 1 / (count - 1).clamp(min=1)
    if not with_covariance:
        return Statistics(count, mean, centred.square().sum(1, keepdim=True) * share, x)
    covariance = (share * centred).mT @ centred
    return Statistics(count, mean, covariance.diagonal(dim1=1, dim2=2)[:, None], x, covariance)


def cross_covariance(x: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
    """Unbiased covariance between the units of x and those of y: (members, units, units)."""
    weight = x.new_ones(x[..., :1].shape) if weight is None else weight
    count = weight.sum(1, keepdim=True)
    x, y = (weight * (z - (weight * z).sum(1, keepdim=True) / count.clamp(min=1)) for z in (x, y))
    return x.mT @ y / (count - 1).clamp(min=1)


def of_batch(
    rule: Rule, activity: Tensor, context: Tensor, weight: Tensor | None, before: Statistics | None = None
) -> dict[str, Any]:
    """The signals that the rule reads, from this stimulus of all streams; `before`: those of the context, if known."""
    joint = "covariance" in rule.reads
    now, past = batch_statistics(activity, weight, joint), before or batch_statistics(context, weight, joint)
    found: dict[str, Any] = {"statistics": now, "context_statistics": past}
    if "cross_covariance" in rule.reads:
        found["cross_covariance"] = cross_covariance(activity, context, weight)
    return found


def decay_per_stimulus(time_constant: float) -> float:
    """κ = exp(−1/τ), τ in stimuli."""
    return 0.0 if time_constant == 0 else math.exp(-1 / time_constant)


@dataclass(frozen=True)
class SlowTraces:
    """Weighted running moments of activity and context, updated as by D. H. D. West, "Updating mean and
    variance estimates: an improved method", Communications of the ACM 22, 1979."""

    decay: float  # κ

    def follow(
        self, rule: Rule, name: str, activity: Tensor, context: Tensor, weight: Tensor, state: State
    ) -> dict[str, Any]:
        """Take one stimulus in, in `state` under `name`, and give the signals that the rule reads.

        activity, context: (members, batch, units); weight: 0 or 1 (members, batch, 1).
        """

        def old(key: str, like: Tensor) -> Tensor:
            return state[f"{name}.{key}"] if f"{name}.{key}" in state else like.new_zeros(like.shape)

        def put(key: str, value: Tensor) -> Tensor:
            state[f"{name}.{key}"] = value
            return value

        new = weight.sum(1, keepdim=True)  # (members, 1, 1)
        kept = self.decay * old("weight", new)
        total = put("weight", kept + new)
        squares = put("squares", self.decay**2 * old("squares", new) + new)  # Σ of squared weights
        total = total + (total == 0)
        count = total**2 / (squares + (squares == 0)) * (squares > 0)
        several = count > 1 + 1e-6
        share = several / (total * (1 - 1 / count.where(several, count + 2)))  # what a scatter is multiplied by
        mean, within, off = {}, {}, {}
        responses = {"activity": activity, "context": context}
        for key, x in responses.items():
            fresh = (weight * x).sum(1, keepdim=True) / new.clamp(min=1)
            within[key], off[key] = weight * (x - fresh), fresh - old(f"{key}.mean", fresh)
            mean[key] = put(f"{key}.mean", fresh - off[key] * (1 - new / total))

        def covariance(one: str, other: str) -> Tensor:
            change = within[one].mT @ within[other] + off[one].mT @ off[other] * (kept * new / total)
            key = f"{one}.{other}"
            return put(key, self.decay * old(key, change) + change) * share

        def variance(one: str) -> Tensor:
            change = within[one].square().sum(1, keepdim=True) + off[one].square() * (kept * new / total)
            key = f"{one}.scatter"
            return put(key, self.decay * old(key, change) + change) * share

        def known(one: str) -> Statistics:
            joint = covariance(one, one) if "covariance" in rule.reads else None
            return Statistics(count, mean[one], variance(one), responses[one], joint)

        found: dict[str, Any] = {"statistics": known("activity"), "context_statistics": known("context")}
        if "cross_covariance" in rule.reads:
            found["cross_covariance"] = covariance("activity", "context")
        return found

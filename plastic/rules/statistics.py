"""Statistics of a layer's responses, for rules that average over stimuli: of the batch, or slow traces.

Over a batch they are what they are called. Online there is no batch: every neuron keeps a slow trace
of its mean and variance, lateral synapses one of the covariance, and all of them forget with one
time constant τ, in stimuli. A trace is debiased: at stimulus n it is the mean of all stimuli so far,
stimulus k with the weight κ^(n − k), κ = exp(−1/τ), so it needs no priming. With τ = 0 it is the
batch's own statistic, with τ = ∞ that of all that was ever seen.

D. H. D. West, "Updating mean and variance estimates: an improved method", Communications of the ACM 22, 1979.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from array_api_compat import array_namespace

from plastic.rules.expressions import at_least_one, is_positive, or_one, over_batch
from plastic.rules.rule import Array, LayerShape, Shape, Signals, State

LATEST = "statistics"  # the batch's statistics of the stimulus before, which spare computing those of the context


def decay_per_stimulus(time_constant: float) -> float:
    """κ = exp(−1/τ), τ in stimuli."""
    return 0.0 if time_constant == 0 else math.exp(-1 / time_constant)


@dataclass(frozen=True)
class Statistics:
    """What is known of a layer's responses over many stimuli.

    Variances are unbiased (divided by count − 1). Of slow traces, which forget, the count is the
    effective one, (Σ weight)²/Σ weight²; while it is not above 1, the variances are 0.
    """

    count: Array  # how many stimuli were averaged: (..., 1, 1)
    mean: Array  # z̄: (..., 1, units)
    variance: Array  # σ²: (..., 1, units)
    responses: Array  # z, those of this stimulus: (..., batch, units)
    covariance: Array | None = None  # (..., units, units), if it was asked for

    @cached_property
    def centred(self) -> Array:
        """z − z̄: (..., batch, units)."""
        return self.responses - self.mean

    @cached_property
    def lateral(self) -> Array:
        """Σ_k C_ik (z_k − z̄_k), what lateral synapses of weight C bring: (..., batch, units)."""
        assert self.covariance is not None
        return self.centred @ self.covariance.mT


@dataclass(frozen=True)
class Known:
    """Statistics of the activity and of the context, each by itself, and what is between them."""

    activity: Statistics
    context: Statistics
    cross_covariance: Array | None = None  # activity × context: (..., units, units), if it was asked for
    per_pair: Array | None = None  # stimuli per fixation among them: (..., 1, 1), if it was asked for


@dataclass(frozen=True)
class Moments:
    """Which averages a rule takes of activity and context: mean and variance, and what is asked for here."""

    covariance: bool = False  # of the activity and of the context
    cross: bool = False  # the covariance between them
    over: Literal["stimuli", "fixations"] = "stimuli"  # what is counted: all, or those at a fixation
    pairs: bool = False  # how many stimuli there are per fixation: what makes a mean over all one over fixations

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        """The slow traces of one layer; none where statistics are of the batch."""
        if layer.statistics_decay is None:
            return {}
        n = layer.units
        shapes: dict[str, Shape] = {"weight": (1, 1), "squares": (1, 1)}  # Σ of weights, and of their squares
        for view in ("activity", "context"):
            shapes |= {f"{view}.mean": (1, n), f"{view}.scatter": (1, n)}
            shapes |= {f"{view}.{view}": (n, n)} if self.covariance else {}
        shapes |= {"activity.context": (n, n)} if self.cross else {}
        shapes |= {"pairs": (1, 1)} if self.pairs else {}
        return {f"statistics.{name}": shape for name, shape in shapes.items()}

    def follow(self, signals: Signals, state: State) -> tuple[Known, State]:
        """What is known after this stimulus, and the state that knows it."""
        if "statistics" in signals.recalled:
            return signals.recalled["statistics"], {}
        return self._of_batch(signals, state) if signals.statistics_decay is None else self._slow(signals, state)

    def _of_batch(self, signals: Signals, state: State) -> tuple[Known, State]:
        z, c, before = signals.activity, signals.context, state.get(LATEST)
        weight = is_positive(signals.fixation) if self.over == "fixations" else None
        now = batch_statistics(z, weight, self.covariance)
        if before is None or before.responses is not c:
            before = batch_statistics(c, weight, self.covariance)
        cross = cross_covariance(z, c, weight) if self.cross else None
        per_pair = z.shape[-2] / at_least_one(over_batch(is_positive(signals.fixation))) if self.pairs else None
        return Known(now, before, cross, per_pair), {LATEST: now} if weight is None else {}

    def _slow(self, signals: Signals, state: State) -> tuple[Known, State]:
        """Weighted running moments of activity and context, this stimulus included."""
        xp: Any = array_namespace(signals.activity)
        decay = signals.statistics_decay
        assert decay is not None
        counted = is_positive(signals.fixation) if self.over == "fixations" else signals.fixation * 0 + 1
        weight = counted * signals.begun  # 0 or 1: a pair of views there is from the second stimulus on
        new, kept = over_batch(weight), decay * state["statistics.weight"]
        total, squares = kept + new, decay**2 * state["statistics.squares"] + new
        taken: State = {"statistics.weight": total, "statistics.squares": squares}
        divisor = or_one(total)
        count = divisor**2 / or_one(squares) * (squares > 0)
        several = count > 1 + 1e-6
        share = several / (divisor * (1 - 1 / xp.where(several, count, count + 2)))  # what a scatter is multiplied by
        step, across = new / divisor, kept * new / divisor
        views = {"activity": signals.activity, "context": signals.context}
        means, off, within = dict[str, Array](), dict[str, Array](), dict[str, Array]()
        alone = signals.activity.shape[-2] == 1  # a response by itself is its own mean
        for view, x in views.items():
            fresh = weight * x if alone else over_batch(weight * x) / at_least_one(new)
            off[view] = fresh - state[f"statistics.{view}.mean"]
            means[view] = taken[f"statistics.{view}.mean"] = fresh - off[view] * (1 - step)
            within[view] = weight * (x - fresh)

        def moment(name: str, change: Array) -> Array:
            taken[f"statistics.{name}"] = decay * state[f"statistics.{name}"] + change
            return taken[f"statistics.{name}"] * share

        def covariance(one: str, other: str) -> Array:
            change = off[one].mT @ off[other] * across
            return moment(f"{one}.{other}", change if alone else within[one].mT @ within[other] + change)

        def statistics(view: str) -> Statistics:
            joint, change = covariance(view, view) if self.covariance else None, off[view] ** 2 * across
            variance = moment(f"{view}.scatter", change if alone else over_batch(within[view] ** 2) + change)
            return Statistics(count, means[view], variance, views[view], joint)

        now, before = statistics("activity"), statistics("context")
        cross, per_pair = covariance("activity", "context") if self.cross else None, None
        if self.pairs:
            pairs = over_batch(is_positive(signals.fixation) * signals.begun)
            taken["statistics.pairs"] = decay * state["statistics.pairs"] + pairs
            per_pair = total / or_one(taken["statistics.pairs"])
        return Known(now, before, cross, per_pair), taken


def batch_statistics(x: Array, weight: Array | None, with_covariance: bool) -> Statistics:
    """Mean, variance and covariance of x (..., batch, units) over the batch, each stimulus
    counted with its weight, 0 or 1 (..., batch, 1); None: all."""
    xp: Any = array_namespace(x)
    count = x[..., :1, :1] * 0 + x.shape[-2] if weight is None else over_batch(weight)
    mean = over_batch(x if weight is None else weight * x) / at_least_one(count)
    centred = x - mean if weight is None else weight * (x - mean)
    share = 1 / at_least_one(count - 1)
    if not with_covariance:
        return Statistics(count, mean, over_batch(centred**2) * share, x)
    covariance = (share * centred).mT @ centred
    return Statistics(count, mean, xp.linalg.diagonal(covariance)[..., None, :], x, covariance)


def cross_covariance(x: Array, y: Array, weight: Array | None) -> Array:
    """Unbiased covariance between the units of x and those of y: (..., units, units)."""
    weight = x[..., :1] * 0 + 1 if weight is None else weight
    count = over_batch(weight)
    x, y = (weight * (z - over_batch(weight * z) / at_least_one(count)) for z in (x, y))
    return x.mT @ y / at_least_one(count - 1)

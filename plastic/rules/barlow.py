"""Barlow Twins, layer by layer and without a projector: the cross-correlation of two views is to be 1.

    L     = Σ_i (1 − C_ii)² + λ Σ_{i≠k} C_ik²,        C_ik = ⟨ẑ_i ĉ_k⟩,  ẑ = (z − z̄)/σ
    ΔW_ij = η · (g_i − ẑ_i s_i)/σ_i · ψ(u_i) · x̄_j
    g_i   = (2/B) [(1 − C_ii) ĉ_i − λ Σ_{k≠i} C_ik ĉ_k]
    s_i   = ⟨g_i ẑ_i⟩ = (2/B) [(1 − C_ii) C_ii − λ Σ_{k≠i} C_ik²]

The self-term s_i is what the neuron's own normalisation does to the gradient: without it the update
is another rule. C would be Hebbian lateral weights, and s_i needs no more than its row of C. The
batch is the B fixations among the stimuli: all means are over pairs of views.

J. Zbontar, L. Jing, I. Misra, Y. LeCun, S. Deny, "Barlow Twins: self-supervised learning via
redundancy reduction", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.rules.declaration import About, Acts, Ledger, Reads, Sides
from plastic.rules.expressions import is_positive, through
from plastic.rules.rule import Array, LayerShape, Modulator, Rule, Shape, Signals, State, Summary, ThirdFactor
from plastic.rules.statistics import Moments, Statistics


@dataclass(frozen=True)
class BarlowTwins(Rule):
    """Each neuron correlates with itself across views, and with no other."""

    name = "barlow"
    modulator = "none"
    about = About(
        title="Barlow Twins",
        family="layerwise self-supervised",
        equation=("ΔW_ij = η · (g_i − ẑ_i ⟨g_i ẑ_i⟩)/σ_i · ψ(u_i) · x̄_j,  g_i = (1 − C_ii)ĉ_i − λ Σ C_ik ĉ_k"),
        third="(g_i − ẑ_i ⟨g_i ẑ_i⟩)/σ_i",
        ledger=Ledger(
            layer_scalars="y (saccade): only fixations are pairs",
            memory="c held for one stimulus; with sides=both also ψ and x̄",
            batch_statistics="z̄ and σ² per neuron; C, a matrix of lateral weights between views",
            stored_traces="3 per neuron and C per pair, online",
        ),
        defaults_source=(
            "λ = 0.0051 and ε = 1e-5 (batch normalisation): the authors' code; no projector, not pooled: ours"
        ),
        probeable=("correlation",),
        citation="""@inproceedings{zbontar2021barlow,
  title = {{Barlow Twins}: Self-supervised learning via redundancy reduction},
  author = {Zbontar, Jure and Jing, Li and Misra, Ishan and LeCun, Yann and Deny, St{\\'e}phane},
  booktitle = {International Conference on Machine Learning},
  year = {2021}
}""",
    )
    reads = Reads(averages=Moments(cross=True, over="fixations"))
    acts = Acts(sides=("current", "both"))

    sides: Sides = "both"
    summary: Summary = "flat"  # every position of every neuron by itself; mean: pooled, as published
    redundancy: float = 0.0051
    epsilon: float = 1e-5

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return self.averages.state(layer)

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        del weights
        known, state = self.averages.follow(signals, state)
        now, before = known.activity, known.context
        here, counted = is_positive(signals.fixation), now.count + is_positive(1 - now.count)  # at least 1
        pairs = here.sum(-2)[..., None]
        pairs = pairs + is_positive(1 - pairs)  # of this batch, at least 1
        sigma, sigma_before = self._sigma(now), self._sigma(before)
        z, c = (signals.activity - now.mean) / sigma, (signals.context - before.mean) / sigma_before
        biased = (counted - 1) / counted  # from a variance that is unbiased
        correlation = biased * known.cross_covariance / sigma.mT / sigma_before
        current = Modulator(here, self._dendrite(z, c, correlation, pairs) / sigma)
        context = None
        if self.sides == "both":
            context = Modulator(here, self._dendrite(c, z, correlation.mT, pairs) / sigma_before)
        itself = self._itself(correlation)
        redundant = (correlation**2).sum((-1, -2))[..., None, None] - (itself**2).sum(-1)[..., None]
        loss = ((1 - itself) ** 2).sum(-1)[..., None] + self.redundancy * redundant + here * 0
        return ThirdFactor(current, context, {}, loss, {"correlation": itself}), state

    def _sigma(self, own: Statistics) -> Array:
        biased = 1 - 1 / (own.count + is_positive(1 - own.count))
        return (biased * own.variance + self.epsilon) ** 0.5

    def _itself(self, correlation: Array) -> Array:
        """C_ii as a row: (..., 1, units)."""
        xp: Any = array_namespace(correlation)
        return xp.linalg.diagonal(correlation)[..., None, :]

    def _dendrite(self, z: Array, c: Array, correlation: Array, pairs: Array) -> Array:
        """g − ẑ s of one view, where c is the other one; both normalised."""
        itself = self._itself(correlation)
        squares = (correlation**2).sum(-1)[..., None, :] - itself**2
        towards = (1 - itself) * c - self.redundancy * (through(correlation, c) - itself * c)
        own = (1 - itself) * itself - self.redundancy * squares
        return 2 / pairs * (towards - z * own)

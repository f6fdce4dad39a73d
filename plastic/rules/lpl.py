"""LPL: latent predictive learning, a predictive, a Hebbian and a decorrelating term.

    L     = π‖z − c‖²/M − (α/M) Σ_i log(σ_i² + ε) + λ/(M² − M) Σ_{i≠k} C_ik²
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j
    m_i   = −2π/(MF) (z_i − c_i) + α/(M(B−1)) (z_i − z̄_i)/(σ_i² + ε) − 2λ/((B−1)(M²−M)) Σ_{k≠i} C_ik (z_k − z̄_k)

M neurons, B stimuli, F fixations among them; z̄, σ² and C are the mean, variance and covariance of z
over the stimuli. The pull towards the held response acts at fixations and is a mean over these, the
pairs of views, and the two other terms act at every stimulus: so π, α, λ = 1, 1, 10 mean what they do
in print, where every stimulus has its pair, however often the gaze moves. No signal of other layers:
online, z̄ and σ² are slow traces of the neuron, C those of lateral synapses, and F/B that of y⁺, one
number for all. With `sides = both` (default) the stimulus before is credited by the same three terms with z and c
exchanged, as the published loss differentiates both views. Constants as corrected in the erratum.

M. S. Halvagal, F. Zenke, "The combination of Hebbian and predictive plasticity learns invariant
object representations in deep sensory networks", Nature Neuroscience 26, 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.rules.declaration import About, Acts, Ledger, Reads, Sides
from plastic.rules.expressions import dot, is_positive, per_stimulus
from plastic.rules.rule import Array, LayerShape, Modulator, Rule, Shape, Signals, State, Summary, ThirdFactor
from plastic.rules.statistics import Moments, Statistics


@dataclass(frozen=True)
class LPL(Rule):
    """Predict the next response, keep your variance, differ from the others."""

    name = "lpl"
    modulator = "none"
    about = About(
        title="Latent predictive learning",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · [−(z − c)_i + (z − z̄)_i/σ_i² − λ Σ_k C_ik (z − z̄)_k] · ψ(u_i) · x̄_j",
        third="−(z − c)_i + (z − z̄)_i/σ_i² − λ Σ_k C_ik (z − z̄)_k",
        ledger=Ledger(
            layer_scalars="y (saccade): the pull acts at fixations, and is divided by their share",
            memory="c held for one stimulus; with sides=both also ψ and x̄",
            batch_statistics="z̄ and σ² per neuron; C, a matrix of lateral weights",
            stored_traces="3 per neuron, C per pair and the share of fixations, online",
        ),
        defaults_source=(
            "the authors' code: coefficients 1, 1, 10, ε = 1e-4, constants as in the erratum; not pooled: ours"
        ),
        probeable=("variance",),
        citation="""@article{halvagal2023combination,
  title = {The combination of {Hebbian} and predictive plasticity learns invariant object representations in
           deep sensory networks},
  author = {Halvagal, Manu Srinath and Zenke, Friedemann},
  journal = {Nature Neuroscience},
  volume = {26},
  pages = {1906--1915},
  year = {2023}
}""",
    )
    reads = Reads(averages=Moments(covariance=True, pairs=True))
    acts = Acts(sides=("current", "both"))

    sides: Sides = "both"
    summary: Summary = "flat"  # every position of every neuron by itself; mean: pooled, as published
    pull: float = 1.0  # π, of the mean over pairs
    push: float = 1.0  # α
    decorrelation: float = 10.0  # λ
    epsilon: float = 1e-4

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return self.averages.state(layer)

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        del weights
        z, c, here = signals.activity, signals.context, is_positive(signals.fixation)
        known, state = self.averages.follow(signals, state)
        assert known.per_pair is not None
        now, before, pairs = known.activity, known.context, here * known.per_pair  # the mean over pairs, not stimuli
        units, batch, apart = z.shape[-1], z.shape[-2], z - c
        pull = 2 * self.pull / (units * batch) * pairs * apart
        current = Modulator(1.0, self.outwards(now) - pull)
        context = Modulator(1.0, self.outwards(before) + pull) if self.sides == "both" else None
        distance = self.pull / units * pairs * dot(apart, apart)
        loss = distance + (self.spread(now) + self.spread(before)) / 2
        return ThirdFactor(current, context, {}, loss, {"variance": now.variance}), state

    def outwards(self, own: Statistics) -> Array:
        """m of one view without the pull to the other one: push and decorrelation."""
        batch, units = own.responses.shape[-2:]
        share = per_stimulus(own.count, batch)  # 1/(B − 1)
        push = self.push / units * share / (own.variance + self.epsilon)
        decorrelation = 2 * self.decorrelation / (max(units - 1, 1) * units) * share
        return (push + decorrelation * own.variance) * own.centred - decorrelation * own.lateral

    def spread(self, own: Statistics) -> Array:
        """The two terms of the loss that keep the layer from collapsing: (..., 1, 1)."""
        xp: Any = array_namespace(own.mean)
        units, covariance = own.mean.shape[-1], own.covariance
        assert covariance is not None
        push = -xp.log(own.variance + self.epsilon).sum(-1)[..., None] / units
        pairs = (covariance**2).sum((-1, -2))[..., None, None] - (own.variance**2).sum(-1)[..., None]
        return self.push * push + self.decorrelation * pairs / (max(units - 1, 1) * units)

"""VICReg, layer by layer and without an expander: invariance, variance, covariance.

    L     = λ ‖z − c‖²/(MF) + (μ/2M) Σ_i max(0, 1 − σ_i) + (ν/M) Σ_{i≠k} C_ik²      (σ, C of both views)
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j
    m_i   = −2λ/(MF) (z_i − c_i) + μ/(2M(B−1)) 1[σ_i < 1] (z_i − z̄_i)/σ_i − 4ν/(M(B−1)) Σ_{k≠i} C_ik (z_k − z̄_k)

M neurons, B stimuli, F fixations among them, σ_i² = var z_i + ε. As in `lpl` the pull acts at
fixations and is a mean over these, and the other terms act at every stimulus, so that λ, μ, ν mean
what they do in print; `sides = both` (default) credits both views.

A. Bardes, J. Ponce, Y. LeCun, "VICReg: variance-invariance-covariance regularization for
self-supervised learning", ICLR 2022.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from plastic.rules.expressions import is_positive, per_stimulus, rectify
from plastic.rules.lpl import LPL
from plastic.rules.rule import Array
from plastic.rules.statistics import Statistics


@dataclass(frozen=True)
class VICReg(LPL):
    """Two views agree, every neuron varies, no two neurons vary together."""

    name = "vicreg"
    about = replace(
        LPL.about,
        title="Variance-invariance-covariance regularisation",
        equation=("ΔW_ij = η · [−λ(z − c)_i + μ 1[σ_i < 1] (z − z̄)_i/σ_i − ν Σ_k C_ik (z − z̄)_k] · ψ(u_i) · x̄_j"),
        third="−λ(z − c)_i + μ 1[σ_i < 1] (z − z̄)_i/σ_i − ν Σ_k C_ik (z − z̄)_k",
        defaults_source=("the paper and the authors' code: 25, 25, 1, ε = 1e-4; no expander, not pooled: ours"),
        citation="""@inproceedings{bardes2022vicreg,
  title = {{VICReg}: Variance-invariance-covariance regularization for self-supervised learning},
  author = {Bardes, Adrien and Ponce, Jean and LeCun, Yann},
  booktitle = {International Conference on Learning Representations},
  year = {2022}
}""",
    )

    pull: float = 25.0
    push: float = 25.0
    decorrelation: float = 1.0

    def outwards(self, own: Statistics) -> Array:
        """m of one view without the pull to the other one: variance and covariance terms."""
        batch, units = own.responses.shape[-2:]
        share = per_stimulus(own.count, batch)  # 1/(B − 1)
        sigma = (own.variance + self.epsilon) ** 0.5
        push = self.push / (2 * units) * share * is_positive(1 - sigma) / sigma
        decorrelation = 4 * self.decorrelation / units * share
        return (push + decorrelation * own.variance) * own.centred - decorrelation * own.lateral

    def spread(self, own: Statistics) -> Array:
        """Variance and covariance terms of one view, twice, as the base takes the mean of the views."""
        units, covariance = own.mean.shape[-1], own.covariance
        assert covariance is not None
        push = rectify(1 - (own.variance + self.epsilon) ** 0.5).sum(-1)[..., None] / units
        pairs = (covariance**2).sum((-1, -2))[..., None, None] - (own.variance**2).sum(-1)[..., None]
        return self.push * push + 2 * self.decorrelation * pairs / units

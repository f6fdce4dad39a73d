"""SCFF: self-contrastive forward-forward, whose right data are pairs of one object.

    L     = log(1 + exp(−y (G − θ)/T)),        G = (1/n) Σ_i z_i²,  z = ρ(W x_t + W x_{t−1})
    ΔW_ij = η · M · (2/nT) z_i · ψ(u_i) · x̄_j,        M = y · σ(−y (G − θ)/T),  x̄ = x_t + x_{t−1}, at RMS 1

Each stimulus is shown together with the one before, through the same first weights, so that their
inputs add up; the layers above see the response to the pair. A pair of one object (fixation) is
right, a pair of two (saccade) wrong. The paper pairs an image with itself or with another one; the
fixation's second view of the object is in the place of the image itself.

X. Chen, D. Liu, J. Laydevant, J. Grollier, "Self-contrastive forward-forward algorithm", Nature
Communications 16, 2025.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from plastic.rules.declaration import Ledger
from plastic.rules.ff import ForwardForward


@dataclass(frozen=True)
class SCFF(ForwardForward):
    """Active for pairs of one object, quiet for pairs of two."""

    name = "scff"
    about = replace(
        ForwardForward.about,
        title="Self-contrastive forward-forward",
        family="layerwise self-supervised",
        ledger=Ledger(
            layer_scalars="y (saccade); the goodness Σ z²/n; the length of the input",
            memory="the input of the stimulus before",
            second_pass="right and wrong pairs are stimuli of their own",
        ),
        defaults_source="θ, T and the length of inputs as for ff: ours",
        citation="""@article{chen2025self,
  title = {Self-contrastive forward-forward algorithm},
  author = {Chen, Xing and Liu, Dongshu and Laydevant, J{\\'e}r{\\'e}mie and Grollier, Julie},
  journal = {Nature Communications},
  volume = {16},
  year = {2025}
}""",
    )
    reads = replace(ForwardForward.reads, presentation="pair")

"""SCFF: self-contrastive forward-forward, whose right data are pairs of one object.

    L     = log(1 + exp((θ₊ − G)/T)) + λ G at a fixation,  log(1 + exp((G − θ₋)/T)) at a saccade
    G     = (1/n) Σ_i z_i²,        z = ρ(W x_t + W x_{t−1})
    ΔW_ij = η · M · (2/n) z_i · ψ(u_i) · x̄_j,        x̄ = x_t + x_{t−1}
    M     = σ((θ₊ − G)/T)/T − λ at a fixation,  −σ((G − θ₋)/T)/T at a saccade

Each stimulus is shown together with the one before, through the same first weights, so that their
inputs add up; the layers above see the response to the pair. A pair of one object (fixation) is
right, a pair of two (saccade) wrong. As in the authors' code the pair (x_t, x_{t−1}) has a root mean
square of 1 as a whole, before it adds up, so the input of a pair that is alike is longer; the layers
above read an input of RMS 1. Probes show a stimulus paired with itself, as they do.

What differs from it: the authors also subtract the mean of what they normalise, and have biases; they
pair an image with itself, where a fixation shows another view of the object; they train one layer
after the other, with thresholds of its own for each.

X. Chen, D. Liu, J. Laydevant, J. Grollier, "Self-contrastive forward-forward algorithm", Nature
Communications 16, 2025; their code: github.com/neurophysics-cnrsthales/contrastive-forward-forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Ledger, Reads
from plastic.rules.expressions import dot, is_positive, sigmoid, softplus
from plastic.rules.rule import Array, Modulator, Rule, Signals, Summary, ThirdFactor


@dataclass(frozen=True)
class SCFF(Rule):
    """Active for pairs of one object, quiet for pairs of two."""

    name = "scff"
    modulator = "scalar"
    about = About(
        title="Self-contrastive forward-forward",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · [y σ(y(θ_y − G)/T)/T − λ y⁺] · (2/n) z_i · ψ(u_i) · x̄_j,  G = Σ z²/n",
        third="[y σ(y(θ_y − G)/T)/T − λ y⁺] · (2/n) z_i",
        ledger=Ledger(
            layer_scalars="y (saccade); the goodness Σ z²/n; the length of the input",
            memory="the input of the stimulus before",
            second_pass="right and wrong pairs are stimuli of their own",
        ),
        defaults_source=("θ₊ = 9, θ₋ = 1, T = 1, λ = 0.02: the authors' code for MNIST (ContrastFF_MNIST.py)"),
        probeable=("goodness",),
        citation="""@article{chen2025self,
  title = {Self-contrastive forward-forward algorithm},
  author = {Chen, Xing and Liu, Dongshu and Laydevant, J{\\'e}r{\\'e}mie and Grollier, Julie},
  journal = {Nature Communications},
  volume = {16},
  year = {2025}
}""",
    )
    reads = Reads(
        presentation="pair",
        normalised_input=True,
    )

    summary: Summary = "flat"  # the goodness sums over all positions; mean: of the layer's average
    threshold_fixation: float = 9.0  # θ₊
    threshold_saccade: float = 1.0  # θ₋
    temperature: float = 1.0  # T
    goodness_cost: float = 0.02  # λ

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise PlasticError(f"rule {self.name!r} takes a temperature above 0.")

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        z, y, right = signals.activity, signals.fixation, is_positive(signals.fixation)
        xp: Any = array_namespace(z)
        goodness = dot(z, z) / z.shape[-1]
        threshold = xp.where(y > 0, y * self.threshold_fixation, -y * self.threshold_saccade)
        lacking = y * (threshold - goodness) / self.temperature
        gate = y * sigmoid(lacking) / self.temperature - self.goodness_cost * right
        loss = softplus(lacking) + self.goodness_cost * right * goodness
        return ThirdFactor(Modulator(gate, 2 / z.shape[-1] * z), loss=loss, signals={"goodness": goodness})

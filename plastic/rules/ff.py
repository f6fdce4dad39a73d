"""FF: forward-forward, which tells right from wrong inputs by how active a layer is.

    L     = log(1 + exp(−y (G − θ)/T)),        G = (1/n) Σ_i z_i²
    ΔW_ij = η · M · (2/nT) z_i · ψ(u_i) · x̄_j,        M = y · σ(−y (G − θ)/T),  x = input / RMS(input)

n units; with T = 1/n the logistic takes the sum of squares, as the paper's first equation. y = +1 for
right data, −1 for wrong. Each stimulus is shown with a label beside every patch of the first layer,
that of the stimulus before: after a fixation it is right, after a saccade wrong. That is the
published pair of right and wrong labels, the wrong one chosen by the stream (take `--pairing class`,
where a saccade always goes to another class). The layers read their input's direction only, or else
the length of the input, which is the goodness below, would do.

G. Hinton, "The forward-forward algorithm: some preliminary investigations", arXiv 2212.13345.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Ledger, Reads
from plastic.rules.expressions import dot, sigmoid, softplus
from plastic.rules.rule import Array, Modulator, Rule, Signals, Summary, ThirdFactor


@dataclass(frozen=True)
class ForwardForward(Rule):
    """Active for right labels, quiet for wrong ones."""

    name = "ff"
    modulator = "scalar"
    about = About(
        title="Forward-forward",
        family="layerwise, labels in the input",
        equation="ΔW_ij = η · y σ(−y(G − θ)/T) · (2/nT) z_i · ψ(u_i) · x̄_j,  G = Σ z²/n",
        third="y σ(−y(G − θ)/T) · (2/nT) z_i",
        ledger=Ledger(
            layer_scalars="y (right or wrong); the goodness Σ z²/n; the length of the input",
            memory="the label of the stimulus before",
            second_pass="right and wrong data are stimuli of their own",
        ),
        defaults_source=(
            "θ = 1 per unit and inputs of RMS 1: the author's code, from memory; T = 0.3, softer than the paper's 1/n: "
            "ours"
        ),
        probeable=("goodness",),
        citation="""@article{hinton2022forward,
  title = {The forward-forward algorithm: Some preliminary investigations},
  author = {Hinton, Geoffrey},
  journal = {arXiv preprint arXiv:2212.13345},
  year = {2022}
}""",
    )
    reads = Reads(
        presentation="labelled",
        normalised_input=True,
    )

    summary: Summary = "flat"  # the goodness sums over all positions; mean: of the layer's average
    threshold: float = 1.0  # θ
    temperature: float = 0.3  # T

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature <= 0:
            raise PlasticError(f"rule {self.name!r} takes a temperature above 0.")

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        z, y = signals.activity, signals.fixation
        goodness = dot(z, z) / z.shape[-1]
        excess = y * (goodness - self.threshold) / self.temperature
        current = Modulator(y * sigmoid(-excess), 2 / (z.shape[-1] * self.temperature) * z)
        return ThirdFactor(current, loss=softplus(-excess), signals={"goodness": goodness})

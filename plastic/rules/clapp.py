"""CLAPP: contrastive, local and predictive plasticity.

    L_t   = max(0, 1 − y · zᵀ W_pred c)
    ΔW_ij = η · γ · (W_pred c)_i · ψ(u_i) · x̄_j,        γ = y · 1[L_t > 0]
    ΔW_pred,ij = η · γ · z_i · c_j

z is the layer's response to this stimulus, c its held response to the one before, y = ±1 says
whether the gaze stayed or moved. With `sides = both` the stimulus before is credited as well, with
the retrodiction W_retro z. Symmetric: W_retro = W_predᵀ and one gate. Asymmetric: W_retro is
learned apart by its own hinge loss on cᵀ W_retro z, hence its own gate γ'.

B. Illing, J. Ventura, G. Bellec, W. Gerstner, "Local plasticity rules can learn deep
representations using self-supervised contrastive predictions", NeurIPS 2021, equations 6–8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plastic.rules.declaration import About, Acts, Ledger
from plastic.rules.expressions import dot, through
from plastic.rules.rule import Array, LayerShape, Modulator, Product, Rule, Signals, Summary, Synapses, ThirdFactor


@dataclass(frozen=True)
class CLAPP(Rule):
    """Hinge-gated prediction of the present response from the held one."""

    name = "clapp"
    modulator = "scalar"
    about = About(
        title="Contrastive, local and predictive plasticity",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · γ · (W_pred c)_i · ψ(u_i) · x̄_j,  γ = y · 1[y · zᵀ W_pred c < 1]",
        third="γ · (W_pred c)_i",
        ledger=Ledger(
            weight_transport="only with sides=both and symmetric: W_retro = W_predᵀ",
            layer_scalars="y (saccade) and the hinge, which needs the layer sum zᵀ W_pred c",
            memory="c held for one stimulus; with sides=both also ψ and x̄",
        ),
        defaults_source=(
            "margin 1 and the hinge: equation 5 of the paper; sides=current: one eligibility per synapse, "
            "the context detached; W_pred ~ N(0, 0.01/n): ours"
        ),
        probeable=("score", "W_pred", "W_retro"),
        citation="""@inproceedings{illing2021local,
  title = {Local plasticity rules can learn deep representations using self-supervised contrastive predictions},
  author = {Illing, Bernd and Ventura, Jean and Bellec, Guillaume and Gerstner, Wulfram},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {34},
  year = {2021}
}""",
    )
    acts = Acts(sides=("current", "both"))

    summary: Summary = "flat"  # W_pred joins the positions; mean: it sees their average
    symmetric: bool = True
    margin: float = 1.0

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        lateral = Synapses((layer.units, layer.units), std=0.1 / layer.units**0.5)
        separate = self.sides == "both" and not self.symmetric
        return {"W_pred": lateral} | ({"W_retro": lateral} if separate else {})

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        z, c, y = signals.activity, signals.context, signals.fixation
        prediction = through(weights["W_pred"], c)
        score = dot(z, prediction)
        short = self.margin - y * score
        opened = short > 0
        gate, loss = y * opened, short * opened
        current = Modulator(gate, prediction)
        learn = {"W_pred": Product(gate, z, c)}
        context = None
        if self.sides == "both" and self.symmetric:
            context = Modulator(gate, through(weights["W_pred"].mT, z))
        elif self.sides == "both":
            retrodiction = through(weights["W_retro"], z)
            gate_retro = y * (y * dot(c, retrodiction) < self.margin)
            context = Modulator(gate_retro, retrodiction)
            learn["W_retro"] = Product(gate_retro, c, z)
        return ThirdFactor(current, context, learn, loss, {"score": score})

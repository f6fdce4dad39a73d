"""SimSiam, layer by layer, with a linear predictor: each view predicts the other, which is held fixed.

    L     = −⟨p̂, ĉ⟩,        p = P (z − z̄),  p̂ = p/‖p‖,  ĉ = (c − c̄)/‖c − c̄‖ detached
    ΔW_ij = η · (Pᵀ h)_i · ψ(u_i) · x̄_j,        h = {ĉ − p̂ ⟨p̂, ĉ⟩}/‖p‖
    ΔP_ij = η · h_i · (z − z̄)_j

At fixations only. `similarity` = squared: L = ½‖P z − c‖² and h = c − P z instead. With
`sides = both` (default) the stimulus before predicts the present one as well, as published. The
predictor and the detached target are all that keeps the layer from collapsing, and rectified
responses share so large a mean that they point the same way from the start: with `centred` (default)
each neuron's mean z̄ is taken off, detached, in the place of the paper's batch normalisation.

X. Chen, K. He, "Exploring simple Siamese representation learning", CVPR 2021; linear predictor:
Y. Tian, X. Chen, S. Ganguli, "Understanding self-supervised learning dynamics without contrastive
pairs", ICML 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Acts, Ledger, Reads, Sides
from plastic.rules.expressions import dot, is_positive, length, on_sphere, through
from plastic.rules.rule import (
    Array,
    LayerShape,
    Modulator,
    Product,
    Rule,
    Shape,
    Signals,
    State,
    Summary,
    Synapses,
    ThirdFactor,
)
from plastic.rules.statistics import Moments


@dataclass(frozen=True)
class SimSiam(Rule):
    """Each view predicts the other, which is held fixed."""

    name = "simsiam"
    modulator = "scalar"
    about = About(
        title="SimSiam with a linear predictor",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · y⁺ (Pᵀ h)_i · ψ(u_i) · x̄_j,  h = [ĉ − p̂ ⟨p̂, ĉ⟩]/‖p‖,  p = P(z − z̄)",
        third="y⁺ (Pᵀ [ĉ − p̂ ⟨p̂, ĉ⟩])_i/‖p‖",
        ledger=Ledger(
            weight_transport="Pᵀ, the transposed predictor",
            layer_scalars="y (saccade); ⟨p̂, ĉ⟩, ‖p‖ and ‖c‖ (divisive normalisation)",
            memory="c held for one stimulus; with sides=both also ψ and x̄",
            batch_statistics="z̄ per neuron, with centred",
            stored_traces="2 per neuron, online",
        ),
        defaults_source="cosine similarity, both sides: the paper; P ~ N(0, 1/n), linear and centred: ours",
        probeable=("P",),
        citation="""@inproceedings{chen2021exploring,
  title = {Exploring simple {Siamese} representation learning},
  author = {Chen, Xinlei and He, Kaiming},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  year = {2021}
}""",
    )
    reads = Reads(averages=Moments())
    acts = Acts(sides=("current", "both"))

    sides: Sides = "both"
    summary: Summary = "flat"  # P joins the positions
    similarity: str = "cosine"
    centred: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.similarity not in ("cosine", "squared"):
            raise PlasticError(f"rule 'simsiam' has no similarity {self.similarity!r}; choose one of: cosine, squared.")

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return {"P": Synapses((layer.units, layer.units), 1 / layer.units**0.5)}

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return self.averages.state(layer)

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        z, c, here = signals.activity, signals.context, is_positive(signals.fixation)
        known, state = self.averages.follow(signals, state)
        if self.centred:
            z, c = z - known.activity.mean, c - known.context.mean
        error, loss = self._error(through(weights["P"], z), c)
        current = Modulator(here, through(weights["P"].mT, error))
        if self.sides == "current":
            return ThirdFactor(current, None, {"P": Product(here, error, z)}, here * loss), state
        xp: Any = array_namespace(z)
        back, loss_back = self._error(through(weights["P"], c), z)
        context = Modulator(here, through(weights["P"].mT, back))
        post, pre = xp.concat([here * error, here * back], axis=-2), xp.concat([z, c], axis=-2)
        return ThirdFactor(current, context, {"P": Product(1.0, post, pre)}, here * (loss + loss_back)), state

    def _error(self, prediction: Array, target: Array) -> tuple[Array, Array]:
        """h and the loss of one direction."""
        if self.similarity == "squared":
            error = target - prediction
            return error, dot(error, error) / 2
        norm = length(prediction)
        unit, towards = prediction / norm, target / length(target)
        return on_sphere(towards, unit, norm), -dot(unit, towards)

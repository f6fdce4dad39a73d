"""InfoNCE: which of K + 1 responses belongs to the held one? Layer by layer.

    L     = −log softmax_n(z_nᵀ B c / τ) at the true n
    ΔW_ij = η · Σ_n M_n · (B c)_i · ψ(u_i^n) · x̄_j^n,    M_n = (1[n true] − p_n) / τ
    ΔB    = η · Σ_n M_n z_n cᵀ

At a fixation of stream b, its own response is the true one, and those of the streams b+1 … b+K
(cyclically, of any object) are the negatives; at a saccade the stream only serves as a negative.
Each negative has a scalar of its own. With `sides = both` the held stimulus is credited as well,
with Σ_n M_n (Bᵀ z_n)_i. A published mean over the batch is η/batch here.

A. van den Oord, Y. Li, O. Vinyals, "Representation learning with contrastive predictive coding",
arXiv 1807.03748; layerwise: S. Löwe, P. O'Connor, B. S. Veeling, "Putting an end to end-to-end:
gradient-isolated learning of representations", NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.expressions import contrasted, is_positive, softmax_among, through
from plastic.rules.rule import (
    Array,
    LayerShape,
    Ledger,
    Modulator,
    ModulatorKind,
    Product,
    Rule,
    Sides,
    Signals,
    Summary,
    Synapses,
    ThirdFactor,
)


@dataclass(frozen=True)
class InfoNCE(Rule):
    """The present response predicted from the held one, among those of other streams."""

    name: ClassVar[str] = "infonce"
    title: ClassVar[str] = "InfoNCE with a bilinear score"
    family: ClassVar[str] = "layerwise self-supervised"
    modulator: ClassVar[ModulatorKind] = "scalar"
    equation: ClassVar[str] = "ΔW_ij = η · Σ_n M_n (B c)_i · ψ(u_i^n) · x̄_j^n,  M_n = (1[n true] − p_n)/τ"
    third: ClassVar[str] = "Σ M_n (B c)_i"
    ledger: ClassVar[Ledger] = Ledger(
        weight_transport="only with sides=both: Bᵀ",
        layer_scalars="y (saccade) and a softmax over K + 1 layer sums zᵀ B c",
        memory="c held for one stimulus; with sides=both also ψ and x̄",
        batch_statistics="K negatives, the responses of other streams",
    )
    defaults_source: ClassVar[str] = "τ = 1 as in CPC; 16 negatives as in CPC for vision; B ~ N(0, 0.01/n): ours"
    probeable: ClassVar[tuple[str, ...]] = ("score", "B")
    citation: ClassVar[str] = """@article{oord2018representation,
  title = {Representation learning with contrastive predictive coding},
  author = {van den Oord, Aaron and Li, Yazhe and Vinyals, Oriol},
  journal = {arXiv preprint arXiv:1807.03748},
  year = {2018}
}"""
    sides_supported: ClassVar[tuple[Sides, ...]] = ("current", "both")

    summary: Summary = "flat"  # B joins the positions; mean: it sees their average
    negatives: int = 16
    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives < 1 or self.temperature <= 0:
            raise PlasticError(f"rule {self.name!r} takes at least 1 of negatives and a temperature above 0.")

    @property
    def smallest_batch(self) -> int:
        return 2  # the others of the batch are its negatives

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return {"B": Synapses((layer.units, layer.units), 0.1 / layer.units**0.5)}

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        xp: Any = array_namespace(signals.activity)
        z, c, here = signals.activity, signals.context, is_positive(signals.fixation)
        prediction = through(weights["B"], c)
        scores = prediction @ z.mT / self.temperature  # of every stream's context (rows) with every response
        true = contrasted(z, 0)
        chosen = softmax_among(scores, contrasted(z, self.negatives))
        scalars = here * (true - chosen) / self.temperature  # M
        towards = scalars @ z
        context = Modulator(1.0, through(weights["B"].mT, towards)) if self.sides == "both" else None
        loss = -here * xp.log((chosen * true).sum(-1)[..., None] + 1e-30)
        learn = {"B": Product(1.0, towards, c)}
        score = (scores * true).sum(-1)[..., None]
        return ThirdFactor(Modulator(1.0, scalars.mT @ prediction), context, learn, loss, {"score": score})

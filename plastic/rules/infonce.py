"""InfoNCE: which of K + 1 responses belongs to the held one? Layer by layer.

    L     = −log softmax_n(z_nᵀ B c / τ) at the true n
    ΔW_ij = η · Σ_n M_n · (B c)_i · ψ(u_i^n) · x̄_j^n,    M_n = (1[n true] − p_n) / τ
    ΔB    = η · Σ_n M_n z_n cᵀ

At a fixation of stream b, its own response is the true one, and those of the streams b+1 … b+K
(cyclically, of any object; at most all others) are the negatives; at a saccade the stream only serves as a negative.
Each negative has a scalar of its own. With `sides = both` the held stimulus is credited as well,
with Σ_n M_n (Bᵀ z_n)_i. A published mean over the batch is η/batch here.

`negatives_from` = memory is the online form, for one stream: the present response asks which of the
held ones it belongs to,

    L     = −log softmax_n(zᵀ B k_n / τ) at k_0 = c
    ΔW_ij = η · Σ_n M_n (B k_n)_i · ψ(u_i) · x̄_j,    ΔB = η · z Σ_n M_n k_nᵀ

k_1 … k_K are the last responses to the K objects that the gaze has left, a queue as in MoCo, but of
the network itself: no second, slowly moving one. They are not credited.

A. van den Oord, Y. Li, O. Vinyals, "Representation learning with contrastive predictive coding",
arXiv 1807.03748; layerwise: S. Löwe, P. O'Connor, B. S. Veeling, "Putting an end to end-to-end:
gradient-isolated learning of representations", NeurIPS 2019; queue: K. He, H. Fan, Y. Wu, S. Xie,
R. Girshick, "Momentum contrast for unsupervised visual representation learning", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Acts, Ledger, ModulatorKind, Reads
from plastic.rules.expressions import contrasted, dot, is_positive, softmax_among, through
from plastic.rules.memory import Memory, check_negatives_from, contrast
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


@dataclass(frozen=True)
class InfoNCE(Rule):
    """The present response predicted from the held one, among those of other streams."""

    name = "infonce"
    modulator: ClassVar[ModulatorKind] = "scalar"  # a rule made from this one has another
    about = About(
        title="InfoNCE with a bilinear score",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · Σ_n M_n (B c)_i · ψ(u_i^n) · x̄_j^n,  M_n = (1[n true] − p_n)/τ",
        third="Σ M_n (B c)_i",
        ledger=Ledger(
            weight_transport="only with sides=both: Bᵀ",
            layer_scalars="y (saccade) and a softmax over K + 1 layer sums zᵀ B c",
            memory="c held for one stimulus; with sides=both also ψ and x̄",
            batch_statistics="K negatives, the responses of other streams (with negatives_from=memory: no, "
            "K responses are remembered)",
        ),
        defaults_source="τ = 1 as in CPC; 16 negatives as in CPC for vision; B ~ N(0, 0.01/n): ours",
        probeable=("score", "B"),
        citation="""@article{oord2018representation,
  title = {Representation learning with contrastive predictive coding},
  author = {van den Oord, Aaron and Li, Yazhe and Vinyals, Oriol},
  journal = {arXiv preprint arXiv:1807.03748},
  year = {2018}
}""",
    )
    reads = Reads(one_stream={"negatives_from": "memory"})
    acts = Acts(sides=("current", "both"))

    summary: Summary = "flat"  # B joins the positions; mean: it sees their average
    negatives: int = 16
    negatives_from: str = "batch"
    temperature: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.negatives < 1 or self.temperature <= 0:
            raise PlasticError(f"rule {self.name!r} takes at least 1 of negatives and a temperature above 0.")
        check_negatives_from(self.name, self.negatives_from)

    @property
    def smallest_batch(self) -> int:
        return 2 if self.negatives_from == "batch" else 1  # the others of the batch are its negatives

    @property
    def memory_slots(self) -> int:
        return self.negatives if self.negatives_from == "memory" else 0

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return Memory(self.memory_slots).state(layer)

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return {"B": Synapses((layer.units, layer.units), 0.1 / layer.units**0.5)}

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        xp: Any = array_namespace(signals.activity)
        if self.negatives_from == "memory":
            return self._from_memory(signals, state, weights["B"])
        z, c, here = signals.activity, signals.context, is_positive(signals.fixation)
        prediction = through(weights["B"], c)
        scores = prediction / self.temperature @ z.mT  # of every stream's context (rows) with every response
        chosen = softmax_among(scores, contrasted(z, self.negatives))
        scalars = here / self.temperature * (contrasted(z, 0) - chosen)  # M
        towards = scalars @ z
        context = Modulator(1.0, through(weights["B"].mT, towards)) if self.sides == "both" else None
        loss = -here * xp.log(xp.linalg.diagonal(chosen)[..., None] + 1e-30)
        learn = {"B": Product(here, towards, c)}  # at a saccade it is 0 anyway
        score = xp.linalg.diagonal(scores)[..., None]
        return ThirdFactor(Modulator(1.0, scalars.mT @ prediction), context, learn, loss, {"score": score}), {}

    def _from_memory(self, signals: Signals, state: State, matrix: Array) -> tuple[ThirdFactor, State]:
        z, c = signals.activity, signals.context
        keys, allowed, state = Memory(self.memory_slots).keys(signals, state)
        predictions = keys @ matrix.mT[..., None, :, :]  # B k_n: (..., batch, K + 1, units)
        scores = (predictions @ z[..., None])[..., 0] / self.temperature
        scalars, loss = contrast(scores, allowed, is_positive(signals.fixation), self.temperature)
        weighted = scalars[..., None, :]
        dendrite, key = (weighted @ predictions)[..., 0, :], (weighted @ keys)[..., 0, :]
        context = Modulator(1.0, scalars[..., :1] * through(matrix.mT, z)) if self.sides == "both" else None
        learn = {"B": Product(1.0, z, key)}
        score = dot(z, through(matrix, c)) / self.temperature
        return ThirdFactor(Modulator(1.0, dendrite), context, learn, loss, {"score": score}), state

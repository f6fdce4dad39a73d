"""uSF: sign-symmetric feedback, of which only the signs follow the forward weights.

    m_top = (|B| ⊙ sgn W_out)ᵀ (target − softmax(W_out z_top))
    m^l   = (|B| ⊙ sgn W^{l+1})ᵀ (ψ^{l+1} ⊙ m^{l+1})
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j

`magnitude` = uniform: |B| is one number per layer (uSF); random: |B| is drawn once and stays (frSF,
fixed random magnitude). `mask` as in `bp`.

Q. Liao, J. Z. Leibo, T. Poggio, "How important is weight symmetry in backpropagation?", AAAI 2016.
Names as in T. H. Moskovitz, A. Litwin-Kumar, L. F. Abbott, arXiv 1812.06488.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import Ledger
from plastic.rules.fa import FA
from plastic.rules.rule import Array, LayerShape, Synapses


@dataclass(frozen=True)
class USF(FA):
    """Error sent down weights with the forward signs and magnitudes of their own."""

    name = "usf"
    about = replace(
        FA.about,
        title="Sign-symmetric feedback",
        equation="ΔW_ij = η · [(|B| ⊙ sgn W_above)ᵀ (ψ ⊙ m)_above]_i · ψ(u_i) · x̄_j",
        third="[(|B| ⊙ sgn W_above)ᵀ (ψ ⊙ m)_above]_i",
        ledger=Ledger(
            weight_transport="the signs of the forward weights of every layer above",
            broadcast="a chain through all layers above, one number per neuron",
            memory="eligibility held until the backward chain arrives",
            batch_statistics="only with mask=batch: the mean ψ",
        ),
        defaults_source="|B| = √(2/fan-in), the size of the first forward weights: ours",
        citation="""@inproceedings{liao2016important,
  title = {How important is weight symmetry in backpropagation?},
  author = {Liao, Qianli and Leibo, Joel Z. and Poggio, Tomaso},
  booktitle = {AAAI Conference on Artificial Intelligence},
  year = {2016}
}""",
    )

    magnitude: str = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.magnitude not in ("uniform", "random"):
            raise PlasticError(f"rule 'usf' has no magnitude {self.magnitude!r}; choose one of: uniform, random.")

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return super().circuit(layer) if self.magnitude == "random" else {}

    def feedback(self, forward: Array, fixed: Array | None) -> Array:
        xp: Any = array_namespace(forward)
        if fixed is None:
            return xp.sign(forward) * self.feedback_scale * (2 / forward.shape[-1]) ** 0.5
        return xp.sign(forward) * xp.abs(fixed)

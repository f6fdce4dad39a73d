"""Last layer only: the top hidden layer and the readout learn, all below stays random.

    ΔW_ij = η · [W_outᵀ (target − softmax(W_out z_top))]_i · ψ(u_i) · x̄_j   at the top,   0 below

The control for credit assignment: a rule whose top layer is no better than this one's has taught its
lower layers nothing that helps. The top learns by the true gradient. (Where "last layer" means the
readout alone, a probe of the rule `none` is that control.)

J. Launay, I. Poli, F. Boniface, F. Krzakala, "Direct feedback alignment scales to modern deep
learning tasks and architectures", NeurIPS 2020, where training the topmost layers is the baseline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plastic.rules.bp import BP
from plastic.rules.declaration import Ledger
from plastic.rules.rule import Array, Modulator, Signals, ThirdFactor


@dataclass(frozen=True)
class LastLayer(BP):
    """Backpropagation that ends at the top hidden layer."""

    name = "last-layer"
    about = replace(
        BP.about,
        title="Top layer only",
        family="control",
        equation="ΔW_ij = η · [W_outᵀ (target − p)]_i · ψ(u_i) · x̄_j at the top, 0 below",
        third="[W_outᵀ (target − p)]_i at the top, 0 below",
        ledger=Ledger(
            weight_transport="transposed readout weights", broadcast="one number per neuron of the top layer"
        ),
        defaults_source="none needed",
        citation="""@inproceedings{launay2020direct,
  title = {Direct feedback alignment scales to modern deep learning tasks and architectures},
  author = {Launay, Julien and Poli, Iacopo and Boniface, Fran{\\c{c}}ois and Krzakala, Florent},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {33},
  year = {2020}
}""",
    )
    acts = replace(BP.acts, layers="last")

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        third = super().third_factor(signals, weights)
        if signals.last:
            return third
        return ThirdFactor(Modulator(0.0, third.current.dendrite), loss=third.loss, signals=third.signals)

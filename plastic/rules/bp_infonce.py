"""BP-InfoNCE: InfoNCE on the top layer alone, sent down to all layers by backpropagation.

    m_top = Σ_n M_n B c,        M_n = (1[n true] − p_n) / τ
    m^l   = W^{l+1}ᵀ (ψ^{l+1} ⊙ m^{l+1})
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j

The global reference that the layerwise `infonce` is compared with: the same loss, negatives and
circuit at the top, none below. With `sides = both` the stimulus before is credited as well, by a
chain of its own that starts from Σ_n M_n Bᵀ z_n and passes that stimulus' ψ. `mask` as in `bp`.

A. van den Oord, Y. Li, O. Vinyals, "Representation learning with contrastive predictive coding",
arXiv 1807.03748; as a reference for local rules: Z. Wu et al., arXiv 2601.21683.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plastic.rules.declaration import Ledger
from plastic.rules.infonce import InfoNCE
from plastic.rules.rule import Array, LayerShape, Modulator, Shape, Signals, State, Synapses, ThirdFactor


@dataclass(frozen=True)
class BPInfoNCE(InfoNCE):
    """InfoNCE of the top layer, end to end."""

    name = "bp-infonce"
    modulator = "broadcast"
    about = replace(
        InfoNCE.about,
        title="InfoNCE end to end",
        family="global self-supervised (reference)",
        equation="ΔW_ij = η · [W_aboveᵀ (ψ ⊙ m)_above]_i · ψ(u_i) · x̄_j,  m_top = Σ_n M_n B c",
        third="[W_aboveᵀ (ψ ⊙ m)_above]_i",
        ledger=Ledger(
            weight_transport="transposed forward weights of every layer above; with sides=both also Bᵀ",
            layer_scalars="y (saccade) and a softmax over K + 1 sums zᵀ B c of the top layer",
            broadcast="a chain through all layers above, one number per neuron",
            memory="c held for one stimulus, with sides=both also ψ and x̄ of every layer; eligibility held until the "
            "chain arrives",
            batch_statistics="K negatives, the responses of other streams (with negatives_from=memory: no, "
            "K responses of the top layer are remembered)",
        ),
    )
    reads = replace(InfoNCE.reads, signals=frozenset({"above", "above_before"}))

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return super().circuit(layer) if layer.last else {}

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return super().state(layer) if layer.last else {}

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        if signals.above is None:
            return super().third_factor(signals, state, weights)
        before = signals.above_before
        context = None if before is None else Modulator(1.0, before.down())
        return ThirdFactor(Modulator(1.0, signals.above.down()), context), {}

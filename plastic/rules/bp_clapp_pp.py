"""BP-CLAPP++: the CLAPP++ loss of the top layer alone, sent down to all layers by backpropagation.

    m_top = γ · B c,        γ⁺ = −f′(z⁺ᵀBc),  γ⁻ = f′(−z⁻ᵀBc)
    m^l   = W^{l+1}ᵀ (ψ^{l+1} ⊙ m^{l+1})
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j

The global reference that `clapp++` is compared with: the same loss, negatives and circuit at the
top (c there is the top layer's own held response whatever `feedback` says), none below. The held
response is not credited. `mask` as in `bp`.

Z. Wu, A. Delrocq, W. Gerstner, G. Bellec, "Can local learning match self-supervised
backpropagation?", arXiv 2601.21683.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plastic.rules.clapp_pp import CLAPPpp
from plastic.rules.declaration import Ledger
from plastic.rules.rule import Array, LayerShape, Modulator, Signals, Synapses, ThirdFactor


@dataclass(frozen=True)
class BPCLAPPpp(CLAPPpp):
    """CLAPP++ of the top layer, end to end."""

    name = "bp-clapp++"
    modulator = "broadcast"
    about = replace(
        CLAPPpp.about,
        title="CLAPP++ end to end",
        family="global self-supervised (reference)",
        equation="ΔW_ij = η · [W_aboveᵀ (ψ ⊙ m)_above]_i · ψ(u_i) · x̄_j,  m_top = γ · B c",
        third="[W_aboveᵀ (ψ ⊙ m)_above]_i",
        ledger=Ledger(
            weight_transport="transposed forward weights of every layer above",
            layer_scalars="y (saccade) and f′ of the sum zᵀ B c of the top layer",
            broadcast="a chain through all layers above, one number per neuron",
            memory="c held for one stimulus; eligibility held until the chain arrives",
            batch_statistics="with negatives=batch: the prediction of one other stream",
        ),
    )
    reads = replace(CLAPPpp.reads, signals=frozenset({"above", "top_context"}))

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return super().circuit(layer) if layer.last else {}

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        if signals.above is None:
            return super().third_factor(signals, weights)
        return ThirdFactor(Modulator(1.0, signals.above.down()))

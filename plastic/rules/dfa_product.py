"""DFA whose feedback is set to the product of the forward weights: what direct feedback lacks, put back.

    e     = softmax(W_out z_top) − target
    ΔW_ij = −η · (B e)_i · ψ(u_i) · x̄_j,        B^l = W^{l+1}ᵀ D^{l+1} ⋯ W^Lᵀ D^L W_outᵀ

The broadcast is that of DFA, with a B that is aligned from the start. `upper_mask` says which ψ of
the layers above enter as D: none (the bare product of the weights), batch (their batch mean), or
sample: a B for every sample, the oracle, which equals backpropagation. The three arms separate the
error of a random B from the error of a lost mask.

Masks: the companion code of Z. Wu, A. Delrocq, W. Gerstner, G. Bellec, arXiv 2601.21683
(compute_mask_approx); a B that each sample has for itself is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plastic.rules.declaration import Ledger
from plastic.rules.dfa import DFA
from plastic.rules.expressions import cross_entropy, each_through
from plastic.rules.rule import Array, LayerShape, Mask, Modulator, Signals, Synapses, ThirdFactor


@dataclass(frozen=True)
class DFAProduct(DFA):
    """Output error broadcast through the product of the transposed weights above."""

    name = "dfa-product"
    about = replace(
        DFA.about,
        title="Direct feedback through the weight product",
        family="direct feedback (reference)",
        equation="ΔW_ij = −η · [(W_out D^L W^L ⋯ D^{l+1} W^{l+1})ᵀ e]_i · ψ(u_i) · x̄_j",
        third="−[(W_out D^L W^L ⋯ D^{l+1} W^{l+1})ᵀ e]_i",
        ledger=Ledger(
            weight_transport="the product of all weights above",
            broadcast="K = number of classes; with upper_mask=sample a feedback matrix for every sample",
            memory="eligibility held until the output error is known",
            batch_statistics="only with upper_mask=batch: the mean ψ of the layers above",
        ),
        defaults_source="upper_mask=none is DFA with perfect feedback weights, the arm that the masks miss",
        citation="""@article{wu2026local,
  title = {Can local learning match self-supervised backpropagation?},
  author = {Wu, Zihan and Delrocq, Ariane and Gerstner, Wulfram and Bellec, Guillaume},
  journal = {arXiv preprint arXiv:2601.21683},
  year = {2026}
}""",
    )
    reads = replace(DFA.reads, signals=frozenset({"error", "target", "above", "product"}))

    upper_mask: Mask = "none"

    @property
    def feedback_mask(self) -> Mask:
        return self.upper_mask

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        del layer
        return {}

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        assert signals.above is not None
        feedback = each_through(signals.above.product(self.feedback_mask), signals.error)
        loss = cross_entropy(signals.error, signals.target)
        return ThirdFactor(Modulator(-1.0, feedback), loss=loss, signals={"error": signals.error})

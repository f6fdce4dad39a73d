"""BP: backpropagation, the reference, written as a chain of third factors.

    m_top = W_outᵀ (target − softmax(W_out z_top))
    m^l   = W^{l+1}ᵀ (ψ^{l+1} ⊙ m^{l+1})
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j

`mask` replaces ψ by its batch mean (batch) or by one (none), in the layer's own eligibility and in
the chain alike: the ablation that separates backpropagation from direct feedback. `upper_mask`
sets the chain's mask apart, so that "own mask only" is mask = sample, upper_mask = none. In spikes
ψ^{l+1} in the chain is its mean over the stimulus: credit is not carried back in time.

D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating
errors", Nature 323, 1986. Masks: the companion code of Wu, Delrocq, Gerstner, Bellec,
arXiv 2601.21683 (compute_mask_approx).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plastic.rules.declaration import About, Ledger, Reads
from plastic.rules.expressions import cross_entropy
from plastic.rules.rule import Array, Mask, Modulator, Rule, Signals, Summary, ThirdFactor


@dataclass(frozen=True)
class BP(Rule):
    """Error sent down the transposed forward weights, masked on the way."""

    name = "bp"
    modulator = "broadcast"
    about = About(
        title="Backpropagation",
        family="direct feedback (reference)",
        equation="ΔW_ij = η · [W_aboveᵀ (ψ ⊙ m)_above]_i · ψ(u_i) · x̄_j",
        third="[W_aboveᵀ (ψ ⊙ m)_above]_i",
        ledger=Ledger(
            weight_transport="transposed forward weights of every layer above",
            broadcast="a chain through all layers above, one number per neuron",
            memory="eligibility held until the backward chain arrives",
            batch_statistics="only with mask=batch: the mean ψ",
        ),
        defaults_source="mask=sample is plain backpropagation",
        probeable=("error",),
        citation="""@article{rumelhart1986learning,
  title = {Learning representations by back-propagating errors},
  author = {Rumelhart, David E. and Hinton, Geoffrey E. and Williams, Ronald J.},
  journal = {Nature},
  volume = {323},
  pages = {533--536},
  year = {1986}
}""",
    )
    reads = Reads(signals=frozenset({"error", "target", "above"}))

    summary: Summary = "flat"  # every position of every neuron has its own feedback
    upper_mask: Mask | None = None

    @property
    def feedback_mask(self) -> Mask:
        return self.upper_mask or self.mask

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        assert signals.above is not None
        loss = cross_entropy(signals.error, signals.target)
        return ThirdFactor(Modulator(1.0, signals.above.down()), loss=loss, signals={"error": signals.error})

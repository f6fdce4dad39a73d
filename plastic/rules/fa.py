"""FA: feedback alignment, backpropagation whose way down has fixed random weights.

    m_top = B^out (target − softmax(W_out z_top))
    m^l   = B^{l+1} (ψ^{l+1} ⊙ m^{l+1})
    ΔW_ij = η · m_i · ψ(u_i) · x̄_j

B has the shape of the transposed weights that it stands for. The masks are those of
backpropagation, only the transport of the weights is gone. `mask` as in `bp`.

T. P. Lillicrap, D. Cownden, D. B. Tweed, C. J. Akerman, "Random synaptic feedback weights support
error backpropagation for deep learning", Nature Communications 7, 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plastic.rules.declaration import About, Ledger, Reads
from plastic.rules.expressions import cross_entropy
from plastic.rules.rule import Array, LayerShape, Mask, Modulator, Rule, Signals, Summary, Synapses, ThirdFactor


@dataclass(frozen=True)
class FA(Rule):
    """Error sent down a chain of fixed random weights, masked on the way."""

    name = "fa"
    modulator = "broadcast"
    about = About(
        title="Feedback alignment",
        family="direct feedback",
        equation="ΔW_ij = η · [B (ψ ⊙ m)_above]_i · ψ(u_i) · x̄_j",
        third="[B (ψ ⊙ m)_above]_i",
        ledger=Ledger(
            broadcast="a chain through all layers above, one number per neuron, through fixed random weights",
            memory="eligibility held until the backward chain arrives",
            batch_statistics="only with mask=batch: the mean ψ",
        ),
        defaults_source="B ~ N(0, 2/fan-in) as the forward weights begin; the paper draws it uniform",
        probeable=("error",),
        citation="""@article{lillicrap2016random,
  title = {Random synaptic feedback weights support error backpropagation for deep learning},
  author = {Lillicrap, Timothy P. and Cownden, Daniel and Tweed, Douglas B. and Akerman, Colin J.},
  journal = {Nature Communications},
  volume = {7},
  pages = {13276},
  year = {2016}
}""",
    )
    reads = Reads(signals=frozenset({"error", "target", "above"}))

    summary: Summary = "flat"  # every position of every neuron has its own feedback
    upper_mask: Mask | None = None
    feedback_scale: float = 1.0

    @property
    def feedback_mask(self) -> Mask:
        return self.upper_mask or self.mask

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        return {"B": Synapses(layer.above, self.feedback_scale * (2 / layer.above[-1]) ** 0.5, plastic=False)}

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        assert signals.above is not None
        feedback = signals.above.down(self.feedback(signals.above.weight, weights.get("B")))
        loss = cross_entropy(signals.error, signals.target)
        return ThirdFactor(Modulator(1.0, feedback), loss=loss, signals={"error": signals.error})

    def feedback(self, forward: Array, fixed: Array | None) -> Array:
        """The weights of the way down, from the forward ones and the fixed random ones."""
        del forward
        return fixed

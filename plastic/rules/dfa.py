"""DFA: direct feedback alignment.

    e     = softmax(W_out z_top) − target
    ΔW_ij = −η · (B e)_i · ψ(u_i) · x̄_j,        B fixed and random

The error reaches every layer through its own random matrix B. The layer's own ψ is kept as a mask
(`mask` = sample), but those of the layers above, which backpropagation multiplies in, are lost.

A. Nøkland, "Direct feedback alignment provides learning in deep neural networks", NeurIPS 2016,
equation 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plastic.rules.declaration import About, Ledger, Reads
from plastic.rules.expressions import cross_entropy, through
from plastic.rules.rule import Array, LayerShape, Modulator, Rule, Signals, Summary, Synapses, ThirdFactor


@dataclass(frozen=True)
class DFA(Rule):
    """Output error broadcast to every layer through fixed random weights."""

    name = "dfa"
    modulator = "broadcast"
    about = About(
        title="Direct feedback alignment",
        family="direct feedback",
        equation="ΔW_ij = −η · (B e)_i · ψ(u_i) · x̄_j",
        third="−(B e)_i",
        ledger=Ledger(
            broadcast="K = number of classes, through a fixed random B",
            memory="eligibility held until the output error is known",
        ),
        defaults_source="B ~ N(0, 1/K), as in the prototypes of this project; the paper draws it uniform",
        probeable=("error",),
        citation="""@inproceedings{nokland2016direct,
  title = {Direct feedback alignment provides learning in deep neural networks},
  author = {N{\\o}kland, Arild},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {29},
  year = {2016}
}""",
    )
    reads = Reads(signals=frozenset({"error", "target"}))

    summary: Summary = "flat"  # every position of every neuron has its own feedback
    feedback_scale: float = 1.0

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        std = self.feedback_scale / layer.classes**0.5
        return {"B": Synapses((layer.units, layer.classes), std, plastic=False)}

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        assert signals.error is not None
        feedback = Modulator(1.0, through(weights["B"], -signals.error))
        loss = cross_entropy(signals.error, signals.target)
        return ThirdFactor(feedback, loss=loss, signals={"error": signals.error})

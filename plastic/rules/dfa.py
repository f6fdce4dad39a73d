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
from typing import ClassVar

from plastic.rules.expressions import cross_entropy, through
from plastic.rules.rule import (
    Array,
    LayerShape,
    Ledger,
    Modulator,
    ModulatorKind,
    Rule,
    Signals,
    Summary,
    Synapses,
    ThirdFactor,
)


@dataclass(frozen=True)
class DFA(Rule):
    """Output error broadcast to every layer through fixed random weights."""

    name: ClassVar[str] = "dfa"
    title: ClassVar[str] = "Direct feedback alignment"
    family: ClassVar[str] = "direct feedback"
    modulator: ClassVar[ModulatorKind] = "broadcast"
    equation: ClassVar[str] = "ΔW_ij = −η · (B e)_i · ψ(u_i) · x̄_j"
    third: ClassVar[str] = "−(B e)_i"
    ledger: ClassVar[Ledger] = Ledger(
        broadcast="K = number of classes, through a fixed random B",
        memory="eligibility held until the output error is known",
    )
    defaults_source: ClassVar[str] = "B ~ N(0, 1/K), as in the prototypes of this project; the paper draws it uniform"
    probeable: ClassVar[tuple[str, ...]] = ("error",)
    reads: ClassVar[frozenset[str]] = frozenset({"error", "target"})
    citation: ClassVar[str] = """@inproceedings{nokland2016direct,
  title = {Direct feedback alignment provides learning in deep neural networks},
  author = {N{\\o}kland, Arild},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {29},
  year = {2016}
}"""

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

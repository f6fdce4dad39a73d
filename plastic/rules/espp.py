"""ESPP: EchoSpike predictive plasticity, in rate form.

    L     = −y Σ_i z_i E_i,        E = c / Σ c, the echo
    ΔW_ij = η · M · E_i · ψ(u_i) · x̄_j,        M = y · 1[L + y κ_y x̄ > 0] · 1[x̄ > θ_in]

Each neuron is drawn towards the echo, its share of the layer's response to the stimulus before, at
a fixation, and away from it at a saccade. The gate closes when the overlap has passed κ_y times the
mean input x̄ of the layer (the mean of |x_j| for rates), and for silent inputs: the paper's offline
gate, once per stimulus. In the paper, too, what follows is of the same class or of another.

L. Graf, Z. Su, G. Indiveri, "EchoSpike predictive plasticity: an online local learning rule for
spiking neural networks", arXiv 2405.13976.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from array_api_compat import array_namespace

from plastic.rules.expressions import dot, is_positive
from plastic.rules.rule import (
    Array,
    Ledger,
    Modulator,
    ModulatorKind,
    Rule,
    Signals,
    Summary,
    ThirdFactor,
)


@dataclass(frozen=True)
class ESPP(Rule):
    """Towards the echo of the stimulus before, or away from it."""

    name: ClassVar[str] = "espp"
    title: ClassVar[str] = "EchoSpike predictive plasticity"
    family: ClassVar[str] = "layerwise self-supervised"
    modulator: ClassVar[ModulatorKind] = "scalar"
    equation: ClassVar[str] = "ΔW_ij = η · y 1[y(κ_y x̄ − zᵀE) > 0] · E_i · ψ(u_i) · x̄_j,  E = c/Σc"
    third: ClassVar[str] = "y 1[y(κ_y x̄ − zᵀE) > 0] · E_i"
    ledger: ClassVar[Ledger] = Ledger(
        layer_scalars="y (saccade); the overlap zᵀE; the sum of c; the mean input x̄",
        memory="c held for one stimulus",
    )
    defaults_source: ClassVar[str] = "κ = 2 at a fixation, 1 at a saccade, θ_in = 0.02: the authors' code for N-MNIST"
    probeable: ClassVar[tuple[str, ...]] = ("overlap",)
    reads: ClassVar[frozenset[str]] = frozenset({"input_activity"})
    citation: ClassVar[str] = """@article{graf2024echospike,
  title = {{EchoSpike} predictive plasticity: An online local learning rule for spiking neural networks},
  author = {Graf, Lars and Su, Zhe and Indiveri, Giacomo},
  journal = {arXiv preprint arXiv:2405.13976},
  year = {2024}
}"""

    summary: Summary = "flat"
    threshold_fixation: float = 2.0
    threshold_saccade: float = 1.0
    input_threshold: float = 0.02

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        xp: Any = array_namespace(signals.context)
        c, y, inputs = signals.context, signals.fixation, signals.input_activity
        assert inputs is not None
        total = c.sum(-1)[..., None]
        echo = c / xp.where(xp.abs(total) > 1e-12, total, total * 0 + 1)
        overlap = dot(signals.activity, echo)
        threshold = xp.where(y > 0, y * self.threshold_fixation, -y * self.threshold_saccade) * inputs
        gate = y * is_positive(y * (threshold - overlap)) * is_positive(inputs - self.input_threshold)
        return ThirdFactor(Modulator(gate, echo), loss=-y * overlap, signals={"overlap": overlap})

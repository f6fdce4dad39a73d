"""A rule of your own: be like the response before while the gaze stays, unlike it when it moves.

ΔW_ij = η · γ · c_i · ψ(u_i) · x̄_j,      γ = y · 1[y · (zᵀ c − θ) < margin]
"""

from collections.abc import Mapping
from dataclasses import dataclass

from plastic import About, Modulator, Rule, Signals, ThirdFactor
from plastic.rules.expressions import dot
from plastic.rules.rule import Array


@dataclass(frozen=True)
class Overlap(Rule):
    """CLAPP without lateral weights: the held response itself is the dendritic signal."""

    name = "overlap"
    modulator = "scalar"
    about = About(equation="ΔW_ij = η · γ · c_i · ψ(u_i) · x̄_j", third="γ · c_i", probeable=("overlap",))

    threshold: float = 0.5
    margin: float = 0.25

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        overlap = dot(signals.activity, signals.context)
        short = self.margin - signals.fixation * (overlap - self.threshold)
        gate = signals.fixation * (short > 0)
        return ThirdFactor(Modulator(gate, signals.context), loss=short * (short > 0), signals={"overlap": overlap})

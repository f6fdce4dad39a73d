"""A rule that keeps a state: the sliding threshold of Bienenstock, Cooper and Munro.

ΔW_ij = η · z_i (z_i − θ_i) · ψ(u_i) · x̄_j,      θ_i ← θ_i + (z_i² − θ_i)/τ

E. L. Bienenstock, L. N. Cooper, P. W. Munro, "Theory for the development of neuron selectivity", J Neurosci 2, 1982.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from plastic import About, LayerShape, Modulator, Rule, Signals, ThirdFactor
from plastic.rules.expressions import over_batch
from plastic.rules.rule import Array, Shape, State


@dataclass(frozen=True)
class SlidingThreshold(Rule):
    """Grow with responses above the threshold, shrink with those below; the threshold follows the neuron."""

    name = "sliding-threshold"
    about = About(
        equation="ΔW_ij = η · z_i (z_i − θ_i) · ψ(u_i) · x̄_j", third="z_i (z_i − θ_i)", probeable=("threshold",)
    )

    time_constant: float = 20.0  # τ, in stimuli

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return {"threshold": (1, layer.units)}

    def third_factor(self, signals: Signals, state: State, weights: Mapping[str, Array]) -> tuple[ThirdFactor, State]:
        z = signals.activity
        square = over_batch(z**2) / z.shape[-2]  # streams share their neurons, so they share the threshold
        threshold = state["threshold"] + (square - state["threshold"]) / self.time_constant
        third = ThirdFactor(Modulator(1.0, z * (z - threshold)), signals={"threshold": threshold})
        return third, {"threshold": threshold}

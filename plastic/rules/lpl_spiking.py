"""Spiking LPL: latent predictive learning between spikes, by a signal of every neuron for itself.

    ΔW_ij = η · Σ_t g_i[t] · ē_ij[t],        ē = α * [ψ(u_i) x̄_j]
    g_i   = α * [−(s_i[t] − s_i[t − Δt]) + λ/(σ_i² + ξ) (s_i[t] − s̄_i) + δ]

s_i is the neuron's own spike train, s̄ and σ² its running mean and variance, α a double exponential
of unit area. Nothing comes from any other neuron, and nothing says when the gaze has moved: the
prediction of the spikes Δt ago acts always (`pull_at` = always, as published), or at fixations only.
The rate form (`lpl`) decorrelates by lateral weights; here, as published, nothing but the weights'
own competition does (the paper adds inhibitory plasticity).

x̄ is the trace of a membrane's decay (take λ = β), in the place of the paper's synapse and membrane
in a row. The means are debiased, so that they need no priming for three times τ_mean; learning
begins after `priming` steps. Weights change when a stimulus ends (in the paper every 0.5 s).

M. S. Halvagal, F. Zenke, "The combination of Hebbian and predictive plasticity learns invariant
object representations in deep sensory networks", Nature Neuroscience 26, 2023, equation 18 as
corrected in the erratum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Ledger
from plastic.rules.expressions import is_positive
from plastic.rules.lpl import LPL
from plastic.rules.rule import Array, LayerShape, Modulator, Moment, Rule, Shape, Signals, State, Summary, ThirdFactor


@dataclass(frozen=True)
class SpikingLPL(Rule):
    """Spike as you did a moment ago, but not as you always do."""

    name = "lpl-spiking"
    modulator = "none"
    about = About(
        title="Latent predictive learning, spiking form",
        family="layerwise self-supervised",
        equation=("ΔW_ij = η · Σ_t α*[−(s_i[t] − s_i[t−Δt]) + λ/(σ_i² + ξ) (s_i − s̄_i) + δ] · α*[ψ(u_i) · x̄_j]"),
        third="α*[−(s_i[t] − s_i[t−Δt]) + λ/(σ_i² + ξ) (s_i − s̄_i) + δ]",
        ledger=Ledger(
            layer_scalars="with pull_at=fixations: y (saccade)",
            memory="the neuron's spikes of the last Δt; s̄ and σ² over minutes",
            stored_traces="6 per neuron and Δt spikes; ē per synapse, twice filtered",
        ),
        defaults_source=(
            "Δt 20 ms, α 2/10 ms, τ of s̄ 600 s, of σ² 30 s, δ 1e-3: the authors' code and erratum; λ = 0.01 for steps "
            "of 1 ms at 0.1 spikes per step, where it is the λ/σ² of 1e-4 at 0.1 ms and 10 spikes/s; ξ and priming: "
            "ours"
        ),
        citation=LPL.about.citation,
    )

    summary: Summary = "flat"
    hebbian: float = 0.01  # λ
    xi: float = 1e-3
    delta: float = 1e-3
    delay: int = 20  # Δt, in steps of 1 ms
    rise: float = 2.0  # of α, in ms
    fall: float = 10.0
    tau_mean: float = 600_000.0  # in ms
    tau_variance: float = 30_000.0
    priming: int = 500  # steps
    pull_at: str = "always"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pull_at not in ("always", "fixations"):
            raise PlasticError(f"rule {self.name!r} has no pull_at {self.pull_at!r}; choose one of: always, fixations.")
        if not min(self.rise, self.fall, self.tau_mean, self.tau_variance, self.xi, self.delay) > 0:
            raise PlasticError(f"rule {self.name!r} takes a delay, time constants and xi above 0.")

    @property
    def stepwise(self) -> bool:
        return True

    @property
    def eligibility_decays(self) -> tuple[float, ...]:
        return (math.exp(-1 / self.rise), math.exp(-1 / self.fall))

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        each = (layer.streams, layer.units)
        own = dict.fromkeys(("mean", "variance", "risen", "smooth"), each)
        return own | {"age": (layer.streams, 1), "past": (layer.streams, self.delay, layer.units)}  # newest first

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        del weights
        return ThirdFactor(Modulator(1.0, signals.activity * 0 + 1)), state

    def step(self, now: Moment, state: State, weights: Mapping[str, Array]) -> tuple[Array, State]:
        del weights
        xp: Any = array_namespace(now.spike)
        s, past, mean, variance, age = (now.spike, *(state[k] for k in ("past", "mean", "variance", "age")))
        pull = s - past[..., -1, :]
        if self.pull_at == "fixations":
            pull = is_positive(now.fixation) * pull
        signal = -pull + self.hebbian / (variance + self.xi) * (s - mean) + self.delta
        rise, fall = self.eligibility_decays
        risen = rise * state["risen"] + (1 - rise) * signal
        smooth = fall * state["smooth"] + (1 - fall) * risen
        state = {
            "past": xp.concat([s[..., None, :], past[..., :-1, :]], axis=-2),
            "mean": self._average(mean, s, age, self.tau_mean),
            "variance": self._average(variance, (s - mean) ** 2, age, self.tau_variance),
            "age": age + 1,
            "risen": risen,
            "smooth": smooth,
        }
        unit_area = (1 - rise) * (1 - fall)  # of the filters of ē
        return unit_area * is_positive(age + 1 - self.priming) * smooth, state

    def _average(self, old: Array, new: Array, age: Array, tau: float) -> Array:
        """A debiased running mean: the plain one at first, with time constant τ later."""
        xp: Any = array_namespace(old)
        forgotten = -xp.expm1(-(age + 1) / tau)  # 1 − exp(…) would lose most of its digits in float32
        return old - math.expm1(-1 / tau) / forgotten * (new - old)

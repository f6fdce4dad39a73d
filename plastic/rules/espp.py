"""ESPP: EchoSpike predictive plasticity, in rate form.

    L     = −y Σ_i z_i E_i,        E = c / Σ c, the echo
    ΔW_ij = η · M · E_i · ψ(u_i) · x̄_j,        M = y · 1[L + y κ_y x̄ > 0] · 1[x̄ > θ_in]

Each neuron is drawn towards the echo, its share of the layer's response to the stimulus before, at
a fixation, and away from it at a saccade. The gate closes when the overlap has passed κ_y times the
mean input x̄ of the layer (the mean of |x_j| for rates), and for silent inputs: the paper's offline
gate, once per stimulus. In the paper, too, what follows is of the same class or of another.

`gate` = online is the published form for spikes, a gate of every step from its own spikes s and x̄[t],
the fraction of inputs that arrive in it; the authors' code changes the weights in every step, here
they change when the stimulus ends:

    L[t]  = −y Σ_i s_i[t] E_i
    ΔW_ij = η · y E_i · Σ_t 1[L[t] + y κ_y x̄[t] > 0] 1[x̄[t] > θ_in] · ψ(u_i[t]) x̄_j[t]

The authors' pseudo-derivative is `--surrogate atan --slope 3.1416` divided by π.

L. Graf, Z. Su, G. Indiveri, "EchoSpike predictive plasticity: an online local learning rule for
spiking neural networks", arXiv 2405.13976.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Ledger, Reads
from plastic.rules.expressions import dot, is_positive
from plastic.rules.rule import Array, Modulator, Moment, Rule, Signals, State, Summary, ThirdFactor

SAME = 1e-6  # a difference of ratios below this is rounding


@dataclass(frozen=True)
class ESPP(Rule):
    """Towards the echo of the stimulus before, or away from it."""

    name = "espp"
    modulator = "scalar"
    about = About(
        title="EchoSpike predictive plasticity",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · y 1[y(κ_y x̄ − zᵀE) > 0] · E_i · ψ(u_i) · x̄_j,  E = c/Σc",
        third="y 1[y(κ_y x̄ − zᵀE) > 0] · E_i",
        ledger=Ledger(
            layer_scalars="y (saccade); the overlap zᵀE and the mean input x̄ (gate=online: in every step); "
            "the sum of c",
            memory="c held for one stimulus",
        ),
        defaults_source="κ = 2 at a fixation, 1 at a saccade, θ_in = 0.02: the authors' code for N-MNIST",
        probeable=("overlap",),
        citation="""@article{graf2024echospike,
  title = {{EchoSpike} predictive plasticity: An online local learning rule for spiking neural networks},
  author = {Graf, Lars and Su, Zhe and Indiveri, Giacomo},
  journal = {arXiv preprint arXiv:2405.13976},
  year = {2024}
}""",
    )
    reads = Reads(signals=frozenset({"input_activity"}))

    summary: Summary = "flat"
    threshold_fixation: float = 2.0
    threshold_saccade: float = 1.0
    input_threshold: float = 0.02
    gate: str = "offline"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gate not in ("offline", "online"):
            raise PlasticError(f"rule 'espp' has no gate {self.gate!r}; choose one of: offline, online.")

    @property
    def stepwise(self) -> bool:
        return self.gate == "online"

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        y, inputs = signals.fixation, signals.input_activity
        assert inputs is not None
        echo = self.echo(signals.context)
        overlap = dot(signals.activity, echo)
        gate = y if self.stepwise else y * self.opened(overlap, inputs, y)
        return ThirdFactor(Modulator(gate, echo), loss=-y * overlap, signals={"overlap": overlap})

    def step(self, now: Moment, state: State, weights: Mapping[str, Array]) -> Array:
        del state, weights
        return self.opened(dot(now.spike, self.echo(now.context)), now.arriving, now.fixation)

    def echo(self, context: Array) -> Array:
        """E: each neuron's share of the layer's response to the stimulus before."""
        xp: Any = array_namespace(context)
        total = context.sum(-1)[..., None]
        return context / xp.where(xp.abs(total) > 1e-12, total, total * 0 + 1)

    def opened(self, overlap: Array, inputs: Array, y: Array) -> Array:
        """1 where the overlap has not passed its threshold and the inputs are not silent, 0 elsewhere.

        Both are ratios of spike counts and may be equal: then it has passed, whatever the last digit says.
        """
        xp: Any = array_namespace(overlap)
        threshold = xp.where(y > 0, y * self.threshold_fixation, -y * self.threshold_saccade) * inputs
        return is_positive(y * (threshold - overlap) - SAME) * is_positive(inputs - self.input_threshold - SAME)

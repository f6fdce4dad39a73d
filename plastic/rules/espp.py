"""ESPP: EchoSpike predictive plasticity, in rate form.

    L     = −y Σ_i z_i E_i,        E = c / Σ c, the echo
    ΔW_ij = η · M · E_i · ψ(u_i) · x̄_j,        M = y · 1[y (c_y N − zᵀE) > 0]

Each neuron is drawn towards the echo, its share of the layer's response to the stimulus before, at a
fixation, and away from it at a saccade. The gate closes when the overlap zᵀE has passed the threshold,
c_y for each of the layer's N neurons: the authors' offline gate 1[−y Σ_t s·E + y c_y T N > 0], once per
stimulus. In the paper, too, what follows is of the same class or of another. Their c depends on the
data, and on the width: it is that of layers of 450 neurons, and a layer of 24 is nearly silent by it.

`gate` = online is the published form for spikes, a gate of every step from its own spikes s and x̄[t],
the fraction of inputs that arrive in it, with thresholds of its own; the authors' code changes the
weights in every step, here they change when the stimulus ends:

    L[t]  = −y Σ_i s_i[t] E_i
    ΔW_ij = η · y E_i · Σ_t 1[L[t] + y κ_y x̄[t] > 0] 1[x̄[t] > θ_in] · ψ(u_i[t]) x̄_j[t]

The authors' pseudo-derivative is `--surrogate atan --slope 3.1416` divided by π.

L. Graf, Z. Su, G. Indiveri, "EchoSpike predictive plasticity: an online local learning rule for
spiking neural networks", arXiv 2405.13976; their code: github.com/largraf/EchoSpike, model.py (`reset`
is the offline gate) and main.py (thresholds by data set).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Ledger
from plastic.rules.expressions import dot, is_positive
from plastic.rules.rule import Array, Modulator, Moment, Rule, Signals, State, Summary, ThirdFactor

SAME = 1e-6  # a difference of ratios below this is rounding
THRESHOLDS = {
    "offline": ("c_fixation", "c_saccade"),
    "online": ("threshold_fixation", "threshold_saccade", "input_threshold"),
}


@dataclass(frozen=True)
class ESPP(Rule):
    """Towards the echo of the stimulus before, or away from it."""

    name = "espp"
    modulator = "scalar"
    about = About(
        title="EchoSpike predictive plasticity",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · y 1[y(c_y N − zᵀE) > 0] · E_i · ψ(u_i) · x̄_j,  E = c/Σc",
        third="y 1[y(c_y N − zᵀE) > 0] · E_i",
        ledger=Ledger(
            layer_scalars="y (saccade); the overlap zᵀE (gate=online: in every step, and the mean input x̄); "
            "the sum of c",
            memory="c held for one stimulus",
        ),
        defaults_source=(
            "the authors' code: c = 8e-4 at a fixation, 4e-4 at a saccade, offline for SHD (1e-4, 1e-4 for N-MNIST); "
            "κ = 2 and 1, θ_in = 0.02, online for N-MNIST (1.5, 1.5 and 0.05 for SHD)"
        ),
        probeable=("overlap",),
        citation="""@article{graf2024echospike,
  title = {{EchoSpike} predictive plasticity: An online local learning rule for spiking neural networks},
  author = {Graf, Lars and Su, Zhe and Indiveri, Giacomo},
  journal = {arXiv preprint arXiv:2405.13976},
  year = {2024}
}""",
    )

    summary: Summary = "flat"
    c_fixation: float = 8e-4  # gate=offline: c_y, per neuron of the layer
    c_saccade: float = 4e-4
    threshold_fixation: float = 2.0  # gate=online: κ_y, times the mean input
    threshold_saccade: float = 1.0
    input_threshold: float = 0.02  # gate=online: θ_in
    gate: str = "offline"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gate not in ("offline", "online"):
            raise PlasticError(f"rule 'espp' has no gate {self.gate!r}; choose one of: offline, online.")
        other = "online" if self.gate == "offline" else "offline"
        for name in THRESHOLDS[other]:
            if getattr(self, name) != getattr(type(self), name):
                ours = ", ".join(THRESHOLDS[self.gate])
                raise PlasticError(f"rule 'espp' reads {name} with gate={other} only; gate={self.gate} has {ours}.")

    @property
    def stepwise(self) -> bool:
        return self.gate == "online"

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        y, echo, neurons = signals.fixation, self.echo(signals.context), signals.activity.shape[-1]
        overlap = dot(signals.activity, echo)
        opened = self.before(overlap, y, neurons * self.c_fixation, neurons * self.c_saccade)
        gate = y if self.stepwise else y * opened
        return ThirdFactor(Modulator(gate, echo), loss=-y * overlap, signals={"overlap": overlap})

    def step(self, now: Moment, state: State, weights: Mapping[str, Array]) -> Array:
        del state, weights
        thresholds = now.arriving * self.threshold_fixation, now.arriving * self.threshold_saccade
        heard = is_positive(now.arriving - self.input_threshold - SAME)
        return heard * self.before(dot(now.spike, self.echo(now.context)), now.fixation, *thresholds)

    def echo(self, context: Array) -> Array:
        """E: each neuron's share of the layer's response to the stimulus before."""
        xp: Any = array_namespace(context)
        total = context.sum(-1)[..., None]
        return context / xp.where(xp.abs(total) > 1e-12, total, total * 0 + 1)

    def before(self, overlap: Array, y: Array, fixation: Array | float, saccade: Array | float) -> Array:
        """1 while the overlap is below its threshold at a fixation, above it at a saccade, 0 once it has passed.

        Both are ratios of spike counts and may be equal: then it has passed, whatever the last digit says.
        """
        xp: Any = array_namespace(overlap)
        return is_positive(y * (xp.where(y > 0, y * fixation, -y * saccade) - overlap) - SAME)

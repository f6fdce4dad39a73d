"""ALIF: a leaky integrate-and-fire neuron whose threshold rises with every spike and falls back slowly.

    a[t] = ρ a[t−1] + s[t−1],                       A[t] = θ + κ a[t]
    u[t] = β u[t−1] + I[t] − θ s[t−1],              s[t] = 1 if u[t] > A[t]
    ψ_i[t] = ψ(u_i[t] − A_i[t])

After a spike it cannot fire for `refractory` steps, in which ψ = 0 while the membrane goes on. Like the membrane, a
begins every stimulus at rest.

The eligibility is Σ ψ_i x̄_j as for every neuron: the adaptive threshold enters ψ, and that is all. The second term that
e-prop's eligibility of this neuron has, −κ ψ_i ε^a_ij with a slow trace of every synapse of its own, is not computed.

G. Bellec, F. Scherr, A. Subramoney, E. Hajek, D. Salaj, R. Legenstein, W. Maass, "A solution to the learning dilemma
for recurrent networks of spiking neurons", Nature Communications 11, 2020, equations 6 to 8.
"""

from __future__ import annotations

from dataclasses import dataclass

from plastic.errors import PlasticError
from plastic.neurons.membrane import at_rest, check_decay, check_membrane, leaky, reset_membrane
from plastic.neurons.neuron import AboutNeuron, Array, Constants, Neuron, State


@dataclass(frozen=True)
class ALIF(Neuron):
    """Integrate-and-fire with an adaptive threshold."""

    name = "alif"
    about = AboutNeuron(
        title="Leaky integrate-and-fire with an adaptive threshold",
        equation="a = ρ a + s(t−1),  A = θ + κ a\nu = β u + I − θ s(t−1)\ns = Θ(u − A)",
        units={"adaptation": "thresholds", "adaptation_decay": "per step (ρ)", "refractory": "steps"},
        defaults_source="ρ of τ_a = 200 ms; κ = 1.7 (1 − ρ)/(1 − exp(−1/20)), as in the authors' code for evidence "
        "accumulation; refractory 0: DESIGN of the canonical step (the authors' is 5 ms)",
        citation="""@article{bellec2020solution,
  title = {A solution to the learning dilemma for recurrent networks of spiking neurons},
  author = {Bellec, Guillaume and Scherr, Franz and Subramoney, Anand and Hajek, Elias and Salaj, Darjan and
            Legenstein, Robert and Maass, Wolfgang},
  journal = {Nature Communications},
  volume = {11},
  pages = {3625},
  year = {2020}
}""",
    )

    adaptation: float = 0.174
    adaptation_decay: float = 0.995
    refractory: int = 0

    def __post_init__(self) -> None:
        check_membrane(self.name, "subtract", self.refractory)
        check_decay(self.name, "adaptation_decay", self.adaptation_decay)
        if self.adaptation < 0:
            raise PlasticError(f"adaptation of neuron 'alif' is {self.adaptation}; it must be at least 0 thresholds.")

    @property
    def state(self) -> dict[str, float]:
        return at_rest("subtract", self.refractory) | {"adaptation": 0.0}

    def integrate(self, state: State, drive: Array, constants: Constants) -> State:
        adaptation = self.adaptation_decay * state["adaptation"] + state["fired"]
        return {**leaky(state, drive, constants, held=False), "adaptation": adaptation}

    def threshold(self, state: State, constants: Constants) -> Array:
        return constants.threshold + self.adaptation * state["adaptation"]

    def after_spike(self, state: State, spike: Array, constants: Constants) -> State:
        del constants
        return reset_membrane(state, spike, "subtract", self.refractory)

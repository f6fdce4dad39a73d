"""LIF: the leaky integrate-and-fire neuron, the default.

    u[t] = β u[t−1] + I[t],    s[t] = 1 if u[t] > θ,    then a reset:

    zero       u = 0 where it fired
    subtract   θ is taken off in the step after: u[t] = β u[t−1] + I[t] − θ s[t−1] (so do Bellec et al. 2020, and
               snnTorch's Leaky by default)
    none       the spike leaves the membrane as it is

After a spike it is refractory for `refractory` steps: the membrane is held at what the reset left, the drive is lost,
it cannot fire, and ψ = 0. `floor` is the least that the membrane can be, as a reversal potential of inhibition would
have it.

W. Gerstner, W. M. Kistler, R. Naud, L. Paninski, "Neuronal Dynamics", Cambridge University Press 2014, chapter 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from plastic.errors import PlasticError
from plastic.neurons.membrane import Reset, at_rest, check_membrane, leaky, reset_membrane
from plastic.neurons.neuron import AboutNeuron, Array, Constants, Neuron, State


@dataclass(frozen=True)
class LIF(Neuron):
    """Leaky integrate-and-fire."""

    name = "lif"
    about = AboutNeuron(
        title="Leaky integrate-and-fire",
        equation="u = β u + I\ns = Θ(u − θ)\nu = 0 where s = 1",
        units={"reset": "", "refractory": "steps", "floor": "thresholds"},
        defaults_source="DESIGN of the canonical step",
        citation="""@book{gerstner2014neuronal,
  title = {Neuronal Dynamics: From Single Neurons to Networks and Models of Cognition},
  author = {Gerstner, Wulfram and Kistler, Werner M. and Naud, Richard and Paninski, Liam},
  publisher = {Cambridge University Press},
  year = {2014}
}""",
    )

    reset: Reset = "zero"
    refractory: int = 0
    floor: float = -math.inf

    def __post_init__(self) -> None:
        check_membrane(self.name, self.reset, self.refractory)
        if not self.floor <= 0:
            raise PlasticError(f"floor of neuron 'lif' is {self.floor}; it must be 0 thresholds or less.")

    @property
    def state(self) -> dict[str, float]:
        return at_rest(self.reset, self.refractory)

    def integrate(self, state: State, drive: Array, constants: Constants) -> State:
        return leaky(state, drive, constants, self.floor)

    def after_spike(self, state: State, spike: Array, constants: Constants) -> State:
        del constants
        return reset_membrane(state, spike, self.reset, self.refractory)

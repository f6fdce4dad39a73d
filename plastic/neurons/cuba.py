"""CUBA: a leaky integrate-and-fire neuron whose synapses bring a current that decays, the neuron of Loihi.

    i[t] = α i[t−1] + I[t],    u[t] = β u[t−1] + i[t],    s[t] = 1 if u[t] > θ

The reset is of the membrane alone and as of the LIF: to zero (Loihi), by subtraction in the step after (then it is
snnTorch's Synaptic), or none. While refractory the membrane is held and the current goes on.

M. Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE Micro 38, 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

from plastic.neurons.membrane import Reset, at_rest, check_decay, check_membrane, leaky, reset_membrane
from plastic.neurons.neuron import AboutNeuron, Array, Constants, Neuron, State


@dataclass(frozen=True)
class CUBA(Neuron):
    """Integrate-and-fire with current-based synapses."""

    name = "cuba"
    about = AboutNeuron(
        title="Leaky integrate-and-fire with current-based synapses",
        equation="i = α i + I\nu = β u + i\ns = Θ(u − θ)\nu = 0 where s = 1",
        units={"synapse_decay": "per step (α)", "reset": "", "refractory": "steps"},
        defaults_source="α of τ_s = 4.5 ms: ours; reset: Loihi",
        citation="""@article{davies2018loihi,
  title = {Loihi: A Neuromorphic Manycore Processor with On-Chip Learning},
  author = {Davies, Mike and others},
  journal = {IEEE Micro},
  volume = {38},
  number = {1},
  pages = {82--99},
  year = {2018}
}""",
    )

    synapse_decay: float = 0.8
    reset: Reset = "zero"
    refractory: int = 0

    def __post_init__(self) -> None:
        check_membrane(self.name, self.reset, self.refractory)
        check_decay(self.name, "synapse_decay", self.synapse_decay)

    @property
    def state(self) -> dict[str, float]:
        return {"current": 0.0, **at_rest(self.reset, self.refractory)}

    def integrate(self, state: State, drive: Array, constants: Constants) -> State:
        current = self.synapse_decay * state["current"] + drive
        return {"current": current, **leaky(state, current, constants)}

    def after_spike(self, state: State, spike: Array, constants: Constants) -> State:
        del constants
        return reset_membrane(state, spike, self.reset, self.refractory)

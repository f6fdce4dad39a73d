"""A leaky integrator: it adds up what arrives and never fires.

    u[t] = β u[t−1] + I[t],    ψ = 1

As a layer it would send nothing to the layer above, and its activity z, which rules read, is a count of spikes: so it
is no neuron of a layer. It is what a leaky readout is, as rules with a third factor in every step have one
(`readout_decay` in plastic.rules.rule).
"""

from __future__ import annotations

from dataclasses import dataclass

from plastic.neurons.neuron import AboutNeuron, Array, Constants, Neuron, State


@dataclass(frozen=True)
class LeakyIntegrator(Neuron):
    """A readout that leaks."""

    name = "integrator"
    about = AboutNeuron(title="Leaky integrator, a readout", equation="u = β u + I")
    spiking = False

    def integrate(self, state: State, drive: Array, constants: Constants) -> State:
        return {"membrane": constants.decay * state["membrane"] + drive}

    def post_factor(self, state: State, constants: Constants) -> Array:
        del constants
        return state["membrane"] * 0 + 1

    def fires(self, state: State, constants: Constants) -> Array:
        del constants
        return state["membrane"] * 0

    def after_spike(self, state: State, spike: Array, constants: Constants) -> State:
        del spike, constants
        return state

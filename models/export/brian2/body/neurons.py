"""The neurons and synapses of one layer in Brian2."""

import numpy as np
from brian2 import Clock, Group, NeuronGroup, Synapses, ms

from plastic.models.export.brian2.body.arrays import Array, Equations, Shape


class Layer:
    """The neurons of one layer and the synapses onto them, for every stream; it begins each stimulus at rest.

    Position p reads its own patch of the layer below. `steps`: of 1 ms, per stimulus.
    """

    def __init__(self, below: Group, shape: Shape, clock: Clock, steps: int, equations: Equations) -> None:
        self.shape, self.steps = shape, steps
        patches, neurons, fan_in = shape[0] * shape[1], shape[2], shape[3]
        here = {"method": "exact", "clock": clock, "namespace": equations["constants"]}
        self.neurons = NeuronGroup(
            patches * neurons, equations["neuron"], threshold=equations["threshold"], reset=equations["reset"], **here
        )
        self.neurons.run_regularly(equations["post_factor"], clock=clock, when="before_thresholds")
        self.neurons.run_regularly(equations["neuron_at_rest"], dt=steps * ms, when="after_synapses")
        self.synapses = Synapses(below, self.neurons, equations["synapse"], on_pre=equations["on_pre"], **here)
        for pathway, slot in equations["slots"].items():
            getattr(self.synapses, pathway).when = slot
        patch, neuron, source = np.indices((patches, neurons, fan_in)).reshape(3, -1)
        self.synapses.connect(i=patch * fan_in + source, j=patch * neurons + neuron)
        self.synapses.run_regularly(equations["eligibility"], clock=clock, when="before_resets")
        self.synapses.run_regularly(equations["synapse_at_rest"], dt=steps * ms, when="after_synapses")

    def activity(self) -> Array:
        """z, spikes per step: (streams, positions, neurons)."""
        return np.array(self.neurons.count[:]).reshape(self.shape[:3]) / self.steps

    def eligibility(self) -> Array:
        """e_ij: (streams, positions, neurons, inputs)."""
        return np.array(self.synapses.eligibility[:]).reshape(self.shape)

    def write(self, weight: Array) -> None:
        """The weights to all synapses; positions that share theirs hold copies."""
        self.synapses.w = np.broadcast_to(weight, self.shape).ravel()


def post_factor(layer: Layer) -> Array:
    """Mean psi over the stimulus: (streams, positions, neurons)."""
    return np.array(layer.neurons.post_sum[:]).reshape(layer.shape[:3]) / layer.steps


def input_activity(layer: Layer) -> Array:
    """Spikes that arrived, per step and input: (streams, 1)."""
    arrivals = np.array(layer.neurons.arrivals[:]).reshape(layer.shape[0], -1)
    return arrivals.mean(1)[:, None] / (layer.steps * layer.shape[3])

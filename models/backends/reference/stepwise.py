"""The reference of rules whose third factor changes within a stimulus: every synapse filters its own eligibility.

    ē ← κ ē + ψ_i x̄_j (one filter after the other),    e_ij ← e_ij + g_i ē_ij

forwards in time, one step after the other, as it would be in a synapse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from plastic.models.backends.reference.memory import Above
from plastic.models.network.layer import Network
from plastic.rules.returned import step_of
from plastic.rules.rule import Moment, Rule

Array = NDArray[np.float64]


@dataclass(frozen=True)
class LayerSteps:
    """One layer through one stimulus."""

    spikes: Array  # (time, batch, positions, neurons)
    arriving: Array  # (time, batch)
    post_factor: Array  # masked, at the learning steps: (learning steps, batch, positions, neurons)
    pre_trace: Array  # (learning steps, batch, positions, fan_in)


@dataclass
class Stepwise:
    """What a stepwise rule makes of one stimulus."""

    network: Network
    rule: Rule  # of the run
    weights: dict[str, Array]
    circuits: list[dict[str, Array]]
    contexts: list[Array]
    fixation: Array
    target: Array
    states: list[dict[str, Array]]  # what the rule keeps of each layer
    period: int
    eligibilities: list[Array] = field(default_factory=list)
    error: Array | None = None  # averaged over the steps
    readout_update: Array | None = None

    def run(self, layers_in_steps: list[LayerSteps]) -> None:
        """Through all steps; fills in eligibilities, error and the readout's update, and follows the states."""
        batch, layers = len(self.fixation), self.network.layers
        shapes = [(batch, n.positions, n.neurons, n.fan_in) for n in layers]
        self.eligibilities = [np.zeros(shape) for shape in shapes]
        rules = self.network.rules(self.rule)
        filters = [
            [np.zeros(shape) for _ in rule.eligibility_decays] for rule, shape in zip(rules, shapes, strict=True)
        ]
        ways = self.ways_up() if any("above" in rule.reads.signals for rule in rules) else [None] * len(layers)
        readers = [rule for rule in rules if rule.stepwise and "error" in rule.reads.signals]
        output, trace, errors = np.zeros_like(self.target), 0.0, []
        for t in range(len(layers_in_steps[0].spikes)):
            error = None
            if readers:
                decay = readers[0].readout_decay  # all that read the error read it in one way
                top = layers_in_steps[-1].spikes[t].reshape(batch, -1)
                output = decay * output + top @ self.weights["readout.weight"].T
                trace = decay * trace + top
                error = np.exp(output - output.max(1, keepdims=True))
                error = error / error.sum(1, keepdims=True) - self.target
                errors.append(error)
                change = -np.einsum("bi,bj->ij", error, trace)
                self.readout_update = change if self.readout_update is None else self.readout_update + change
            for index, steps in enumerate(layers_in_steps):
                rule = rules[index]
                if not rule.stepwise:
                    continue
                z = steps.spikes[t].mean(1) if rule.summary == "mean" else steps.spikes[t].reshape(batch, -1)
                arriving = steps.arriving[t][:, None]
                of_output = error if "error" in rule.reads.signals else None
                way = ways[index] if "above" in rule.reads.signals else None
                now = Moment(z, arriving, self.contexts[index], self.fixation, of_output, way)
                g, kept = step_of(rule, now, self.states[index], self.circuits[index])
                g, self.states[index] = self.of_neurons(index, g), {**self.states[index], **kept}
                if (t + 1) % self.period == 0:
                    tick = (t + 1) // self.period - 1
                    grown = steps.post_factor[tick][..., None] * steps.pre_trace[tick][:, :, None, :]
                    for stage, kappa in enumerate(rule.eligibility_decays):
                        filters[index][stage] = kappa**self.period * filters[index][stage] + grown
                        grown = filters[index][stage]
                    self.eligibilities[index] += g[..., None] * grown
        self.error = np.mean(errors, axis=0) if errors else None

    def of_neurons(self, index: int, g: Array) -> Array:
        """g for every neuron of every position: (batch, positions, neurons)."""
        layer = self.network.layers[index]
        shape = (len(g), layer.positions, layer.neurons)
        if g.shape[1] == layer.units and layer.rule_of(self.rule).summary == "flat":
            return g.reshape(shape)
        return np.broadcast_to(g[:, None, :], shape)

    def ways_up(self) -> list[Above | None]:
        """The projection above every layer, with nothing sent down."""
        batch, above = len(self.fixation), None
        found: list[Above | None] = []
        for index in reversed(range(len(self.network.layers))):
            last = index == len(self.network.layers) - 1
            shape = (1, self.network.classes)
            if not last:
                upper = self.network.layers[index + 1]
                shape = (upper.positions, upper.neurons)
            weight = self.weights["readout.weight" if last else f"layer{index + 2}.weight"]
            above = Above(weight, np.zeros((batch, *shape)), np.ones((batch, *shape)), above)
            found.insert(0, above)
        return found

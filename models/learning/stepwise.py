"""Rules whose third factor changes within a stimulus: ΔW_ij = η m_i Σ_t g_i[t] ē_ij[t].

ē is ψ x̄, or that passed through the rule's low-pass filters, which would be a state of every synapse.
But Σ_t g[t] (κ * ψ x̄)[t] is Σ_t ψ x̄[t] (κ̃ * g)[t], where κ̃ runs backwards in time: so g is filtered
instead, per neuron, and the eligibility stays an outer product. The same numbers, tested against the
reference, which filters every synapse forwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from plastic.models.learning.feedback import Upward
from plastic.models.learning.state import state_prefix
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters, circuit_weights, layer_name, readout_layer
from plastic.models.neuron.constants import SpikeTrains
from plastic.rules.expressions import softmax
from plastic.rules.returned import step_of
from plastic.rules.rule import Moment, Product, Rule, State


@dataclass
class Stepper:
    """Evaluates a rule step by step through one stimulus."""

    network: Network
    rule: Rule  # of the run
    parameters: Parameters
    contexts: list[Tensor]
    fixation: Tensor  # (members, batch, 1)
    target: Tensor  # (members, batch, classes)
    states: list[State]  # what the rule keeps of each layer
    errors: list[Tensor] = field(default_factory=list)
    filtered: list[Tensor] = field(default_factory=list)  # what the readout has seen of the top layer

    def __post_init__(self) -> None:
        self.rules = self.network.rules(self.rule)
        self._circuits = [circuit_weights(self.parameters, i) for i in range(len(self.network.layers))]
        self._output: Tensor | None = None
        reads = [rule.reads.signals for rule in self.rules]
        ways = self._ways_up() if any("above" in own for own in reads) else [None] * len(self.rules)
        self._above = [way if "above" in own else None for way, own in zip(ways, reads, strict=True)]
        readers = (rule for rule in self.rules if rule.stepwise and "error" in rule.reads.signals)
        self._reader = next(readers, None)  # all that read the error read it in one way (plastic.models.network.mixed)

    def at(self, spikes: list[Tensor], arriving: list[Tensor]) -> list[Tensor | None]:
        """g of every layer in the next step, from its spikes (members, batch, positions, neurons) and the fraction
        of its inputs that arrive (members, batch): (members, batch, positions, neurons); None where the rule of the
        layer weighs no steps."""
        error = None if self._reader is None else self._error(spikes[-1].flatten(2), self._reader.readout_decay)
        found: list[Tensor | None] = []
        for index, (layer, spike) in enumerate(zip(self.network.layers, spikes, strict=True)):
            rule = self.rules[index]
            if not rule.stepwise:
                found.append(None)
                continue
            response = layer.summarise(spike, rule.summary)
            of_output = error if "error" in rule.reads.signals else None
            now = Moment(
                response, arriving[index][..., None], self.contexts[index], self.fixation, of_output, self._above[index]
            )
            g, after = step_of(rule, now, self.states[index], self._circuits[index])
            self.states[index] = {**self.states[index], **after}
            if g.shape[-1] == 1:
                found.append(g[..., None].expand_as(spike))
            elif rule.summary == "mean":
                found.append(g[:, :, None].expand_as(spike))
            else:
                found.append(g.reshape(spike.shape))
        return found

    def lasting(self) -> dict[str, Tensor]:
        """What the rule keeps, by the names that it has in the learner's state."""
        stepwise = ((i, kept) for i, kept in enumerate(self.states) if self.rules[i].stepwise)
        return {f"{state_prefix(self.rules[i], i)}{k}": v for i, kept in stepwise for k, v in kept.items()}

    @property
    def error(self) -> Tensor | None:
        """The error of the readout, averaged over the steps so far: (members, batch, classes)."""
        return torch.stack(self.errors).mean(0) if self.errors else None

    @property
    def readout(self) -> Product:
        """The readout's delta rule, in every step: −Σ_t e[t] (κ * s)[t]."""
        return Product(-1.0, torch.cat(self.errors, dim=1), torch.cat(self.filtered, dim=1))

    def _error(self, top: Tensor, decay: float) -> Tensor:
        weight = self.parameters["readout.weight"]
        self.filtered.append(top if not self.filtered else decay * self.filtered[-1] + top)
        now = top @ weight.mT
        self._output = now if self._output is None else decay * self._output + now
        self.errors.append(softmax(self._output) - self.target)
        return self.errors[-1]

    def _ways_up(self) -> list[Upward | None]:
        """The projection above every layer; nothing is sent down."""
        layers = [*self.network.layers[1:], readout_layer(self.network)]
        names = [*(layer_name(i) for i in range(1, len(self.network.layers))), "readout"]
        above: Upward | None = None
        found: list[Upward | None] = []
        for layer, name in zip(reversed(layers), reversed(names), strict=True):
            zero = self.target.new_zeros(*self.target.shape[:2], layer.positions, layer.neurons)
            above = Upward(layer, self.parameters[f"{name}.weight"], zero, torch.ones_like(zero), above)
            found.insert(0, above)
        return found


def step_factors(stepper: Stepper, trains: list[SpikeTrains], period: int) -> list[Tensor | None]:
    """By layer, what its post factor is to be multiplied with at every learning step, `period` steps apart:
    (members, learning steps, batch, positions, neurons); None where the rule of the layer weighs no steps."""
    each = [
        stepper.at([one.spikes[:, t] for one in trains], [one.arriving[:, t] for one in trains])
        for t in range(trains[0].spikes.shape[1])
    ]
    weights: list[Tensor | None] = []
    for rule, gates in zip(stepper.rules, zip(*each, strict=True), strict=True):
        if not rule.stepwise:
            weights.append(None)
            continue
        g = torch.stack([gate for gate in gates if gate is not None], dim=1)[:, period - 1 :: period]
        for decay in reversed(rule.eligibility_decays):
            g = _backwards(g, decay**period)
        weights.append(g)
    return weights


def _backwards(g: Tensor, decay: float) -> Tensor:
    """b[t] = g[t] + κ b[t + 1] along the second axis."""
    filtered, last = torch.empty_like(g), torch.zeros_like(g[:, 0])
    for t in reversed(range(g.shape[1])):
        last = g[:, t] + decay * last
        filtered[:, t] = last
    return filtered

"""The reference simulator: the canonical step in numpy float64, a loop over time, one eligibility per synapse.

Slow and plain on purpose: it is what every other simulator is tested against, and it shares no code
with them but the network's shapes, the constants of the step, the neurons and the rules. One network at a time;
arrays are (batch, positions, neurons), (batch, positions, fan_in) for what arrives at a layer, and
(batch, positions, neurons, fan_in) for its synapses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.models.backends.reference.memory import Above, at, masked, recalled
from plastic.models.backends.reference.stepwise import LayerSteps, Stepwise
from plastic.models.network.layer import Layer, Network
from plastic.models.network.parameters import layer_shape
from plastic.models.neuron.constants import SpikingStep
from plastic.neurons import Constants, Neuron
from plastic.rules.returned import third_factor_of
from plastic.rules.rule import Rule, Signals, ThirdFactor

Array = NDArray[np.float64]

# ψ at distance x from the threshold, slope k; 1 at the threshold
POST_FACTOR: dict[str, Callable[[Array, float], Array]] = {
    "fast-sigmoid": lambda x, k: 1 / (1 + k * np.abs(x)) ** 2,
    "superspike": lambda x, k: 1 / (1 + k * np.abs(x)) ** 2,
    "triangular": lambda x, k: np.maximum(0, 1 - k * np.abs(x)),
    "atan": lambda x, k: 1 / (1 + (k * x) ** 2),
}


@dataclass
class LayerState:
    """All that one layer knows while a stimulus is on; it begins at rest."""

    spike: Array  # s
    neuron: dict[str, Array]  # what the neuron keeps, u among it; after a step: after its reset
    pre_trace: Array  # x̄
    eligibility: Array  # e
    spike_count: Array
    post_sum: Array  # Σ_t ψ
    arrived: Array  # spikes per input: (batch, 1)


@dataclass(frozen=True)
class LayerStep:
    """What one layer did in one step, for traces."""

    pre_spike: Array
    pre_trace: Array
    membrane: Array  # before the reset
    post_factor: Array
    spike: Array


@dataclass(frozen=True)
class LayerResponse:
    """What is left of a stimulus when it ends."""

    activity: Array  # z, spikes per step
    post_factor: Array  # mean ψ
    eligibility: Array
    input_activity: Array  # spikes per step and input: (batch, 1)
    in_steps: LayerSteps | None = None  # for stepwise rules, whose eligibility is not weighted yet


@dataclass(frozen=True)
class PreviousStimulus:
    """What a layer keeps of the stimulus before."""

    context: Array  # (batch, summary units)
    eligibility: Array | None = None  # with sides = both
    post_factor: Array | None = None  # mean ψ, with sides = both


def at_rest(layer: Layer, batch: int, neuron: Neuron) -> LayerState:
    neurons = (batch, layer.positions, layer.neurons)
    return LayerState(
        spike=np.zeros(neurons),
        neuron={name: np.full(neurons, float(value)) for name, value in neuron.state.items()},
        pre_trace=np.zeros((batch, layer.positions, layer.fan_in)),
        eligibility=np.zeros((*neurons, layer.fan_in)),
        spike_count=np.zeros(neurons),
        post_sum=np.zeros(neurons),
        arrived=np.zeros((batch, 1)),
    )


def advance(
    layer: Layer, state: LayerState, weight: Array, arriving: Array, emitted: Array, time: int, mask: str,
    constants: SpikingStep, given: Constants,
) -> LayerStep:  # fmt: skip
    """One layer through one step. `arriving`: spikes of the layer below one step ago; `emitted`: now."""
    pre_spike = arriving.reshape(state.pre_trace.shape)
    current = np.stack([pre_spike[:, p] @ at(weight, p).T for p in range(layer.positions)], axis=1)
    state.neuron, did = constants.neuron.step(state.neuron, current, given)
    state.spike, psi = did.spike, did.post_factor
    traced = pre_spike if constants.trace_timing == "arrived" else emitted.reshape(pre_spike.shape)
    state.pre_trace = constants.trace_decay * state.pre_trace + traced
    if (time + 1) % constants.learning_period == 0:
        state.eligibility += masked(psi, mask)[:, :, :, None] * state.pre_trace[:, :, None, :]
    state.spike_count += state.spike
    state.post_sum += psi
    state.arrived += pre_spike.mean((1, 2))[:, None]
    return LayerStep(pre_spike, state.pre_trace, did.membrane, psi, state.spike)


def respond(
    network: Network, rule: Rule, constants: SpikingStep, weights: Mapping[str, Array], spikes: Array,
    trace: list[list[LayerStep]] | None = None,
) -> list[LayerResponse]:  # fmt: skip
    """One stimulus: input spikes (time, batch, inputs) through all layers; `trace` gets time × layer."""
    steps, batch, _ = spikes.shape
    given = Constants(
        constants.membrane_decay, constants.threshold,
        lambda distance: POST_FACTOR[constants.surrogate](distance, constants.slope),
    )  # fmt: skip
    states = [at_rest(layer, batch, constants.neuron) for layer in network.layers]
    for t in range(steps):
        before = spikes[t - 1] if t > 0 else np.zeros_like(spikes[0])
        arriving = [before, *(state.spike for state in states)]  # all as they were one step ago
        emitted, recorded = spikes[t], []
        for index, (layer, state) in enumerate(zip(network.layers, states, strict=True)):
            weight = weights[f"layer{index + 1}.weight"]
            mask = layer.rule_of(rule).mask
            recorded.append(advance(layer, state, weight, arriving[index], emitted, t, mask, constants, given))
            emitted = state.spike
        if trace is not None:
            trace.append(recorded)
    return [LayerResponse(s.spike_count / steps, s.post_sum / steps, s.eligibility, s.arrived / steps) for s in states]


@dataclass
class Reference:
    """A network that learns: its weights by name, what it holds, and how far a step goes."""

    network: Network
    rule: Rule  # of the run
    constants: SpikingStep
    weights: dict[str, Array]
    plastic: frozenset[str]
    learning_rate: float  # of the run
    optimizer: str = "sgd"
    weight_bound: float = float("inf")
    held: list[PreviousStimulus | None] = field(default_factory=list)
    state: dict[str, Array] = field(default_factory=dict)  # of the optimizer, statistics and memories
    statistics_decay: float | None = None  # of slow traces per stimulus; None: statistics of the batch
    stepwise: Stepwise | None = None  # what stepwise rules made of this stimulus
    rates: Mapping[str, float] = field(default_factory=dict)  # of weights that have a learning rate of their own
    limits: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)  # lowest and highest of every weight

    def __post_init__(self) -> None:
        self.rules = self.network.rules(self.rule)
        self.reads = frozenset().union(*(rule.reads.signals for rule in self.rules))
        self.held = self.held or [None] * len(self.network.layers)

    def respond(self, spikes: Array, trace: list[list[LayerStep]] | None = None) -> list[LayerResponse]:
        """The layers' responses to input spikes (time, batch, inputs)."""
        return respond(self.network, self.rule, self.constants, self.weights, spikes, trace)

    def weighted(self, responses: list[LayerResponse], fixation: Array, target: Array) -> list[LayerResponse]:
        """The responses with their eligibilities weighted in every step, for stepwise rules."""
        layers_in_steps = [response.in_steps for response in responses if response.in_steps is not None]
        layers = range(len(responses))
        self.stepwise = Stepwise(
            self.network, self.rule, self.weights, [self.circuit_weights(i) for i in layers],
            [self.context(i, responses[i]) for i in layers], fixation, target,
            [self.kept(i, len(fixation)) for i in layers], self.constants.learning_period,
        )  # fmt: skip
        self.stepwise.run(layers_in_steps)
        weighted = []
        for i, response in enumerate(responses):
            if self.rules[i].stepwise:
                kept = self.stepwise.states[i]
                self.state |= {f"{self.prefix(i)}{name}": value for name, value in kept.items()}
                response = replace(response, eligibility=self.stepwise.eligibilities[i])
            weighted.append(response)
        return weighted

    def third_factors(self, responses: list[LayerResponse], fixation: Array, target: Array) -> list[ThirdFactor]:
        """Per layer, from the top down. fixation: ±1 (batch, 1); target: one-hot (batch, classes)."""
        given: dict[str, Any] = {"target": target}
        above = above_before = None
        if "error" in self.reads:
            of_steps = None if self.stepwise is None else self.stepwise.error
            given["error"] = error = self.error(responses, target) if of_steps is None else of_steps
            if "error" in self.rules[-1].reads.signals:  # or its chain begins at the top layer
                above = Above(self.weights["readout.weight"], -error[:, None], np.ones_like(error[:, None]))
        if "top_context" in self.reads:
            given["top_context"] = self.context(len(responses) - 1, responses[-1])
        factors: list[ThirdFactor] = []
        for index in reversed(range(len(responses))):
            response, reads = responses[index], self.rules[index].reads.signals
            given |= {"above": above, "above_before": above_before}
            read = {name: value for name, value in given.items() if name in reads}
            signals, state = self.signals(index, response, fixation, read), self.kept(index, len(target))
            third, kept = third_factor_of(self.rules[index], signals, state, self.circuit_weights(index))
            self.state |= {f"{self.prefix(index)}{name}": value for name, value in kept.items()}
            factors.insert(0, third)
            above = self.above(index, third.current.value, response.post_factor, above)
            before = self.held[index]
            if third.context is not None and before is not None and before.post_factor is not None:
                above_before = self.above(index, third.context.value, before.post_factor, above_before)
        return factors

    def above(self, index: int, modulator: Array, psi: Array, beyond: Above | None) -> Above:
        """The projection to layer `index` as the one below reads it: its weights, and m ψ of its neurons."""
        credited = self.routed(index, modulator) * masked(psi, self.rules[index].feedback_mask)
        return Above(self.weights[f"layer{index + 1}.weight"], credited, psi, beyond)

    def signals(self, index: int, response: LayerResponse, fixation: Array, given: dict[str, Any]) -> Signals:
        """What one layer's circuit reads."""
        z, context = self.summary(index, response.activity), self.context(index, response)
        known = None if self.held[index] is None else context
        rule = self.rules[index]
        past = recalled(rule, f"layer{index + 1}", z, known, fixation, self.statistics_decay, self.state)
        more: dict[str, Any] = (
            {"input_activity": response.input_activity} if "input_activity" in rule.reads.signals else {}
        )
        last, begun = index == len(self.network.layers) - 1, float(known is not None)
        return Signals(
            z, context, fixation, last=last, begun=begun, statistics_decay=self.statistics_decay, recalled=past,
            **given, **more,
        )  # fmt: skip

    def prefix(self, index: int) -> str:
        """How the names of what the rule keeps of a layer begin."""
        return f"layer{index + 1}." + ("step." if self.rules[index].stepwise else "")

    def kept(self, index: int, streams: int) -> dict[str, Array]:
        """What the rule keeps of a layer, by its own names; zero at the beginning."""
        shape = layer_shape(self.network, self.rule, index, streams, self.statistics_decay)
        prefix, rule = self.prefix(index), self.rules[index]
        declared = {name: np.zeros(size) for name, size in rule.state(shape).items()}
        found = {k.removeprefix(prefix): v for k, v in self.state.items() if k.startswith(prefix)}
        return declared | {k: v for k, v in found.items() if k in declared or rule.stepwise}

    def learn(self, responses: list[LayerResponse], factors: list[ThirdFactor], target: Array) -> dict[str, Array]:
        """W += η m e and all that learns beside it; then hold this stimulus. Returns the updates."""
        updates: dict[str, Array] = {}
        for index, (response, third) in enumerate(zip(responses, factors, strict=True)):
            if self.rules[index].acts.learn:
                updates[f"layer{index + 1}.weight"] = self.update(index, response, third)
            for name, product in third.learn.items():
                post = product.modulator * product.post
                updates[f"layer{index + 1}.{name}"] = np.einsum("bi,bj->ij", post, product.pre)
        if "error" in self.reads:
            features = responses[-1].activity.reshape(len(target), -1)
            updates["readout.weight"] = -np.einsum("bi,bj->ij", self.error(responses, target), features)
        if self.stepwise is not None and self.stepwise.readout_update is not None:
            updates["readout.weight"] = self.stepwise.readout_update
        for index, response in enumerate(responses):
            kept = (response.eligibility, response.post_factor) if self.rules[index].sides == "both" else ()
            self.held[index] = PreviousStimulus(self.summary(index, response.activity), *kept)
        for name, update in updates.items():
            self.change(name, update)
        return updates

    def update(self, index: int, response: LayerResponse, third: ThirdFactor) -> Array:
        """Σ_batch m_i e_ij, and with sides = both the same for the stimulus before."""
        modulator = self.routed(index, third.current.value)
        update = np.einsum("bpn,bpnk->pnk", modulator, response.eligibility)
        before = self.held[index]
        if third.context is not None and before is not None and before.eligibility is not None:
            modulator = self.routed(index, third.context.value)
            update += np.einsum("bpn,bpnk->pnk", modulator, before.eligibility)
        return update.sum(0) if self.network.layers[index].shared else update

    def change(self, name: str, update: Array) -> None:
        """One step of the optimizer, in place, and the bounds."""
        if name not in self.plastic:
            rules = " + ".join(dict.fromkeys(rule.name for rule in self.rules))
            raise PlasticError(f"rule {rules!r} updates {name!r}, which its circuit does not declare plastic.")
        weight = self.weights[name]
        if self.optimizer == "adam":
            update = self.adam(name, update)
        weight += self.rates.get(name, self.learning_rate) * update
        np.clip(weight, -self.weight_bound, self.weight_bound, out=weight)
        if name in self.limits:
            np.clip(weight, *self.limits[name], out=weight)

    def adam(self, name: str, update: Array) -> Array:
        """Kingma & Ba 2015, algorithm 1."""
        count = self.state.get(f"{name}.count", np.zeros(())) + 1
        mean = 0.9 * self.state.get(f"{name}.mean", np.zeros_like(update)) + 0.1 * update
        square = 0.999 * self.state.get(f"{name}.square", np.zeros_like(update)) + 0.001 * update**2
        self.state |= {f"{name}.count": count, f"{name}.mean": mean, f"{name}.square": square}
        result: Array = (mean / (1 - 0.9**count)) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
        return result

    def error(self, responses: list[LayerResponse], target: Array) -> Array:
        """softmax(W_out z_top) − target."""
        output = responses[-1].activity.reshape(len(target), -1) @ self.weights["readout.weight"].T
        exponential = np.exp(output - output.max(1, keepdims=True))
        result: Array = exponential / exponential.sum(1, keepdims=True) - target
        return result

    def summary(self, index: int, activity: Array) -> Array:
        """What a layer's modulatory circuit sees: the mean over positions, or all units."""
        return activity.mean(1) if self.rules[index].summary == "mean" else activity.reshape(len(activity), -1)

    def context(self, index: int, response: LayerResponse) -> Array:
        """The layer's summary of the stimulus before; zero at the first."""
        held = self.held[index]
        return np.zeros_like(self.summary(index, response.activity)) if held is None else held.context

    def routed(self, index: int, modulator: Array) -> Array:
        """The adjoint of `summary`: (batch, units) to (batch, positions, neurons)."""
        layer = self.network.layers[index]
        if self.rules[index].summary == "flat":
            return modulator.reshape(len(modulator), layer.positions, layer.neurons)
        return np.repeat(modulator[:, None] / layer.positions, layer.positions, axis=1)

    def circuit_weights(self, index: int) -> dict[str, Array]:
        prefix = f"layer{index + 1}."
        named = {k.removeprefix(prefix): v for k, v in self.weights.items() if k.startswith(prefix)}
        return {k: v for k, v in named.items() if k != "weight"}

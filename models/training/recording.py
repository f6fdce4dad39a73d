"""Records a training while it goes on: an observer that takes samples of the planned signals to the trace writer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.models.learning.eligibility import Eligibility, Factored, Response
from plastic.models.learning.feedback import masked
from plastic.models.learning.learner import Learner, Observation, Watch
from plastic.models.network.layer import Layer
from plastic.models.network.limits import there
from plastic.models.network.parameters import circuit_weights, layer_name
from plastic.models.neuron.constants import LayerTrace, Traces
from plastic.models.training.ensemble import Ensemble
from plastic.rules.rule import Rule
from plastic.stimuli.stream import Stimulus
from plastic.traces.plan import LayerSize, Plan, Variable
from plastic.traces.signals import CONTEXT_SIGNALS, ROUNDING

Sample = NDArray[Any]
Selector = slice | Tensor


def layer_sizes(ensemble: Ensemble) -> list[LayerSize]:
    """What can be recorded of each layer: asked of the rule itself, by one silent stimulus to a copy."""
    network, rule = ensemble.network, ensemble.settings.rule
    streams = ensemble.settings.batch // ensemble.settings.share.size
    parameters = {name: value[:1].clone() for name, value in ensemble.parameters.items()}
    like = next(iter(parameters.values()))
    if not like.is_floating_point():
        parameters = {name: value.double() for name, value in parameters.items()}
        like = next(iter(parameters.values()))
    observed: dict[int, Observation] = {}
    known = frozenset(parameters)
    decay = ensemble.settings.statistics_decay
    learner = Learner(network, rule, parameters, lambda *_: None, known, statistics_decay=decay)
    responses = [_silent(layer, like.new_zeros(1, streams, layer.positions, layer.neurons)) for layer in network.layers]
    fixation = like.new_ones(1, streams, 1)
    learner.learn(responses, fixation, like.new_zeros(1, streams, network.classes), observed.__setitem__)
    return [_size(ensemble, index, observed[index], streams) for index in range(len(network.layers))]


def _silent(layer: Layer, activity: Tensor) -> Response:
    """The response of a layer in which nothing happens."""
    nothing = layer.patches(activity.new_zeros(*activity.shape[:2], layer.sites * layer.inputs_per_site))
    winner = None if layer_is_plain(layer) else torch.zeros_like(activity, dtype=torch.int64)[:, None]
    eligibility = Factored(layer, activity[:, None], nothing[:, None], winner=winner)
    return Response(activity, activity, eligibility, input_activity=activity.new_zeros(activity.shape[:2]))


def _size(ensemble: Ensemble, index: int, observed: Observation, streams: int) -> LayerSize:
    layer = ensemble.network.layers[index]
    signals = {name: _own_shape(value, streams) for name, value in observed.third.signals.items()}
    circuit = {k: tuple(v.shape[1:]) for k, v in circuit_weights(ensemble.parameters, index).items()}
    also = tuple(CONTEXT_SIGNALS.values()) if observed.third.context is not None else ()
    also += (ROUNDING,) if ensemble.simulator.rounds else ()
    weights = frozenset(k for k, shape in circuit.items() if len(shape) == 2)
    own = signals | {k: circuit[k] for k in circuit if k in weights}
    below = None if layer_is_plain(layer) else (layer.sites, layer.inputs_per_site)
    return LayerSize(layer.positions, layer.neurons, layer.fan_in, layer.shared, own, weights, also, below)


def layer_is_plain(layer: Layer) -> bool:
    """Whether every position has a patch of its own, so that what arrives at a synapse is a matter of its index."""
    return (layer.sites, layer.inputs_per_site) == (layer.positions, layer.fan_in)


def _own_shape(value: Tensor, streams: int) -> tuple[int, ...]:
    """(streams,) or (streams, n) of a signal of the rule's own; of one that all streams share, as if each had it."""
    units = torch.as_tensor(value).shape[-1:]
    return (streams, *(units if units != (1,) else ()))


def _selector(indices: Sequence[int]) -> Selector:
    first, last = indices[0], indices[-1]
    return slice(first, last + 1) if last - first + 1 == len(indices) else torch.tensor(indices)


def _select(value: Tensor, selectors: Sequence[Selector]) -> Tensor:
    """The chosen indices along each of the first axes."""
    for axis, chosen in enumerate(selectors):
        value = value[(slice(None),) * axis + (chosen,)]
    return value


@dataclass(frozen=True)
class _Seen:
    """What there is of one layer at the end of a stimulus; arrays without the axis of members."""

    layer: Layer
    rule: Rule
    learning_period: int
    observation: Observation
    traces: list[LayerTrace]
    weights: dict[str, Tensor]  # of the layer and its circuit, before they change
    there: Tensor | None = None  # which synapses there are, (neurons, fan_in); None: all

    def steps(self, name: str, selectors: Sequence[Selector]) -> Tensor:
        """A signal of every step: (time, …)."""
        parts = [_select(getattr(part, name)[0], (slice(None), *selectors)) for part in self.traces]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def running_eligibility(self, selectors: Sequence[Selector]) -> Tensor:
        """Σ ψ x̄ up to every step, or what a chip has of it, for the chosen synapses: (time, stream, position, post,
        pre)."""
        if not layer_is_plain(self.layer):
            assert len(self.traces) == 1
            assert self.traces[0].spike.shape[1] == 1, "convolutions are of rate networks, where a stimulus is one step"
            return self.final_eligibility(selectors)[None]
        if self.traces[0].eligibility is not None:
            return self.steps("eligibility", selectors)
        stream, position, post, pre = selectors
        kept = [masked(part.post_factor[0], self.rule.mask, 1) for part in self.traces]
        psi = torch.cat([_select(part, (slice(None), stream, position, post)) for part in kept])
        product = self._present(
            psi[..., None] * self.steps("pre_trace", (stream, position, pre))[..., None, :], selectors
        )
        clock = (torch.arange(1, len(product) + 1) % self.learning_period == 0).to(product)
        return (product * clock.view(-1, 1, 1, 1, 1)).cumsum(0)

    def final_eligibility(self, selectors: Sequence[Selector]) -> Tensor:
        """The eligibility that the weights changed by: (stream, position, post, pre)."""
        return self._present(eligibility_of(self.observation.response.eligibility, selectors), selectors)

    def _present(self, eligibility: Tensor, selectors: Sequence[Selector]) -> Tensor:
        """The same, zero where no synapse is."""
        if self.there is None:
            return eligibility
        return eligibility * _select(self.there, selectors[2:])

    def routed(self, signal: Tensor) -> Tensor:
        """A signal to the layer's neurons: (stream, position, post)."""
        return self.layer.route(signal, self.rule.summary)[0]


def eligibility_of(eligibility: Eligibility, selectors: Sequence[Selector]) -> Tensor:
    """Chosen synapses of an eligibility, of the first member: (stream, position, post, pre)."""
    if not isinstance(eligibility, Factored):
        return _select(eligibility.per_synapse()[0], selectors)
    stream, position, post, pre = selectors
    if not layer_is_plain(eligibility.layer):
        won = None if eligibility.winner is None else eligibility.winner[:1, :, stream]
        own = (eligibility.post[:1, :, stream], eligibility.pre[:1, :, stream], won)
        synapses = eligibility.layer.per_synapse(*own)
        return _select(synapses[0], (slice(None), position, post, pre))
    chosen_post = _select(eligibility.post[0], (slice(None), stream, position, post))
    chosen_pre = _select(eligibility.pre[0], (slice(None), stream, position, pre))
    return torch.einsum("tspn,tspk->spnk", chosen_post, chosen_pre)


def _per_stream(value: Any, like: Tensor) -> Tensor:
    """A gate, loss or own signal as (streams, n), whatever it was given as."""
    if value is None:
        return like.new_full((like.shape[1], 1), float("nan"))
    tensor = torch.as_tensor(value, device=like.device)
    tensor = tensor.to(like.dtype) if tensor.dim() == 0 else tensor[0]
    return tensor.expand(like.shape[1], *tensor.shape[-1:]) if tensor.dim() else tensor.expand(like.shape[1], 1)


# by name of the signal: its value at the stimulus end, before the weights change
AT_THE_END: dict[str, Callable[[_Seen, Sequence[Selector]], Tensor]] = {
    "eligibility": lambda end, at: end.final_eligibility(at),
    "activity": lambda end, at: _select(end.observation.response.activity[0], at),
    "gate": lambda end, at: _select(_per_stream(end.observation.third.current.gate, end.observation.modulator), at)[
        ..., 0
    ],
    "dendrite": lambda end, at: _select(end.routed(end.observation.third.current.dendrite), at),
    "modulator": lambda end, at: _select(end.observation.modulator[0], at),
    "loss": lambda end, at: _select(_per_stream(end.observation.third.loss, end.observation.modulator), at)[..., 0],
    "weight": lambda end, at: _select(end.weights["weight"], at),
}


@runtime_checkable
class Writer(Protocol):
    """Takes samples: plastic.traces.writer.TraceWriter, or one that keeps them in memory."""

    plan: Plan

    def put(self, stimulus: int, values: Mapping[str, Sample], fixation: NDArray[Any], label: NDArray[Any]) -> None: ...

    def flush(self) -> None: ...


@dataclass
class Recorder:
    """Watches the stimuli of which something is recorded, of the first member of an ensemble."""

    ensemble: Ensemble
    writer: Writer
    values: dict[str, Sample] = field(default_factory=dict)
    traces: Traces = field(default_factory=dict)

    def __post_init__(self) -> None:
        variables = self.writer.plan.variables
        self._at = {name: tuple(map(_selector, v.indices)) for name, v in variables.items()}
        self._due: list[Variable] = []
        like = next(iter(self.ensemble.parameters.values()))
        found = there(self.ensemble.network, self.ensemble.seeds[0])
        self._there = {index: torch.from_numpy(one).to(like.device) for index, one in found.items()}

    def begin(self, step: int) -> tuple[Watch | None, Traces | None]:
        """What to collect during stimulus `step`."""
        plan = self.writer.plan
        due = {name for name, axis in plan.axes.items() if axis.due(step)}
        self._due = [v for v in plan.variables.values() if v.axis.name in due]
        if not self._due:
            return None, None
        self.values, self.traces = {}, {}
        return self._watch, self.traces

    def end(self, step: int, stimulus: Stimulus) -> None:
        """The weights have changed: keep what was collected."""
        if not self._due:
            return
        for variable in self._due:
            if variable.signal.name in ("weight_change", ROUNDING.name):
                after = _numpy(_select(self._weight(variable), self._at[variable.name]))
                self.values[variable.name] = (after - self.values[variable.name])[None]
        streams = list(self.writer.plan.streams)
        fixation = np.where(stimulus.fixation[0, streams], 1, -1).astype(np.int8)
        self.writer.put(step, self.values, fixation, stimulus.labels[0, streams])

    def _weight(self, variable: Variable) -> Tensor:
        return self.ensemble.parameters[f"{layer_name(variable.layer - 1)}.weight"][0]

    def _watch(self, index: int, observation: Observation) -> None:
        settings = self.ensemble.settings
        layer, parameters = self.ensemble.network.layers[index], self.ensemble.parameters
        rule = layer.rule_of(settings.rule)
        weights = {k: v[0] for k, v in circuit_weights(parameters, index).items()}
        weights["weight"] = parameters[f"{layer_name(index)}.weight"][0]
        period = settings.spiking.learning_period if settings.spiking is not None else 1
        observed = _Seen(
            layer, rule, period, observation, self.traces.get(index, []), weights, self._there.get(index)
        )  # fmt: skip
        for variable in self._due:
            if variable.layer == index + 1:
                self.values[variable.name] = self._sample(variable, observed)

    def _sample(self, variable: Variable, observed: _Seen) -> Sample:
        """Samples of one variable: (samples, …)."""
        name, at = variable.signal.name, self._at[variable.name]
        if name == "weight_change":  # the weight, until it has changed
            return _numpy(_select(observed.weights["weight"], at))
        if name == ROUNDING.name:  # the weight as it would be without, until it has changed
            return _numpy(_select(observed.weights["weight"], at) + self._product(observed, at))
        if variable.own:
            return _numpy(self._own(variable, observed))[None]
        if name in AT_THE_END and (name != "eligibility" or variable.axis.clock == "stimulus"):
            return _numpy(AT_THE_END[name](observed, at))[None]
        if name in CONTEXT_SIGNALS:
            return _numpy(self._context(name, at, observed))[None]
        steps = observed.running_eligibility(at) if name == "eligibility" else observed.steps(name, at)
        taken = steps[-1:] if variable.axis.clock == "stimulus" else steps[:: variable.axis.every]
        spikes = name in ("spike", "pre_spike") and self.ensemble.settings.spiking is not None
        return _numpy(taken.to(torch.uint8) if spikes else taken)

    def _product(self, observed: _Seen, at: Sequence[Selector]) -> Tensor:
        """η m_i e_ij of chosen synapses of one stream."""
        position, post, pre = at if len(at) == 3 else (slice(0, 1), *at)
        eligibility = observed.final_eligibility((slice(0, 1), position, post, pre))[0]
        modulator = _select(observed.observation.modulator[0], (slice(0, 1), position, post))[0]
        product = self.ensemble.learning_rate * modulator[..., None] * eligibility
        return product if len(at) == 3 else product[0]

    def _own(self, variable: Variable, observed: _Seen) -> Tensor:
        name, at = variable.signal.name, self._at[variable.name]
        if name in observed.weights:
            return _select(observed.weights[name], at)
        value = _per_stream(observed.observation.third.signals[name], observed.observation.modulator)
        return _select(value if "unit" in variable.of else value[..., 0], at)

    def _context(self, name: str, at: Sequence[Selector], observed: _Seen) -> Tensor:
        context = observed.observation.third.context
        assert context is not None
        if name == "context_dendrite":
            return _select(observed.routed(context.dendrite), at)
        return _select(_per_stream(context.gate, observed.observation.modulator), at)[..., 0]


def _numpy(value: Tensor) -> Sample:
    return np.array(value.detach().cpu().numpy())

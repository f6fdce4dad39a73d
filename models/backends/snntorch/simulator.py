"""The spiking simulator on snnTorch's neurons: the canonical step of DESIGN section 5, batched.

What follows is of the default neuron; cells.py runs the others, and says which of them are snnTorch's.
`snn.Leaky` with reset_mechanism="zero" shows the membrane before its reset and takes the reset at
the beginning of its next step, which is the canonical order. (With its default, "subtract", or with
reset_delay=False it is another neuron.) No autograd.

All currents of a layer are one matrix product, and the eligibility keeps its factors ψ[t] and x̄[t]. A stimulus
longer than a chunk runs through a layer chunk by chunk, and once more where a gate is open: of its steps only
spikes are kept, a byte each (stepwise rules need all factors, and that memory). Large arrays are few and are
changed in place: to fetch fresh memory from the system costs as much as to compute with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from plastic.models.backends import Members
from plastic.models.backends.responding import Responding, make_learner
from plastic.models.backends.snntorch.cells import Cells, own_class
from plastic.models.learning.eligibility import Eligibility, Factored, Response, Summed
from plastic.models.learning.feedback import masked
from plastic.models.network.layer import Layer, Network
from plastic.models.network.outer import PerMember, Update, Whole, open_rows
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.neuron.constants import LayerTrace, SpikeTrains, SpikingStep, Traces
from plastic.models.neuron.surrogate import pseudo_derivative
from plastic.models.settings import Settings
from plastic.rules.rule import Rule


@dataclass
class _LayerState:
    """What a layer carries from one chunk of time to the next within a stimulus."""

    membrane: Tensor  # before its reset: (members, batch, positions, neurons)
    spike: Tensor  # of the last step; same shape
    trace: Tensor  # (members, batch, positions, fan_in)
    count: Tensor  # spikes since the stimulus began
    post: Tensor  # Σ_t ψ
    arrived: Tensor  # spikes per input since the stimulus began: (members, batch)
    cells: Cells | None = None  # neurons that are not the default ones


CACHED = 2**18  # numbers per signal and chunk of a long stimulus


@dataclass(frozen=True)
class Replay:
    """Eligibility of a long stimulus, computed when its third factor is known by running the layer once more over the
    spikes that it got and gave: nothing is kept per step but those, and nothing per stream and synapse."""

    layer: Layer
    simulator: SnnTorchSimulator
    index: int
    parameters: Parameters
    below: Tensor  # with a silent step before the first: (members, time, batch, units below)
    emitted: Tensor  # likewise, by this layer

    def credit(self, modulator: Tensor, gate: Tensor | float) -> Update:
        work = self.below[0, :, :, 0].numel() * math.prod(self.layer.weight_shape)
        mask = self.layer.rule_of(self.simulator.rule).mask
        rows = open_rows(gate, self.below.shape[2], work) if mask != "batch" else None
        if rows is None:
            return self._credit_all(modulator)
        return PerMember(tuple(self._of(e, r)._credit_all(modulator[e : e + 1, r]) for e, r in enumerate(rows)))

    def _of(self, member: int, rows: Tensor) -> Replay:
        """Some streams of one member."""
        parameters = {k: v[member : member + 1] for k, v in self.parameters.items()}
        below, emitted = (x[member : member + 1, :, rows] for x in (self.below, self.emitted))
        return replace(self, parameters=parameters, below=below, emitted=emitted)

    def _credit_all(self, modulator: Tensor) -> Update:
        return _total(part.credit(modulator, 1.0).value() for part in self._parts())

    def per_synapse(self) -> Tensor:
        return _total(part.per_synapse() for part in self._parts()).value()

    def _parts(self) -> Iterator[Eligibility]:
        return self.simulator.replay(self.index, self.parameters, self.below, self.emitted)


def _total(parts: Iterator[Tensor]) -> Whole:
    total = next(parts)
    for part in parts:
        total += part
    return Whole((total,))


@dataclass(frozen=True)
class SnnTorchSimulator:
    """Runs a network of spiking neurons over spike trains."""

    network: Network
    rule: Rule  # of the run
    step: SpikingStep = field(default_factory=SpikingStep)
    chunk: int = 64

    def respond(self, parameters: Parameters, spikes: Tensor, traces: Traces | None = None) -> Iterator[Response]:
        """Responses of the layers, bottom up, to spikes (members, time, batch, input neurons).

        `traces`, where given, gets the signals of every step: layer → one LayerTrace per chunk.
        """
        steps, below = spikes.shape[1], _delayed(spikes)
        stepwise = any(rule.stepwise for rule in self.network.rules(self.rule))
        for index, layer in enumerate(self.network.layers):
            state = self._rest(layer, spikes)
            trains = None
            if steps <= self.chunk or stepwise:
                below, eligibility, trace = self._advance(index, state, parameters, below, 0)
                recorded = [trace]
                if stepwise:
                    trains = SpikeTrains(trace.spike, trace.pre_spike.mean((3, 4)))
            else:
                emitted, recorded = self._long(index, state, parameters, below, traces is not None)
                eligibility = Replay(
                    layer, simulator=self, index=index, parameters=parameters, below=below, emitted=emitted
                )
                below = emitted
                if layer.rule_of(self.rule).sides == "both":  # the next stimulus credits it again
                    eligibility = Summed(layer, summed=eligibility.per_synapse())
            if traces is not None:
                traces[index] = recorded
            yield self._response(state, eligibility, steps, trains)

    def _long(
        self, index: int, state: _LayerState, parameters: Parameters, below: Tensor, shows: bool
    ) -> tuple[Tensor, list[LayerTrace]]:
        """One layer through a long stimulus, a chunk at a time: its spikes, a byte each, and its signals if shown."""
        emitted = [torch.zeros_like(state.spike.flatten(2)[:, None], dtype=torch.uint8)]
        recorded: list[LayerTrace] = []
        layer = self.network.layers[index]
        for start, part in self.chunks(below, layer):
            if shows or layer.rule_of(self.rule).reads.signals & {"above", "input_activity"}:
                spike, _, trace = self._advance(index, state, parameters, part.to(state.spike), start)
                recorded += [trace] if shows else []
            else:
                spike = self._fire(index, state, parameters, part.to(state.spike))[2].flatten(3)
            emitted.append(spike[:, 1:].to(torch.uint8))
        return torch.cat(emitted, dim=1), recorded

    def replay(self, index: int, parameters: Parameters, below: Tensor, emitted: Tensor) -> Iterator[Eligibility]:
        """One layer once more over the spikes it got and gave: the factors of its eligibility, a chunk at a time."""
        layer, weight = self.network.layers[index], parameters[f"{layer_name(index)}.weight"]
        state = self._rest(layer, weight.new_empty(len(below), 0, below.shape[2], 0))
        for start, part in self.chunks(below, layer):
            arriving = part.to(weight)
            pre_spike = _patches(layer, arriving[:, :-1])
            if state.cells is not None:
                yield self._replayed(layer, state, weight, arriving, emitted, start)
                continue
            kept = (1 - emitted[:, start : start + pre_spike.shape[1]].to(weight)).mul_(self.step.membrane_decay)
            current = self._current(layer, weight, pre_spike)
            membrane = self._membrane(current, kept.view_as(current), state)
            yield self._factors(layer, state, arriving, membrane, None, start)[0]

    def _replayed(
        self, layer: Layer, state: _LayerState, weight: Tensor, arriving: Tensor, emitted: Tensor, start: int
    ) -> Eligibility:
        """One chunk of `replay`, of neurons that are not the default ones."""
        assert state.cells is not None
        membrane = self._current(layer, weight, _patches(layer, arriving[:, :-1]))
        spike = emitted[:, start + 1 : start + 1 + membrane.shape[1]].to(weight).view_as(membrane)
        post = state.cells.again(membrane, spike)
        return self._factors(layer, state, arriving, membrane, post, start)[0]

    def features(self, parameters: Parameters, spikes: Tensor) -> list[Tensor]:
        """Spike counts per step of all units of every layer, without learning: (members, batch, units) each."""
        below = _delayed(spikes)
        found = []
        for index, layer in enumerate(self.network.layers):
            state = self._rest(layer, spikes)
            if spikes.shape[1] <= self.chunk:
                below = self._fire(index, state, parameters, below)[2].flatten(3)
            else:
                below, _ = self._long(index, state, parameters, below, shows=False)
            found.append((state.count / spikes.shape[1]).flatten(2))
        return found

    def chunks(self, delayed: Tensor, layer: Layer) -> Iterator[tuple[int, Tensor]]:
        """First step and spikes of every chunk, each with the step before it; so short that it stays in the cache."""
        members, steps, batch, inputs = delayed.shape
        size = max(1, min(self.chunk, CACHED // (members * batch * max(inputs, layer.units))))
        for start in range(0, steps - 1, size):
            yield start, delayed[:, start : start + size + 1]

    def _response(
        self, state: _LayerState, eligibility: Eligibility, steps: int, trains: SpikeTrains | None = None
    ) -> Response:
        activity, post, arrived = state.count / steps, state.post / steps, state.arrived / steps
        return Response(activity, post, eligibility, input_activity=arrived, trains=trains)

    def _rest(self, layer: Layer, spikes: Tensor) -> _LayerState:
        members, _, batch, _ = spikes.shape
        zero = spikes.new_zeros(members, batch, layer.positions, layer.neurons)
        return _LayerState(
            membrane=zero,
            spike=zero,
            trace=spikes.new_zeros(members, batch, layer.positions, layer.fan_in),
            count=zero.clone(),
            post=zero.clone(),
            arrived=spikes.new_zeros(members, batch),
            cells=None if self.step.canonical else Cells.at_rest(self.step, zero),
        )

    def _advance(
        self, index: int, state: _LayerState, parameters: Parameters, below: Tensor, start: int
    ) -> tuple[Tensor, Eligibility, LayerTrace]:
        """One layer through one chunk: its spikes with the step before, its eligibility factors, its signals."""
        layer = self.network.layers[index]
        pre_spike, membrane, spike, found = self._fire(index, state, parameters, below)
        eligibility, pre, post = self._factors(layer, state, below, membrane, found, start)
        reads = layer.rule_of(self.rule).reads.signals
        if "input_activity" in reads:
            state.arrived += pre_spike.mean((3, 4)).sum(1)
        if "above" in reads:
            state.post += post.sum(1)
        return spike.flatten(3), eligibility, LayerTrace(pre_spike, pre, membrane, post, spike[:, 1:])

    def _factors(
        self, layer: Layer, state: _LayerState, below: Tensor, membrane: Tensor, post: Tensor | None, start: int
    ) -> tuple[Eligibility, Tensor, Tensor]:
        """Eligibility, pre trace and post factor of one chunk; of the default neuron that is still to be computed."""
        step = self.step
        if post is None:
            post = pseudo_derivative(step.surrogate)(membrane - step.threshold, step.slope)
        pre = self._low_pass(_patches(layer, below[:, :-1] if step.trace_timing == "arrived" else below[:, 1:]), state)
        clock = slice(-(start + 1) % step.learning_period, None, step.learning_period)
        own = masked(post, layer.rule_of(self.rule).mask, batch_axis=2)
        return Factored(layer, own[:, clock], pre[:, clock]), pre, post

    def _fire(
        self, index: int, state: _LayerState, parameters: Parameters, below: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """One layer through one chunk: arriving spikes, membrane, its spikes with the step before, and ψ where the
        neuron has computed it."""
        layer = self.network.layers[index]
        pre_spike = _patches(layer, below[:, :-1])
        current = self._current(layer, parameters[f"{layer_name(index)}.weight"], pre_spike)
        post = None
        if state.cells is None:
            membrane, spike = self._integrate(current, state)
        else:
            members, steps, *shape = current.shape
            membrane, spike = current, current.new_empty(members, steps + 1, *shape)
            spike[:, 0] = state.spike
            post = state.cells.run(current, spike[:, 1:])
            state.spike = spike[:, -1]
        state.count += spike[:, 1:].sum(1)
        return pre_spike, membrane, spike, post

    def _current(self, layer: Layer, weight: Tensor, pre_spike: Tensor) -> Tensor:
        """Input of every step: (members, time, batch, positions, neurons)."""
        return layer.drive(weight, pre_spike.flatten(1, 2)).view(*pre_spike.shape[:3], layer.positions, layer.neurons)

    def _membrane(self, current: Tensor, kept: Tensor, state: _LayerState) -> Tensor:
        """Membrane before the reset where the spikes are known already, in place of the current; `kept` is the part
        of the step before that is left, β or nothing. No threshold is looked at: one operation per step."""
        last = state.membrane
        for t in range(current.shape[1]):
            last = torch.addcmul(current[:, t], last, kept[:, t], out=current[:, t])
        state.membrane = last
        return current

    def _integrate(self, current: Tensor, state: _LayerState) -> tuple[Tensor, Tensor]:
        """Membrane before the reset, in place of the current, and spikes, in every step of the chunk."""
        neuron = own_class(self.step, current.dtype, current.device)
        members, steps, *shape = current.shape
        spike, membrane = current.new_empty(members, steps + 1, *shape), state.membrane
        spike[:, 0] = state.spike
        for t in range(steps):
            spike[:, t + 1], membrane = neuron(current[:, t], membrane)
            current[:, t] = membrane
        state.membrane, state.spike = membrane, spike[:, -1]
        return current, spike

    def _low_pass(self, spikes: Tensor, state: _LayerState) -> Tensor:
        """x̄[t] = λ x̄[t−1] + s[t]."""
        trace, last = torch.empty_like(spikes), state.trace
        for t in range(spikes.shape[1]):
            last = torch.add(spikes[:, t], last, alpha=self.step.trace_decay, out=trace[:, t])
        state.trace = last
        return trace


def build(settings: Settings, network: Network, members: Members) -> Responding:
    """Spiking networks, in the settings' arithmetic and on their device."""
    return Responding(
        SnnTorchSimulator(network, settings.rule, settings.step), make_learner(settings, network, members)
    )


def _delayed(spikes: Tensor) -> Tensor:
    """A silent step before the first: what arrives in a step is what was emitted in the one before."""
    return torch.cat([torch.zeros_like(spikes[:, :1]), spikes], dim=1)


def _patches(layer: Layer, spikes: Tensor) -> Tensor:
    """(members, time, batch, units below) to (members, time, batch, positions, fan_in)."""
    return spikes.view(*spikes.shape[:3], layer.positions, layer.fan_in)

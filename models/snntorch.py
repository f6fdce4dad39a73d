"""The spiking simulator on snnTorch's neurons: the canonical step of DESIGN section 5, batched.

`snn.Leaky` with reset_mechanism="zero" shows the membrane before its reset and takes the reset at
the beginning of its next step, which is the canonical order. (With its default, "subtract", or with
reset_delay=False it is another neuron.) No autograd.

Time is processed in chunks. Within a chunk all currents of a layer are one matrix product, and the
eligibility keeps its factors ψ[t] and x̄[t]; a stimulus longer than a chunk adds up the eligibility
per synapse, so memory does not grow with the number of steps (stepwise rules need the factors of all
steps, and that memory). Large arrays are few and are changed in place:
to fetch fresh memory from the system costs as much as to compute with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import snntorch as snn
import torch
from torch import Tensor

from plastic.models.learning import Eligibility, Response
from plastic.models.parameters import Parameters, layer_name
from plastic.models.step import Course, LayerTrace, SpikingStep, Traces
from plastic.models.surrogate import above_zero, pseudo_derivative
from plastic.models.topology import Layer, Network
from plastic.models.upward import masked
from plastic.rules.rule import Rule


@dataclass
class _LayerState:
    """What a layer carries from one chunk of time to the next within a stimulus."""

    arriving: Tensor  # spikes of the layer below in the last step: (members, 1, batch, units below)
    membrane: Tensor  # before its reset: (members, batch, positions, neurons)
    trace: Tensor  # (members, batch, positions, fan_in)
    count: Tensor  # spikes since the stimulus began
    post: Tensor  # Σ_t ψ
    arrived: Tensor  # spikes per input since the stimulus began: (members, batch)
    summed: Tensor | None = None  # eligibility per synapse, in stimuli of several chunks


@lru_cache(maxsize=8)
def leaky(decay: float, threshold: float, dtype: torch.dtype, device: torch.device) -> snn.Leaky:
    """snnTorch's neuron; it keeps no state between calls. Made once: snnTorch never lets one go."""
    return snn.Leaky(
        beta=torch.tensor(decay, dtype=dtype),
        threshold=torch.tensor(threshold, dtype=dtype),
        spike_grad=above_zero,
        reset_mechanism="zero",
    ).to(device)


@dataclass(frozen=True)
class SnnTorchSimulator:
    """Runs a network of leaky integrate-and-fire neurons over spike trains."""

    network: Network
    rule: Rule
    step: SpikingStep = field(default_factory=SpikingStep)
    chunk: int = 64

    def respond(self, parameters: Parameters, spikes: Tensor, traces: Traces | None = None) -> Iterator[Response]:
        """Responses of the layers, bottom up, to spikes (members, time, batch, input neurons).

        `traces`, where given, gets the signals of every step: layer → one LayerTrace per chunk.
        """
        steps = spikes.shape[1]
        states = [self._rest(layer, spikes) for layer in self.network.layers]
        if steps <= self.chunk or self.rule.stepwise:
            for index, state in enumerate(states):
                spikes, eligibility, trace = self._advance(index, state, parameters, spikes, 0)
                if traces is not None:
                    traces[index] = [trace]
                course = Course(trace.spike, trace.pre_spike.mean((3, 4))) if self.rule.stepwise else None
                yield self._response(state, eligibility, steps, course)
            return
        for start in range(0, steps, self.chunk):
            below = spikes[:, start : start + self.chunk]
            for index, state in enumerate(states):
                below, eligibility, trace = self._advance(index, state, parameters, below, start)
                if traces is not None:
                    traces.setdefault(index, []).append(trace)
                part = eligibility.per_synapse()
                state.summed = part if state.summed is None else state.summed.add_(part)
        for layer, state in zip(self.network.layers, states, strict=True):
            yield self._response(state, Eligibility(layer, summed=state.summed), steps)

    def _response(
        self, state: _LayerState, eligibility: Eligibility, steps: int, course: Course | None = None
    ) -> Response:
        activity, post, arrived = state.count / steps, state.post / steps, state.arrived / steps
        return Response(activity, post, eligibility, input_activity=arrived, course=course)

    def _rest(self, layer: Layer, spikes: Tensor) -> _LayerState:
        members, _, batch, _ = spikes.shape
        units = layer.positions * layer.fan_in
        zero = spikes.new_zeros(members, batch, layer.positions, layer.neurons)
        return _LayerState(
            arriving=spikes.new_zeros(members, 1, batch, units),
            membrane=zero,
            trace=spikes.new_zeros(members, batch, layer.positions, layer.fan_in),
            count=zero.clone(),
            post=zero.clone(),
            arrived=spikes.new_zeros(members, batch),
        )

    def _advance(
        self, index: int, state: _LayerState, parameters: Parameters, below: Tensor, start: int
    ) -> tuple[Tensor, Eligibility, LayerTrace]:
        """One layer through one chunk: its spikes, its eligibility factors, its signals."""
        layer, step = self.network.layers[index], self.step
        members, steps, batch, _ = below.shape
        arriving = torch.cat([state.arriving, below[:, :-1]], dim=1)  # one step of delay
        state.arriving = below[:, -1:]
        pre_spike = arriving.view(members, steps, batch, layer.positions, layer.fan_in)
        current = layer.drive(parameters[f"{layer_name(index)}.weight"], pre_spike.flatten(1, 2))
        membrane, spike = self._integrate(current.view(members, steps, batch, layer.positions, layer.neurons), state)
        post = pseudo_derivative(step.surrogate)(membrane - step.threshold, step.slope)
        pre = self._low_pass(pre_spike if step.trace_timing == "arrived" else below.view_as(pre_spike), state)
        state.count += spike.sum(1)
        if "input_activity" in self.rule.reads:
            state.arrived += pre_spike.mean((3, 4)).sum(1)
        if "above" in self.rule.reads:
            state.post += post.sum(1)
        kept = masked(post, self.rule.mask, batch_axis=2)
        clock = slice(-(start + 1) % step.learning_period, None, step.learning_period)
        eligibility = Eligibility(layer, kept[:, clock], pre[:, clock])
        return spike.flatten(3), eligibility, LayerTrace(pre_spike, pre, membrane, post, spike)

    def _integrate(self, current: Tensor, state: _LayerState) -> tuple[Tensor, Tensor]:
        """Membrane before the reset, in place of the current, and spikes, in every step of the chunk."""
        neuron = leaky(self.step.membrane_decay, self.step.threshold, current.dtype, current.device)
        spike, membrane = torch.empty_like(current), state.membrane
        for t in range(current.shape[1]):
            spike[:, t], membrane = neuron(current[:, t], membrane)
            current[:, t] = membrane
        state.membrane = membrane
        return current, spike

    def _low_pass(self, spikes: Tensor, state: _LayerState) -> Tensor:
        """x̄[t] = λ x̄[t−1] + s[t]."""
        trace, last = torch.empty_like(spikes), state.trace
        for t in range(spikes.shape[1]):
            last = torch.add(spikes[:, t], last, alpha=self.step.trace_decay, out=trace[:, t])
        state.trace = last
        return trace

    def features(self, parameters: Parameters, spikes: Tensor) -> list[Tensor]:
        """Spike counts per step of all units of every layer: (members, batch, units) each."""
        return [response.activity.flatten(2) for response in self.respond(parameters, spikes)]

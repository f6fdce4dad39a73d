"""The spiking simulator on snnTorch's neurons: the canonical step of DESIGN section 5, batched.

snnTorch's own reset takes the spike of the step before, and would leave the membrane of this step
unreset until then. The post factor must be read before the reset and the reset be done in the step
of the spike, so the neuron (`snn.Leaky`) runs without a reset of its own, and the reset to zero
follows here. No autograd.

Time is processed in chunks. Within a chunk all currents of a layer are one matrix product, and the
eligibility keeps its factors ψ[t] and x̄[t]; a stimulus longer than a chunk adds up the eligibility
per synapse, so memory does not grow with the number of steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import snntorch as snn
import torch
from torch import Tensor

from plastic.models.learning import Eligibility, Response, masked
from plastic.models.parameters import Parameters, layer_name
from plastic.models.surrogate import above_zero, pseudo_derivative
from plastic.models.topology import Layer, Network
from plastic.rules.rule import Rule

TraceTiming = Literal["arrived", "emitted"]


@dataclass(frozen=True)
class SpikingStep:
    """Constants of the canonical step; dt = 1 ms, membrane in units of the threshold."""

    membrane_decay: float = 0.9  # β = exp(−dt/τ_m)
    trace_decay: float = 0.9  # λ
    threshold: float = 1.0  # θ
    surrogate: str = "fast-sigmoid"
    slope: float = 2.0
    learning_period: int = 1
    trace_timing: TraceTiming = "arrived"


@dataclass
class _LayerState:
    """What a layer carries from one chunk of time to the next within a stimulus."""

    arriving: Tensor  # spikes of the layer below in the last step: (members, 1, batch, units below)
    membrane: Tensor  # (members, batch, positions, neurons)
    trace: Tensor  # (members, 1, batch, positions, fan_in)
    count: Tensor  # spikes since the stimulus began
    post: Tensor  # Σ_t ψ
    arrived: Tensor  # spikes per input since the stimulus began: (members, batch)
    summed: Tensor | None = None  # eligibility per synapse, in stimuli of several chunks


@dataclass(frozen=True)
class LayerTrace:
    """Signals of one layer in every step: (members, time, batch, positions, n)."""

    pre_spike: Tensor
    pre_trace: Tensor
    membrane: Tensor
    post_factor: Tensor
    spike: Tensor


Traces = dict[int, list[LayerTrace]]


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
        if steps <= self.chunk:
            for index, state in enumerate(states):
                spikes, eligibility, trace = self._advance(index, state, parameters, spikes, 0)
                if traces is not None:
                    traces[index] = [trace]
                yield self._response(state, eligibility, steps)
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

    def _response(self, state: _LayerState, eligibility: Eligibility, steps: int) -> Response:
        return Response(state.count / steps, state.post / steps, eligibility, input_activity=state.arrived / steps)

    def _rest(self, layer: Layer, spikes: Tensor) -> _LayerState:
        members, _, batch, _ = spikes.shape
        units = layer.positions * layer.fan_in
        zero = spikes.new_zeros(members, batch, layer.positions, layer.neurons)
        return _LayerState(
            arriving=spikes.new_zeros(members, 1, batch, units),
            membrane=zero,
            trace=spikes.new_zeros(members, 1, batch, layer.positions, layer.fan_in),
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
        pre_spike = arriving.reshape(members, steps, batch, layer.positions, layer.fan_in)
        current = layer.drive(parameters[f"{layer_name(index)}.weight"], pre_spike.flatten(1, 2))
        membrane, spike = self._integrate(current.view(members, steps, batch, layer.positions, layer.neurons), state)
        post = pseudo_derivative(step.surrogate)(membrane - step.threshold, step.slope)
        traced = pre_spike if step.trace_timing == "arrived" else below.view_as(pre_spike)
        pre = self._low_pass(traced, state)
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
        """Membrane before the reset, and spikes, in every step of the chunk."""
        neuron = snn.Leaky(
            beta=torch.tensor(self.step.membrane_decay, dtype=current.dtype),
            threshold=torch.tensor(self.step.threshold, dtype=current.dtype),
            spike_grad=above_zero,
            reset_mechanism="none",
        ).to(current.device)
        membrane, spike = torch.empty_like(current), torch.empty_like(current)
        rest = state.membrane
        for t in range(current.shape[1]):
            spike[:, t], membrane[:, t] = neuron(current[:, t], rest)
            rest = membrane[:, t] * (1 - spike[:, t])
        state.membrane = rest
        return membrane, spike

    def _low_pass(self, spikes: Tensor, state: _LayerState) -> Tensor:
        """x̄[t] = λ x̄[t−1] + s[t], as one product with the matrix of λ^(t−t′)."""
        steps = spikes.shape[1]
        lag = torch.arange(steps)[:, None] - torch.arange(steps)[None]
        kernel = torch.where(lag >= 0, self.step.trace_decay ** lag.clamp(min=0).double(), 0.0).to(spikes)
        decay = (self.step.trace_decay ** torch.arange(1, steps + 1).double()).to(spikes).view(1, -1, 1, 1, 1)
        trace = (kernel @ spikes.flatten(2)).view_as(spikes) + decay * state.trace
        state.trace = trace[:, -1:]
        return trace

    def features(self, parameters: Parameters, spikes: Tensor) -> list[Tensor]:
        """Spike counts per step of all units of every layer: (members, batch, units) each."""
        return [response.activity.flatten(2) for response in self.respond(parameters, spikes)]

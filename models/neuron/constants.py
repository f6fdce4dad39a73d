"""The constants of the canonical spiking step, and the signals that a simulator shows of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from plastic.neurons import LIF, Neuron

TraceTiming = Literal["arrived", "emitted"]
DEFAULT = LIF()


@dataclass(frozen=True)
class SpikingStep:
    """Constants of the canonical step, and the neuron that takes it; dt = 1 ms, membrane in units of the threshold."""

    membrane_decay: float = 0.9  # β = exp(−dt/τ_m)
    trace_decay: float = 0.9  # λ
    threshold: float = 1.0  # θ
    surrogate: str = "fast-sigmoid"
    slope: float = 2.0
    learning_period: int = 1
    trace_timing: TraceTiming = "arrived"
    neuron: Neuron = field(default_factory=LIF)

    @property
    def canonical(self) -> bool:
        """Whether the neuron is the default one, which every backend has: LIF, reset to zero."""
        return self.neuron == DEFAULT


@dataclass(frozen=True)
class LayerTrace:
    """Signals of one layer in every step: (members, time, batch, positions, n)."""

    pre_spike: Tensor
    pre_trace: Tensor
    membrane: Tensor  # before the reset
    post_factor: Tensor
    spike: Tensor
    eligibility: Tensor | None = None  # (members, time, batch, positions, neurons, fan_in), where it is not Σ ψ x̄


@dataclass(frozen=True)
class SpikeTrains:
    """Spikes of a layer and arrivals at it in every step of a stimulus, for rules that read them."""

    spikes: Tensor  # (members, time, batch, positions, neurons)
    arriving: Tensor  # fraction of its inputs whose spike arrives: (members, time, batch)


Traces = dict[int, list[LayerTrace]]

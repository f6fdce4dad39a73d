"""The network of the snntorch backend as one writes it in plain snnTorch, trained by surrogate gradients.

Nothing of plastic's simulator is used: one `snn.Leaky` and one weight matrix per layer, a loop over
time, cross entropy of a readout of the top layer's spike counts, `loss.backward()`, SGD. Spikes take
one step to the layer above, the reset is to zero and detached, as in DESIGN section 5.
"""

from __future__ import annotations

from collections.abc import Sequence

import snntorch as snn
import torch
from snntorch import surrogate
from torch import Tensor, nn
from torch.nn import functional

from plastic.models.network.layer import Network
from plastic.models.neuron.constants import SpikingStep


class PlainNetwork(nn.Module):
    """A tree of patches with shared weights, or dense layers, of leaky integrate-and-fire neurons."""

    def __init__(self, network: Network, step: SpikingStep, weights: Sequence[Tensor]) -> None:
        """`weights`: (neurons, fan_in) of every layer."""
        super().__init__()
        self.layers = network.layers
        self.linear = nn.ModuleList([nn.Linear(n.fan_in, n.neurons, bias=False) for n in network.layers])
        for linear, weight in zip(self.linear, weights, strict=True):
            linear.weight.data = weight.clone()
        gradient = surrogate.fast_sigmoid(slope=step.slope)
        self.neurons = nn.ModuleList(
            snn.Leaky(step.membrane_decay, step.threshold, spike_grad=gradient, reset_mechanism="zero")
            for _ in network.layers
        )
        self.readout = nn.Linear(network.layers[-1].units, network.classes, bias=False)

    def forward(self, spikes: Tensor) -> Tensor:
        """Spikes per step of the top layer (batch, units) for spikes (time, batch, inputs)."""
        batch = spikes.shape[1]
        membranes = [spikes.new_zeros(batch, n.positions, n.neurons) for n in self.layers]
        before = [torch.zeros_like(spikes[0]), *(m.flatten(1) for m in membranes)]
        count = torch.zeros_like(before[-1])
        for now in spikes:
            emitted = [now]
            for index, layer in enumerate(self.layers):
                current = self.linear[index](before[index].view(batch, layer.positions, layer.fan_in))
                spike, membranes[index] = self.neurons[index](current, membranes[index])
                emitted.append(spike.flatten(1))
            before = emitted
            count = count + emitted[-1]
        return count / len(spikes)

    def learn(self, spikes: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """One step of surrogate-gradient learning: spikes (time, batch, inputs), labels (batch,)."""
        optimizer.zero_grad()
        functional.cross_entropy(self.readout(self(spikes)), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

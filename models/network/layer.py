"""Layers as data, and the four linear maps that a projection needs.

A layer has `positions` × `neurons` units. Position p reads its own patch of the layer below
(`fan_in` numbers): non-overlapping patches, so grouping is a reshape. A dense layer has one
position. Weights are shared by the positions (neurons, fan_in) or local (positions, neurons,
fan_in). All arrays carry a leading ensemble axis: activity (members, batch, positions, n), weights
(members, …).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.network.outer import Outer, Update
from plastic.rules.rule import Rule, Summary

Activity = Float[Tensor, "members batch positions neurons"]
Patches = Float[Tensor, "members batch positions fan_in"]
Weights = Float[Tensor, "members *weight"]
Flat = Float[Tensor, "members batch units"]
Below = Float[Tensor, "members batch *below"]


@dataclass(frozen=True)
class Own:
    """What a layer has of its own: what learns it, and which weights its projection may have (see limits.py)."""

    rule: Rule | None = None  # None: that of the run
    learning_rate: float | None = None  # None: that of the run
    scale: float | None = None  # of the initial weights, × √(2/inputs); None: as the run draws them
    low: float = -math.inf
    high: float = math.inf
    signs: tuple[int, ...] = ()  # +1 or −1 for each input of a patch; empty: any
    probability: float = 1.0  # that a synapse is there
    indices: tuple[tuple[int, int], ...] = ()  # of the synapses that are there, (input, neuron); empty: all

    @property
    def limited(self) -> bool:
        """Whether some weights must not be any number."""
        return bool(self.signs or self.indices) or self.probability < 1 or self.low > -math.inf or self.high < math.inf


@dataclass(frozen=True)
class Layer:
    """Shape of one layer and of its incoming projection, and what it has of its own."""

    positions: int
    fan_in: int
    neurons: int
    shared: bool = True
    own: Own = field(default=Own(), kw_only=True)

    def rule_of(self, run: Rule) -> Rule:
        """The rule that the layer learns by, in a run of that rule."""
        return self.own.rule or run

    @property
    def inputs(self) -> float:
        """Synapses of a neuron, on average."""
        if self.own.indices:
            return len(self.own.indices) / self.neurons
        return self.fan_in * self.own.probability

    @property
    def weight_shape(self) -> tuple[int, ...]:
        own = (self.neurons, self.fan_in)
        return own if self.shared else (self.positions, *own)

    @property
    def units(self) -> int:
        return self.positions * self.neurons

    @property
    def sites(self) -> int:
        """Places of the layer below, each with `inputs_per_site` numbers."""
        return self.positions

    @property
    def inputs_per_site(self) -> int:
        return self.fan_in

    def with_more_inputs(self, number: int) -> Layer:
        """The same layer with so many more numbers at every site below."""
        return replace(self, fan_in=self.fan_in + number)

    def summary_units(self, kind: Summary) -> int:
        return self.neurons if kind == "mean" else self.units

    def patches(self, x: Below) -> Patches:
        """Group the layer below: (..., batch, anything) to (..., batch, positions, fan_in)."""
        return x.reshape(*x.shape[:2], self.positions, self.fan_in)

    def normalise(self, x: Patches) -> Patches:
        """Every patch scaled to a root mean square of one: its length says nothing any more."""
        return x / x.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)

    def compete(self, weight: Weights, x: Patches) -> tuple[Activity, Tensor | None]:
        """The drive, and which patch each unit took it from where it has a choice (max-pooling)."""
        return self.drive(weight, x), None

    def drive(self, weight: Weights, x: Patches) -> Activity:
        """Σ_j W_ij x_j: patches to (members, batch, positions, neurons)."""
        if not self.shared:
            return torch.einsum("ebpk,epnk->ebpn", x, weight)
        flat = torch.bmm(x.flatten(1, 2), weight.mT)
        return flat.view(*x.shape[:3], self.neurons)

    def correlate(self, post: Activity, x: Patches, winner: Tensor | None = None) -> Update:
        """Σ_batch post_i x_j, summed over positions where the weights are shared: weight-shaped."""
        del winner
        shape = (len(post), *self.weight_shape)
        if not self.shared:
            return Outer(post.transpose(1, 2).flatten(0, 1), x.transpose(1, 2).flatten(0, 1), shape)
        return Outer(post.flatten(1, 2), x.flatten(1, 2), shape)

    def back(self, weight: Weights, post: Activity, winner: Tensor | None = None) -> Flat:
        """Σ_i W_ij post_i: (members, batch, positions, neurons) to (members, batch, units below)."""
        del winner
        if not self.shared:
            return torch.einsum("ebpn,epnk->ebpk", post, weight).flatten(2)
        return torch.bmm(post.flatten(1, 2), weight).view(*post.shape[:2], -1)

    def summarise(self, z: Activity, kind: Summary) -> Flat:
        """What the modulatory circuit sees: the mean over positions, or all units."""
        return z.mean(2) if kind == "mean" else z.flatten(2)

    def features(self, z: Activity) -> Flat:
        """What a linear probe sees: all units."""
        return z.flatten(2)

    def per_synapse(self, post: Tensor, pre: Tensor, winner: Tensor | None) -> Tensor:
        """Σ_t post_i pre_j of every synapse: (members, time, batch, positions, …) to (members, batch, positions,
        neurons, fan_in)."""
        del winner
        return torch.einsum("etbpn,etbpk->ebpnk", post, pre)

    def route(self, signal: Flat, kind: Summary) -> Activity:
        """Adjoint of `summarise`: a summary-shaped signal to (members, batch, positions, neurons)."""
        if kind == "flat":
            return signal.reshape(*signal.shape[:2], self.positions, self.neurons)
        return (signal / self.positions)[:, :, None].expand(-1, -1, self.positions, -1)


@dataclass(frozen=True)
class Network:
    """A stack of layers over `inputs` input neurons, and a readout for rules that need an error."""

    inputs: int
    layers: tuple[Layer, ...]
    classes: int
    most_spikes: int | None = None  # of the inputs in one step, where they are recordings; None: of all of them
    readout_rate: float | None = None  # learning rate of the readout; None: that of the run

    def rules(self, run: Rule) -> tuple[Rule, ...]:
        """The rule of every layer, in a run of that rule."""
        return tuple(layer.rule_of(run) for layer in self.layers)

    @property
    def plain(self) -> bool:
        """Whether no part of it has anything of its own."""
        return self.readout_rate is None and all(layer.own == Own() for layer in self.layers)


def dense(inputs: int, widths: tuple[int, ...], classes: int) -> Network:
    """Fully connected layers."""
    fan_in = (inputs, *widths)
    return Network(inputs, tuple(Layer(1, k, n) for k, n in zip(fan_in, widths, strict=False)), classes)


def tree(
    positions: int, channels: int, branching: int, widths: tuple[int, ...], classes: int, shared: bool = True
) -> Network:
    """Non-overlapping patches of `branching` positions, as the strings of the RHM are built.

    Raises PlasticError if the positions cannot be grouped that often.
    """
    layers, left, below = [], positions, channels
    for depth, neurons in enumerate(widths, 1):
        if left % branching:
            raise PlasticError(
                f"a tree of {len(widths)} layers does not fit: layer {depth} would group {left} positions by "
                f"{branching}; lower --depth or take --topology dense."
            )
        left //= branching
        layers.append(Layer(left, below * branching, neurons, shared))
        below = neurons
    return Network(positions * channels, tuple(layers), classes)

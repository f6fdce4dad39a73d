"""Convolution and max-pooling for images, behind the same interface as every layer.

A unit is what is left after pooling: position p and channel i of the pooled map. Its drive is the
largest in its window (ρ does not decrease, so pooling before ρ or after it is the same), and the
patch that drove it, the *winner*, is the one whose synapses are credited: the modulator lives at the
pooled map and reaches the weights through the arg-max. Nothing is unfolded and no graph is built:
the weight update is the library's own weight gradient of a convolution.

Maps are (…, pixels, channels), so that a unit's index is position · neurons + neuron as in every
layer; the weights of a neuron are (row, column, channel).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input, conv2d_weight

from plastic.models.network.layer import Activity, Below, Flat, Layer, Weights
from plastic.models.network.outer import Update, Whole
from plastic.rules.rule import Summary

Map = Float[Tensor, "members batch pixels channels"]
Winner = Int64[Tensor, "members batch positions neurons"]  # pixel of the map before pooling


@dataclass(frozen=True)
class Convolution(Layer):
    """kernel × kernel patches, stride 1, zeros around the map; then max-pooling over pool × pool.

    The circuit and the probes see the map as a grid of cells × cells means; with `whole_circuit` the
    circuit sees every unit instead, which feedback to single units needs.
    """

    side: int = 1  # of the square map below
    channels: int = 1
    kernel: int = 3
    pool: int = 1
    cells: int = 1
    whole_circuit: bool = False

    @property
    def map_side(self) -> int:
        """Side of this layer's own map, after pooling."""
        return self.side // self.pool

    @property
    def sites(self) -> int:
        return self.side**2

    @property
    def inputs_per_site(self) -> int:
        return self.channels

    def with_more_inputs(self, number: int) -> Layer:
        channels = self.channels + number
        return replace(self, channels=channels, fan_in=channels * self.kernel**2)

    def summary_units(self, kind: Summary) -> int:
        if kind == "mean":
            return self.neurons
        return self.units if self.whole_circuit else self.cells**2 * self.neurons

    def patches(self, x: Below) -> Map:
        """The map below as it is: (…, batch, anything) to (…, batch, pixels, channels)."""
        return x.reshape(*x.shape[:2], self.sites, self.channels)

    def normalise(self, x: Map) -> Map:
        """The whole map scaled to a root mean square of one."""
        return x / x.square().mean((2, 3), keepdim=True).sqrt().clamp(min=1e-12)

    def drive(self, weight: Weights, x: Map) -> Activity:
        return self.compete(weight, x)[0]

    def compete(self, weight: Weights, x: Map) -> tuple[Activity, Winner | None]:
        """The largest drive in every window, and the pixel that it is from."""
        drives, winners = [], []
        for kernel, image in zip(self._kernels(weight), self._images(x), strict=True):
            drive = F.conv2d(image, kernel, padding=self.kernel // 2)
            if self.pool > 1:
                drive, pixel = F.max_pool2d(drive, self.pool, return_indices=True)
                winners.append(self._units(pixel))
            drives.append(self._units(drive))
        return _stack(drives), _stack(winners) if winners else None

    def correlate(self, post: Activity, x: Map, winner: Winner | None = None) -> Update:
        grads = zip(self._spread(post, winner), self._images(x), strict=True)
        shape = (self.neurons, self.channels, self.kernel, self.kernel)
        updates = [
            conv2d_weight(image, shape, grad, padding=self.kernel // 2).permute(0, 2, 3, 1)  # type: ignore[no-untyped-call]
            for grad, image in grads
        ]
        return Whole((_stack([u.reshape(self.weight_shape) for u in updates]),))

    def back(self, weight: Weights, post: Activity, winner: Winner | None = None) -> Flat:
        shape = (post.shape[1], self.channels, self.side, self.side)
        below = [
            conv2d_input(shape, kernel, grad, padding=self.kernel // 2).permute(0, 2, 3, 1)  # type: ignore[no-untyped-call]
            for kernel, grad in zip(self._kernels(weight), self._spread(post, winner), strict=True)
        ]
        return _stack([b.reshape(len(b), -1) for b in below])

    def per_synapse(self, post: Tensor, pre: Tensor, winner: Tensor | None) -> Tensor:
        return (post[..., None] * self._received(pre, winner)).sum(1)

    def _received(self, x: Tensor, winner: Tensor | None) -> Tensor:
        """The patch that drove each unit: (…, pixels, channels) to (…, positions, neurons, fan_in)."""
        image = x.reshape(-1, self.side, self.side, self.channels).permute(0, 3, 1, 2)
        flat = F.unfold(image, self.kernel, padding=self.kernel // 2)  # (n, channels · k², pixels)
        patches = flat.view(len(flat), self.channels, self.kernel**2, -1).permute(0, 3, 2, 1).flatten(2)
        shape = (*x.shape[:-2], self.positions, self.neurons, self.fan_in)
        if winner is None:
            return patches[:, :, None].expand(-1, -1, self.neurons, -1).reshape(shape)
        pixel = winner.reshape(len(patches), -1)[..., None].expand(-1, -1, self.fan_in)
        return patches.gather(1, pixel).reshape(shape)

    def summarise(self, z: Activity, kind: Summary) -> Flat:
        if kind == "mean":
            return z.mean(2)
        return z.flatten(2) if self.whole_circuit else self.features(z)

    def features(self, z: Activity) -> Flat:
        """The mean of every cell of the grid: (members, batch, cells² · neurons)."""
        if self.cells == self.map_side:
            return z.flatten(2)
        maps = z.reshape(-1, self.map_side, self.map_side, self.neurons).permute(0, 3, 1, 2)
        cells = F.avg_pool2d(maps, self.map_side // self.cells)
        return cells.permute(0, 2, 3, 1).reshape(*z.shape[:2], -1)

    def route(self, signal: Flat, kind: Summary) -> Activity:
        if kind == "mean" or self.whole_circuit or self.cells == self.map_side:
            return super().route(signal, kind)
        size = self.map_side // self.cells
        one = (signal / size**2).view(*signal.shape[:2], self.cells, 1, self.cells, 1, self.neurons)
        return one.expand(-1, -1, -1, size, -1, size, -1).reshape(*signal.shape[:2], -1, self.neurons)

    def _kernels(self, weight: Tensor) -> Iterator[Tensor]:
        """Weights of each member as the library has them: (neurons, channels, row, column)."""
        return (w.view(-1, self.kernel, self.kernel, self.channels).permute(0, 3, 1, 2) for w in weight)

    def _images(self, x: Tensor) -> Iterator[Tensor]:
        """Maps of each member: (batch, channels, row, column)."""
        return (m.view(-1, self.side, self.side, self.channels).permute(0, 3, 1, 2) for m in x)

    def _units(self, image: Tensor) -> Tensor:
        """(batch, neurons, row, column) to (batch, positions, neurons)."""
        return image.permute(0, 2, 3, 1).reshape(len(image), self.positions, self.neurons)

    def _spread(self, post: Tensor, winner: Tensor | None) -> Iterator[Tensor]:
        """A signal at the pooled map back at the winners: each member's (batch, neurons, row, column)."""
        for member, signal in enumerate(post):
            shape = (len(signal), self.map_side, self.map_side, self.neurons)
            pooled = signal.reshape(shape).permute(0, 3, 1, 2)
            if winner is None:
                yield pooled
            else:
                pixel = winner[member].reshape(shape).permute(0, 3, 1, 2)
                yield F.max_unpool2d(pooled, pixel, [self.pool] * 2, output_size=(self.side, self.side))


def _stack(members: Sequence[Tensor]) -> Tensor:
    """All members in one tensor; a single one is not copied."""
    return members[0][None] if len(members) == 1 else torch.stack(list(members))

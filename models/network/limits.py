"""Which numbers each weight may be: a synapse that is not there is 0, Dale's law, and bounds, all as low ≤ w ≤ high.

One pair of arrays says all three, so that whatever changes a weight keeps them by a clip: the sign and the absence of a
synapse hold exactly, under every optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from plastic.models.network.layer import Layer, Network
from plastic.stimuli.random import generator

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]  # low and high: (members, *weights)


def limits(network: Network, seeds: Sequence[int]) -> dict[str, Limits]:
    """Of the layers that have any, by the name of their weights; synapses that are there by chance are drawn from each
    member's seed."""
    names = {f"layer{number}": layer for number, layer in enumerate(network.layers, 1) if layer.own.limited}
    return {f"{name}.weight": _of_layer(name, layer, seeds) for name, layer in names.items()}


def there(network: Network, seed: int) -> dict[int, NDArray[np.bool_]]:
    """Which synapses there are, by index of the layers that have not all of them: as its weights, of one member."""
    sparse = ((n, layer) for n, layer in enumerate(network.layers) if layer.own.indices or layer.own.probability < 1)
    return {index: _there(f"layer{index + 1}", layer, [seed])[0] for index, layer in sparse}


def begun(weight: NDArray[np.float64], layer: Layer, within: Limits) -> NDArray[np.float64]:
    """Initial weights (members, …) as drawn, made to keep the limits: what has a sign by its size, the rest by a
    clip."""
    if layer.own.signs:
        weight = np.abs(weight) * np.array(layer.own.signs, dtype=np.float64)
    return clipped(weight, within)


def clipped(weight: NDArray[np.float64], within: Limits) -> NDArray[np.float64]:
    return np.clip(weight, *within)


def _of_layer(name: str, layer: Layer, seeds: Sequence[int]) -> Limits:
    own, shape = layer.own, (len(seeds), *layer.weight_shape)
    low, high = np.full(shape, own.low), np.full(shape, own.high)
    if own.signs:
        excitatory = np.array(own.signs) > 0
        low = np.where(excitatory, np.maximum(low, 0.0), low)
        high = np.where(excitatory, high, np.minimum(high, 0.0))
    found = _there(name, layer, seeds)
    return np.where(found, low, 0.0), np.where(found, high, 0.0)


def _there(name: str, layer: Layer, seeds: Sequence[int]) -> NDArray[np.bool_]:
    """Which synapses there are: (members, *weights)."""
    own, shape = layer.own, layer.weight_shape
    if own.indices:
        found = np.zeros((len(seeds), *shape), dtype=bool)
        below, neurons = np.array(own.indices).T
        found[:, neurons, below] = True
        return found
    if own.probability == 1:
        return np.ones((len(seeds), *shape), dtype=bool)
    return np.stack([generator(seed, f"{name}.synapses").random(shape) < own.probability for seed in seeds])

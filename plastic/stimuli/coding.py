"""Input coding: analog values become spike trains, as data, before any simulator sees them.

`poisson`: in every step an input neuron spikes with probability `rate` × value. `regular`: the same
mean rate, evenly spaced. `latency`: one spike, the earlier the larger the value. Drawn from the
counter-based generator, so all backends get the same bytes.
Recordings of event sensors are spikes already; they are kept as one bit per step.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Coding = Literal["poisson", "regular", "latency"]


def encode(
    values: NDArray[np.floating[Any]],
    steps: int,
    coding: Coding,
    rate: float,
    random: np.random.Generator,
) -> NDArray[np.uint8]:
    """Values in [0, 1], shape (batch, inputs), to spikes (steps, batch, inputs) of 0 and 1."""
    probability = rate * values
    if coding == "poisson":
        draws = random.integers(0, 2**16, size=(steps, *values.shape), dtype=np.uint16)
        return (draws < np.round(probability * 2**16)).astype(np.uint8)
    time = np.arange(steps).reshape(-1, *([1] * values.ndim))
    if coding == "regular":
        # the tiny offset keeps 0.1 · 10 from falling short of one spike
        count = np.floor((time + 1) * probability + 1e-9) - np.floor(time * probability + 1e-9)
        return count.astype(np.uint8)
    first = np.round((1 - values) * (steps - 1))
    return ((time == first) & (values > 0)).astype(np.uint8)


def pack(spikes: NDArray[Any]) -> NDArray[np.uint8]:
    """Spikes (..., neurons, steps) of 0 and 1 as bits: (..., neurons, ⌈steps / 8⌉)."""
    return np.packbits(spikes, axis=-1)


def unpack(packed: NDArray[np.uint8], steps: int) -> NDArray[np.uint8]:
    """Bits (..., neurons, ⌈steps / 8⌉) as spikes (steps, ..., neurons) of 0 and 1."""
    return np.moveaxis(np.unpackbits(packed, axis=-1, count=steps), -1, 0)

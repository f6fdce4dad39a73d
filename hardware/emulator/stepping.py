"""A layer of the emulator one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator import step_kernels


class Stepping:
    """A layer in a stimulus that it takes step by step; spikes: (chips, time, units); signals: membranes before the
    reset and post factors, (2, chips, time, units)."""

    def __init__(self, layer: Any, steps: int, x_random: NDArray[np.int64]) -> None:
        self.layer, shape = layer, (len(layer.weight), layer.units)
        self._x = x_random
        self._current, self._u, self._v, self._last = (np.zeros(shape, np.int32) for _ in range(4))
        self.spikes = np.zeros((shape[0], steps, shape[1]), np.uint8)
        self.signals = np.zeros((2, shape[0], steps, shape[1]), np.int32)

    def fire(self, t: int) -> NDArray[np.uint8]:
        """Spikes of the step: (chips, units)."""
        layer, (membrane, post) = self.layer, self.signals[:, :, t]
        step_kernels.fire(
            self._current, self._u, self._v, self.spikes[:, t], post, layer.constants, layer.post_factor, membrane
        )  # fmt: skip
        return self.spikes[:, t]

    def adapt(self, t: int, below: NDArray[np.uint8], told: NDArray[np.int32], random: int) -> None:
        """What the spikes of the layer below are in the next step, and what the modulators of this one change; where
        there is a tag, which is read before it takes in this step, those of the step before."""
        layer, counted = self.layer, (t + 1) % self.layer.period == 0
        step_kernels.adapt(
            below, self._current, layer.constants[4], layer.learns, counted, layer.weight, layer.tag, layer.x1,
            layer.impulse, layer.products, layer.bits, layer.decay, self._x[:, :, t], random,
            self.signals[1, :, t], told if layer.early else self._last, layer.early,
        )  # fmt: skip
        self._last = told if counted else np.zeros_like(told)

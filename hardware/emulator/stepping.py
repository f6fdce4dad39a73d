"""A layer of the emulator one step at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator import step_kernels
from plastic.hardware.emulator.kernels import Layer, Neurons, Random, Synapses


class Stepping:
    """A layer in a stimulus that it takes step by step; spikes: (chips, time, units); signals: membranes before the
    reset and post factors, (2, chips, time, units).

    trace_random: of presynaptic traces, (chips, positions, time); without any, the layer does not learn.
    """

    def __init__(self, layer: Layer, synapses: Synapses, steps: int, trace_random: NDArray[np.int64]) -> None:
        self._layer, self._synapses, self._random = layer, synapses, trace_random
        chips, positions, _, neurons = synapses.weight.shape
        self.units = positions * neurons
        shape = chips, self.units
        self._input, self._u, self._v, self._last = (np.zeros(shape, np.int32) for _ in range(4))
        self.spikes = np.zeros((chips, steps, self.units), np.uint8)
        self.signals = np.zeros((2, chips, steps, self.units), np.int32)

    def fire(self, t: int) -> NDArray[np.uint8]:
        """Spikes of the step: (chips, units)."""
        step_kernels.fire(self._layer, self._neurons(t))
        return self.spikes[:, t]

    def adapt(self, t: int, below: NDArray[np.uint8], modulator: NDArray[np.int32], random: int) -> None:
        """What the spikes of the layer below are in the next step, and what the modulators of this one change; where
        there is a tag, which is read before it takes in this step, those of the step before."""
        counted = (t + 1) % self._layer.learning_period == 0
        now = self._last if self._layer.tagged else modulator
        numbers = Random(self._random[..., t], random)
        step_kernels.adapt(self._layer, self._synapses, self._neurons(t), below, numbers, now, counted)
        self._last = modulator if counted else np.zeros_like(modulator)

    def _neurons(self, t: int) -> Neurons:
        membrane, post_factor = self.signals[:, :, t]
        return Neurons(self._input, self._u, self._v, self.spikes[:, t], post_factor, membrane)

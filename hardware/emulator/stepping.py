"""A layer of the emulator one step at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.emulator import step_kernels
from plastic.hardware.emulator.kernels import MEMBRANE, Synapses


class Stepping:
    """A layer in a stimulus that it takes step by step; spikes: (chips, time, units); signals: membranes before the
    reset and post factors, (2, chips, time, units).

    layer: its constants, an array of one kernels.LAYER; trace_random: of presynaptic traces, (chips, positions, time);
    empty where the layer does not learn.
    """

    def __init__(
        self, layer: NDArray[np.void], synapses: Synapses, steps: int, trace_random: NDArray[np.int64]
    ) -> None:
        self._layer, self._synapses, self._random = layer, synapses, trace_random
        chips, positions, _, neurons = synapses[0].shape
        self._period, self._tagged = int(layer["learning_period"][0]), bool(layer["tagged"][0])
        self.units = positions * neurons
        self._neurons = np.zeros((chips, 5, self.units), np.int32)
        self._last = np.zeros((chips, self.units), np.int32)
        self.spikes = np.zeros((chips, steps, self.units), np.uint8)
        self.signals = np.zeros((2, chips, steps, self.units), np.int32)

    def fire(self, t: int) -> NDArray[np.uint8]:
        """Spikes of the step: (chips, units)."""
        spikes = self.spikes[:, t]
        step_kernels.fire(self._layer, self._neurons, spikes)
        self.signals[:, :, t] = self._neurons[:, MEMBRANE:].swapaxes(0, 1)
        return spikes

    def adapt(self, t: int, below: NDArray[np.uint8], modulator: NDArray[np.int32], random: int) -> None:
        """What the spikes of the layer below are in the next step, and what the modulators of this one change; where
        there is a tag, which is read before it takes in this step, those of the step before."""
        counted = (t + 1) % self._period == 0
        step_kernels.adapt(
            self._layer, self._synapses, self._neurons, below, self._random[..., t], random,
            self._last if self._tagged else modulator, counted,
        )  # fmt: skip
        self._last = modulator if counted else np.zeros_like(modulator)

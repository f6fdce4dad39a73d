"""A network of Lava's own processes alone (profile hw-2f): neurons, synapses that do not learn, buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode
from numpy.typing import NDArray

from .parts import ChipResponse, LayerSpec, limit


class StockNetwork:
    """As network.LavaNetwork, for layers without a learning rule.

    After the steps of a stimulus come as many silent ones as there are layers, in which the last spikes run
    through; then the host sets the membranes to rest.
    """

    def __init__(self, layers: list[LayerSpec], spikes: NDArray[Any]) -> None:
        stimuli, self.time_steps, inputs = spikes.shape
        self.stimuli, self.length = stimuli, self.time_steps + len(layers)
        silent = np.zeros((stimuli, len(layers), inputs), np.int32)
        stream = np.concatenate([spikes, silent], axis=1).reshape(-1, inputs).T.astype(np.int32)
        self.source = below = Source(data=stream)
        self.synapses: list[Any] = []
        self.neurons: list[Any] = []
        self.sinks: list[Any] = []
        for layer in layers:
            if layer.rule:
                raise ValueError("a layer with a learning rule needs neurons that Lava does not have")
            du, dv, threshold, *_ = layer.constants
            weights = whole(layer.weight)
            neurons = LIF(shape=(len(weights),), du=du, dv=dv, vth=threshold, bias_mant=0, bias_exp=0)
            synapses = Dense(
                weights=weights, weight_exp=layer.weight_exp, num_weight_bits=layer.weight_bits,
                sign_mode=SignMode.MIXED,
            )  # fmt: skip
            sink = Sink(shape=(len(weights),), buffer=self.length)
            below.s_out.connect(synapses.s_in)
            synapses.a_out.connect(neurons.a_in)
            neurons.s_out.connect(sink.a_in)
            self.synapses.append(synapses)
            self.neurons.append(neurons)
            self.sinks.append(sink)
            below = neurons
        self.shapes = [layer.weight.shape for layer in layers]

    def run(self, tags=False, weights_every=1, timeout=None):
        """As of LavaNetwork: modulators and tags are 0."""
        config = Loihi2SimCfg(select_tag="fixed_pt")
        try:
            for stimulus in range(self.stimuli):
                with limit(timeout):
                    self.source.run(condition=RunSteps(num_steps=self.length), run_cfg=config)
                    yield self._response(tags, weights_every > 0 or stimulus == self.stimuli - 1)
                    for neurons in self.neurons if stimulus < self.stimuli - 1 else []:
                        neurons.u.set(np.zeros(neurons.u.shape))
                        neurons.v.set(np.zeros(neurons.v.shape))
        finally:
            self.source.stop()

    def _response(self, tags, weights):
        raster = np.concatenate([np.asarray(sink.data.get()) for sink in self.sinks]).T[: self.time_steps]
        response = ChipResponse(raster, np.zeros(raster.shape[1], np.int32))
        if tags:
            response.tags = [np.zeros(shape, np.int32) for shape in self.shapes]
        if weights:
            pairs = zip(self.synapses, self.shapes, strict=True)
            response.weights = [by_position(synapses.weights.get(), shape) for synapses, shape in pairs]
        return response


def whole(weight: NDArray[Any]) -> NDArray[Any]:
    """(positions, neurons, fan_in) as one matrix of a layer, zero where there is no synapse."""
    positions, neurons, fan_in = weight.shape
    matrix = np.zeros((positions, neurons, positions, fan_in), weight.dtype)
    matrix[np.arange(positions), :, np.arange(positions)] = weight
    return matrix.reshape(positions * neurons, positions * fan_in)


def by_position(matrix: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The inverse of `whole`."""
    positions, neurons, fan_in = shape
    blocks = np.asarray(matrix).reshape(positions, neurons, positions, fan_in)
    return np.asarray(blocks[np.arange(positions), :, np.arange(positions)])

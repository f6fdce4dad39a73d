"""The run through all stimuli, and the script's command line."""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from brian2 import Clock, Network, NetworkOperation, SpikeGeneratorGroup, SpikeMonitor, ms

from plastic.models.export.brian2.body.arrays import Arrays, Equations, Shape
from plastic.models.export.brian2.body.data import compare, input_spikes
from plastic.models.export.brian2.body.neurons import Layer

Learn = Callable[[list[Layer], int], None]  # changes the weights when a stimulus ends: the layers, which stimulus


def write(layers: list[Layer], weights: Arrays) -> None:
    for number, layer in enumerate(layers, 1):
        layer.write(weights[f"layer{number}.weight"])


def save(path: str, monitors: list[SpikeMonitor], weights: Arrays) -> None:
    """Neuron and step of every spike, layer by layer, and the weights."""
    arrays: dict[str, Any] = {f"weights/{name}": weight for name, weight in weights.items()}
    for number, monitor in enumerate(monitors, 1):
        arrays[f"layer{number}.neuron"] = np.array(monitor.i)
        arrays[f"layer{number}.step"] = np.round(monitor.t / ms).astype(int)
    np.savez_compressed(path, **arrays)


def arguments(stimuli: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("stimuli", nargs="?", type=int, default=stimuli)
    parser.add_argument("--save", help="npz file for the spikes (neuron, step) of each layer and the weights")
    chosen = parser.parse_args()
    if not 0 < chosen.stimuli <= stimuli:
        parser.error(f"there are {stimuli} stimuli")
    return chosen


def main(
    data: Arrays, weights: Arrays, shapes: list[Shape], steps: int, equations: Equations, learn: Learn, tolerance: float
) -> int:
    """The stimuli that the command line asks for; after each, `learn(layers, stimulus)` changes the weights.

    Status 1 if they are not those of the run after all stimuli.
    """
    stimuli = len(data["fixation"])
    chosen = arguments(stimuli)
    clock = Clock(dt=1 * ms)
    size, index, step = input_spikes(data, chosen.stimuli * steps)
    inputs = below = SpikeGeneratorGroup(size, index, step * ms, clock=clock)
    network, layers = Network(inputs), list[Layer]()
    for shape in shapes:
        layers.append(Layer(below, shape, clock, steps, equations))
        below = layers[-1].neurons
        network.add(below, layers[-1].synapses)
    write(layers, weights)

    def end_of_step() -> None:
        stimulus, step = divmod(round(float(clock.t / ms)), steps)
        if step == steps - 1:
            learn(layers, stimulus)
            write(layers, weights)

    network.add(NetworkOperation(end_of_step, clock=clock, when="end"))
    monitors = [SpikeMonitor(layer.neurons) for layer in layers] if chosen.save else []
    network.add(monitors)
    network.schedule = equations["schedule"]
    network.run(chosen.stimuli * steps * ms, report="text")
    if chosen.save:
        save(chosen.save, monitors, weights)
    return compare(weights, data, tolerance) if chosen.stimuli == stimuli else 0

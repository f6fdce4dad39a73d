"""Recordings of event sensors as a task: N-MNIST, SHD and DVSGesture, from files that the user has.

A recording is spikes already: its nominal duration (N-MNIST 315 ms, three saccades of 105 ms; SHD 1400 ms; DVSGesture
6000 ms) is cut into T equal parts, the time steps of a stimulus, so that all recordings of a set share one clock.
An input neuron spikes in a step if its part holds an event of the neuron's pixel and polarity, or unit; what comes
after the nominal duration is left out. N-MNIST has 34 × 34 × 2 input neurons, SHD 700, DVSGesture 32 × 32 × 2, each of
4 × 4 pixels. Pairing: `class` (another recording of the same class).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.coding import pack
from plastic.stimuli.event_files import SENSORS, Recordings, Sensor
from plastic.stimuli.random import generator
from plastic.stimuli.task import Examples, Task


def event_task(
    data: str, path: Path | None, train_size: int, test_size: int, steps: int, pairing: str = "class", seed: int = 0
) -> Task:
    """Recordings to train and to test on, drawn by seed from the parts of those names, over `steps` time steps.

    Raises PlasticError for an unknown pairing, more recordings than there are, files that are missing or damaged, and
    where tonic, which reads them, is missing.
    """
    if pairing != "class":
        raise PlasticError(f"recordings have no pairing {pairing!r} (their latents are unknown); choose class.")
    parts = Recordings(data, path, train=True), Recordings(data, path, train=False)
    sizes = (("--train-size", train_size), ("--test-size", test_size))
    for (name, size), there in zip(sizes, map(len, parts), strict=True):
        if not 10 <= size <= there:
            raise PlasticError(f"{data} has {there} recordings for {name}; choose from 10 to {there}, not {size}.")
    train, most = _examples(parts[0], train_size, steps, generator(seed, "events-train"))
    test, most_of_test = _examples(parts[1], test_size, steps, generator(seed, "events-test"))
    counts = np.bitwise_count(train.inputs).sum(-1, dtype=np.uint32)
    return Task(
        name=data,
        train=train,
        test=test,
        objects=train.labels,
        classes=SENSORS[data].classes,
        channels=1,
        branching=SENSORS[data].neurons,
        analog=(float(counts.mean()) / steps, max(float(counts.std()) / steps, 1e-6)),
        recorded_steps=steps,
        most_spikes=max(most, most_of_test),
    )


def spikes_of(neuron: NDArray[np.int64], time: NDArray[np.int64], sensor: Sensor, steps: int) -> NDArray[np.bool_]:
    """Events (input neuron, time in µs) as spikes (neurons, steps)."""
    within = time < 1000 * sensor.duration
    spikes = np.zeros((sensor.neurons, steps), dtype=np.bool_)
    spikes[neuron[within], time[within] * steps // (1000 * sensor.duration)] = True
    return spikes


def _examples(recordings: Recordings, size: int, steps: int, random: np.random.Generator) -> tuple[Examples, int]:
    """So many recordings, and the most neurons that spike in one step of any of them."""
    sensor, most = recordings.sensor, 0
    inputs = np.empty((size, sensor.neurons, -(-steps // 8)), dtype=np.uint8)
    labels = np.empty(size, dtype=np.int64)
    for row, number in enumerate(random.permutation(len(recordings))[:size]):
        neuron, time, labels[row] = recordings[int(number)]
        spikes = spikes_of(neuron, time, sensor, steps)
        inputs[row], most = pack(spikes), max(most, int(spikes.sum(0).max()))
    return Examples(inputs, labels, {"class": labels[:, None]}), most

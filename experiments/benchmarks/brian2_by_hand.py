"""CLAPP in Brian2 as one writes it by hand, beside plastic's brian2 backend: same equations, same spikes.

The script knows nothing of plastic: three groups, two sets of synapses, and CLAPP in a few lines of
numpy whenever a stimulus ends.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.config.defaults import resolve
from plastic.config.settings import Config, Spiking, Training
from plastic.experiments.sweeps.averages import median_ratio
from plastic.models.backends.brian2.package import load_brian2
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Ensemble

Array = NDArray[Any]
STIMULI = 400

NEURON = """du/dt = -u / tau_m : 1
psi : 1
count : 1"""
SYNAPSE = """w : 1
dxbar/dt = -xbar / tau_x : 1 (clock-driven)
elig : 1"""


def by_hand(
    weights: list[Array], predict: list[Array], spikes: Array, fixation: Array, learning_rate: float
) -> tuple[list[Array], list[Array]]:
    """Train a tree of two layers, patches of two, whose positions share their weights.

    weights: (neurons, fan_in) of both layers; predict: W_pred (units, units) of both; spikes: (stimuli, time,
    inputs) of 0 and 1; fixation: ±1 (stimuli,). Returns weights and W_pred after the last stimulus.
    """
    b2 = load_brian2()
    ms = b2.ms
    stimuli, steps, inputs = spikes.shape
    constants = {"tau_m": -1 / np.log(0.9) * ms, "tau_x": -1 / np.log(0.9) * ms}
    when, which = np.nonzero(spikes.reshape(-1, inputs))
    below: Any = b2.SpikeGeneratorGroup(inputs, which, when * ms, dt=1 * ms)
    network = b2.Network(below)
    layers = []
    for values in weights:
        neurons, fan_in = values.shape
        positions = len(below) // fan_in
        group = b2.NeuronGroup(
            positions * neurons, NEURON, threshold="u > 1", reset="u = 0; count += 1", method="exact", dt=1 * ms,
            namespace=constants,
        )  # fmt: skip
        group.run_regularly("psi = 1 / (1 + 2 * abs(u - 1))**2", dt=1 * ms, when="before_thresholds")
        group.run_regularly("u = 0; count = 0", dt=steps * ms, when="after_synapses")
        synapses = b2.Synapses(
            below, group, SYNAPSE, on_pre="u_post += w; xbar += 1", method="exact", dt=1 * ms, namespace=constants
        )
        position, neuron, source = np.indices((positions, neurons, fan_in)).reshape(3, -1)
        synapses.connect(i=position * fan_in + source, j=position * neurons + neuron)
        synapses.w = np.tile(values.ravel(), positions)
        synapses.run_regularly("elig += psi_post * xbar", dt=1 * ms, when="before_resets")
        synapses.run_regularly("xbar = 0; elig = 0", dt=steps * ms, when="after_synapses")
        network.add(group, synapses)
        layers.append((group, synapses, (positions, neurons, fan_in)))
        below = group
    network.schedule = ["start", "groups", "synapses", "thresholds", "resets", "end"]
    context: list[NDArray[np.float64]] = [np.zeros(len(group)) for group, _, _ in layers]
    done = 0

    def learn() -> None:
        nonlocal done
        for k, (group, synapses, shape) in enumerate(layers):
            z = np.array(group.count_) / steps
            dendrite = predict[k] @ context[k]
            gate = fixation[done] * (fixation[done] * (z @ dendrite) < 1)
            if gate:
                e = np.array(synapses.elig_).reshape(shape)
                dw = (e * dendrite.reshape(shape[:2])[:, :, None]).sum(0)
                synapses.w_ = synapses.w_ + np.tile((learning_rate * gate * dw).ravel(), shape[0])
                predict[k] += learning_rate * gate * np.outer(z, context[k])
            context[k] = z
        done += 1

    def stimulus_begins(t: Any) -> None:
        if t > 0 * ms:
            learn()

    network.add(b2.NetworkOperation(stimulus_begins, dt=steps * ms, when="start"))
    network.run(stimuli * steps * ms)
    learn()
    return [np.array(s.w_).reshape(shape)[0] for _, s, shape in layers], predict


def side_by_side_with_backend(rounds: int) -> dict[str, Any]:
    """Processor seconds of a whole run of the backend and of the script, taking turns; they must learn the same."""
    # from a low rate: a livelier network is chaotic, and what is last in a number grows until spikes differ
    config = resolve(Config(backend="brian2", spiking=Spiking(initial_rate=0.05), training=Training(steps=STIMULI)))
    task, seconds, error = make_task(config), {"plastic": list[float](), "by_hand": list[float]()}, 0.0
    for attempt in range(min(rounds, 5) + 1):  # the first compiles
        ensemble = Ensemble(make_settings(config), [task], [0], [config.training.learning_rate or 0.0])
        given = _given(ensemble)
        started = time.process_time()
        ensemble.train(STIMULI)
        between = time.process_time()
        weights, predict = by_hand(*given, config.training.learning_rate or 0.0)
        ended = time.process_time()
        for k, pair in enumerate(zip(weights, predict, strict=True), 1):
            for name, one in zip(("weight", "W_pred"), pair, strict=True):
                ours = ensemble.parameters[f"layer{k}.{name}"][0].numpy()
                error = float(np.maximum(error, np.abs(ours - one).max() / np.abs(one).max()))
        if attempt:
            seconds["plastic"].append(between - started)
            seconds["by_hand"].append(ended - between)
    row = {
        "stimuli": STIMULI,
        "plastic_over_by_hand": round(median_ratio(seconds["plastic"], seconds["by_hand"]), 3),
        **{f"ms_per_stimulus_{k}": round(1e3 * statistics.median(v) / STIMULI, 3) for k, v in seconds.items()},
        "largest_relative_difference_of_a_weight": error,
    }
    return {"table": [row]}


def _given(ensemble: Ensemble) -> tuple[list[Array], list[Array], Array, Array]:
    """Copies of the initial weights, and the spikes and fixations that the ensemble will see."""
    parameters = ensemble.parameters
    weights, predict = (
        [parameters[f"layer{k}.{name}"][0].numpy().copy() for k in (1, 2)] for name in ("weight", "W_pred")
    )
    twin = Ensemble(ensemble.settings, ensemble.tasks, ensemble.seeds, [0.0])
    stimuli = [twin.stream.next() for _ in range(STIMULI)]
    spikes = [twin.encode(s.inputs, "spikes", k)[0, :, 0].numpy() for k, s in enumerate(stimuli)]
    fixation = np.array([1.0 if s.fixation[0, 0] else -1.0 for s in stimuli])
    return weights, predict, np.stack(spikes), fixation

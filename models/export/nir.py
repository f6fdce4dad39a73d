"""A trained network in NIR, the Neuromorphic Intermediate Representation, with its rule as metadata.

NIR describes neurons in continuous time and leaves the time step to the reader. Here a layer is a
`Linear` node and a `LIF` node

    τ dv/dt = −v + R I,        v > θ: spike, v = 0

with τ = dt/(1 − β) and R = τ/dt, for which forward Euler at dt, as snnTorch's and Norse's readers
integrate, is plastic's step u ← β u + I exactly. At β = 1 it is an `IF` node. The neuron cuba is a `CubaLIF` node,
with τ_s = dt/(1 − α) and w_in = τ_s/dt likewise, the current before the membrane. NIR has no plasticity:
rule, learning rate, trace and the weights of the modulatory circuits travel as metadata of the graph.

Projections have no `Delay` node, as few readers know it. In a chain that only shifts time: layer l
(the first is 1) fires l steps earlier in a reader without delays than in plastic.

J. E. Pedersen et al., "Neuromorphic intermediate representation: a unified instruction set for
interoperable brain-inspired computing", Nature Communications 15, 2024.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.files import replacing
from plastic.models.network.layer import Layer, Own
from plastic.models.network.parameters import learning_rates
from plastic.models.neuron.constants import SpikingStep
from plastic.models.runs.finished import FinishedRun, open_finished
from plastic.neurons import CUBA, LIF
from plastic.rules.rule import Rule
from plastic.runs.folder import versions

SCHEMA = 1  # of the metadata "plastic"


def export_nir(run: Path, out: Path, dt: float = 1e-3) -> dict[str, Any]:
    """Write the network of a run to `out` (HDF5), whole or not at all; dt in seconds.

    Returns what was written, for display. Raises PlasticError for a rate network, where nir is not
    installed, and where `out` cannot be written.
    """
    nir = _load_nir()
    finished = open_finished(run)
    graph = to_graph(nir, finished, dt)
    try:
        with replacing(out) as place:
            nir.write(str(place), graph)
    except OSError as error:
        raise PlasticError(f"cannot write {str(out)!r} ({error}); choose another file.") from None
    layers = finished.ensemble.network.layers
    return {"nodes": len(graph.nodes), "neurons": [layer.units for layer in layers], "dt": dt}


def to_graph(nir: Any, run: FinishedRun, dt: float) -> Any:
    """The NIRGraph of a run's trained network."""
    if not dt > 0:
        raise PlasticError(f"--dt is {dt}; it must be greater than 0 seconds.")
    run.refuse_overlapping("this export to NIR")
    network, step = run.ensemble.network, run.step
    _refuse_neuron(run, step)
    nodes: dict[str, Any] = {"input": nir.Input({"input": np.array([network.inputs])})}
    for number, layer in enumerate(network.layers, 1):
        nodes[f"layer{number}_weight"] = nir.Linear(unrolled(layer, run.final[f"layer{number}.weight"]))
        nodes[f"layer{number}"] = _neurons(nir, layer.units, step, dt)
    nodes["output"] = nir.Output({"output": np.array([network.layers[-1].units])})
    names = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(names)), metadata=metadata(run, dt))


def _refuse_neuron(run: FinishedRun, step: SpikingStep) -> None:
    """PlasticError for a neuron that NIR has no node for."""
    neuron = step.neuron
    if step.canonical:
        return
    if not isinstance(neuron, CUBA) or neuron.reset != "zero" or neuron.refractory:
        raise PlasticError(
            f"the run {str(run.path)!r} has neurons {neuron}, for which NIR has no node; it has {LIF.name} and "
            f"{CUBA.name}, reset to zero and not refractory: train with one of these, or take --to brian2."
        )
    if step.membrane_decay == 1 or neuron.synapse_decay == 1:
        raise PlasticError(
            f"the run {str(run.path)!r} has neurons {neuron.name} that do not decay, which NIR's node cannot say; "
            "lower --membrane-decay or synapse_decay below 1."
        )


def _neurons(nir: Any, units: int, step: SpikingStep, dt: float) -> Any:
    def each(value: float) -> NDArray[np.float64]:
        return np.full(units, value)

    if step.membrane_decay == 1:
        return nir.IF(r=each(1 / dt), v_threshold=each(step.threshold), v_reset=each(0.0))
    tau = dt / (1 - step.membrane_decay)
    zero = each(0.0)
    if isinstance(step.neuron, CUBA):
        tau_synapse = dt / (1 - step.neuron.synapse_decay)
        return nir.CubaLIF(
            tau_syn=each(tau_synapse), tau_mem=each(tau), r=each(tau / dt), v_leak=zero, w_in=each(tau_synapse / dt),
            v_threshold=each(step.threshold), v_reset=zero,
        )  # fmt: skip
    return nir.LIF(tau=each(tau), r=each(tau / dt), v_leak=zero, v_threshold=each(step.threshold), v_reset=zero)


def unrolled(layer: Layer, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """All synapses as one matrix (units, units below): a block per position, zero where there is none."""
    full = np.zeros((layer.units, layer.positions * layer.fan_in))
    blocks = full.reshape(layer.positions, layer.neurons, layer.positions, layer.fan_in)
    for position in range(layer.positions):
        blocks[position, :, position] = weight[position] if weight.ndim == 3 else weight
    return full


def metadata(run: FinishedRun, dt: float) -> dict[str, Any]:
    """The rule and all that NIR has no word for: a JSON string "plastic", and the circuits' weights as arrays."""
    network, config = run.ensemble.network, run.config
    rules = network.rules(run.ensemble.settings.rule)
    described = {
        "schema": SCHEMA,
        "rule": _described(rules[0]),
        "learning_rate": config.training.learning_rate,
        "optimizer": config.training.optimizer,
        "step": _step(run.step) | {"dt_seconds": dt, "integration": "forward Euler"},
        "time_steps_per_stimulus": config.spiking.time_steps,
        "delay_steps_per_projection": 1,
        "layers": [_sizes(layer) for layer in network.layers],
        "seed": config.seed,
        "versions": versions(),
    }
    if not network.plain:
        described["rules"] = [_described(rule) for rule in rules]  # by layer; "rule" is that of the first
        rates = learning_rates(network, run.final)
        described["learning_rates"] = {name: rates.get(name, config.training.learning_rate) for name in run.final}
        described["limits"] = [_limits(layer.own) for layer in network.layers]
    nodes = {f"layer{n}.weight" for n in range(1, len(network.layers) + 1)}
    circuits = {k: v for k, v in run.final.items() if k not in nodes}
    return {"plastic": json.dumps(described, ensure_ascii=False), **circuits}


def _step(step: SpikingStep) -> dict[str, Any]:
    """Its constants, and the neuron where that is not the default one."""
    constants = {f.name: getattr(step, f.name) for f in dataclasses.fields(step) if f.name != "neuron"}
    return constants | ({} if step.canonical else {"neuron": repr(step.neuron)})


def _described(rule: Rule) -> dict[str, Any]:
    about = rule.about
    return {
        "name": rule.name,
        "title": about.title,
        "equation": about.equation,
        "third": about.third,
        "options": dataclasses.asdict(rule),
        "citation": about.citation,
    }


def _sizes(layer: Layer) -> dict[str, Any]:
    return {f.name: getattr(layer, f.name) for f in dataclasses.fields(layer) if f.name != "own"}


def _limits(own: Own) -> dict[str, Any]:
    """Bounds and signs of a layer's weights; infinite ones are left out, as JSON has none. Which synapses there are is
    in its matrix: the others are 0."""
    bounds = {name: value for name, value in (("low", own.low), ("high", own.high)) if np.isfinite(value)}
    return bounds | ({"signs": list(own.signs)} if own.signs else {})


def _load_nir() -> Any:
    try:
        return importlib.import_module("nir")
    except ImportError as error:
        raise PlasticError(f'--to nir needs the package nir ({error}); get it by: pip install "nir>=1.0.6".') from None

"""What a chip did in one stimulus, in the units and shapes that metrics and traces know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.hardware.emulator.emulator import Stimulated
from plastic.hardware.emulator.replay import synapses
from plastic.hardware.program.arithmetic import ONE
from plastic.hardware.program.circuit import STEP, Circuit
from plastic.hardware.program.spec import Program
from plastic.models.backends.reference import step as reference
from plastic.models.learning.eligibility import Response, Summed
from plastic.models.learning.learner import Observation
from plastic.models.network.layer import Network
from plastic.models.neuron.constants import LayerTrace, SpikingStep
from plastic.rules.rule import Modulator, Rule, ThirdFactor

Floats = NDArray[np.float64]


def observations(
    network: Network, circuit: Circuit, values: Sequence[Floats], activity: Sequence[Floats],
    eligibility: Sequence[Floats], modulator: Sequence[Floats],
) -> list[Observation]:  # fmt: skip
    """One per layer, of one stream.

    values: of the circuit's nodes, where it had any; per layer: activity (units,), eligibility
    (positions, neurons, fan_in), modulator (units,).
    """
    observed = []
    for index, layer in enumerate(network.layers):
        nodes, shape = circuit.layers[index], (1, 1, layer.positions, layer.neurons)
        routed = _tensor(modulator[index]).view(shape)
        gate = _value(values, nodes.gate)
        dendrite = (
            routed.flatten(2) if nodes.dendrite < 0 else _tensor(values[nodes.dendrite]).expand(1, 1, layer.units)
        )
        signals = {name: _tensor(values[node]) for name, node in nodes.signals}
        third = ThirdFactor(
            Modulator(1.0 if gate is None else gate, dendrite), loss=_value(values, nodes.loss), signals=_Known(signals)
        )
        response = Response(
            _tensor(activity[index]).view(shape), torch.zeros(shape, dtype=torch.float64),
            Summed(layer, summed=_tensor(eligibility[index])[None, None]),
        )  # fmt: skip
        observed.append(Observation(response, third, routed))
    return observed


class _Known(dict[str, Tensor]):
    """The rule's own signals; NaN for one that the circuit does not compute."""

    def __missing__(self, name: str) -> Tensor:
        return torch.full((1, 1, 1), float("nan"), dtype=torch.float64)


def _value(values: Sequence[Floats], node: int) -> Tensor | None:
    return None if node < 0 else _tensor(values[node])


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float64))


def chip_observations(
    network: Network, program: Program, values: Sequence[NDArray[np.int64]], done: Stimulated,
    tags: Sequence[NDArray[Any]], sent: NDArray[np.int32],
) -> list[Observation]:  # fmt: skip
    """Of the first chip of an emulator, in float units; a modulator that was sent in every step is shown as its mean
    over the steps that learn."""
    activity = [spikes[0].mean(0, dtype=np.float64) for spikes in done.spikes]
    eligibility, modulator, start = [], [], 0
    modulators = (
        sent[0] if program.steps is None else sent[0, program.learning_period - 1 :: program.learning_period].mean(0)
    )
    for layer, scale, tag in zip(program.layers, program.scales, tags, strict=True):
        level = modulators[start : start + layer.units] / (STEP if program.eligibility == "tag" else 1)
        modulator.append(level / scale["modulator"])
        eligibility.append(tag[0] / scale["tag"])
        start += layer.units
    return observations(network, program.circuit, [v / ONE for v in values], activity, eligibility, modulator)


def chip_traces(
    network: Network, program: Program, spikes: NDArray[Any], done: Stimulated, seed: int, steps: int
) -> dict[int, list[LayerTrace]]:
    """Signals of every step of the first chip, in float units; seed: its; steps: that it had run before."""
    below, traces = np.asarray(spikes, dtype=np.uint8), {}
    for index, (layer, scale) in enumerate(zip(network.layers, program.scales, strict=True)):
        own, chip, time = done.spikes[index][0], program.layers[index], len(below)
        membrane, post = done.signals[index][:, 0]
        pre, eligibility = below.astype(np.float64), None
        if chip.plasticity is not None:
            x1, tags = synapses(program, chip, chip.plasticity, below, post, seed, steps)
            pre = x1 / scale["trace"]
            if program.eligibility == "tag":
                eligibility = _tensor(tags / scale["tag"])[None, :, None]
        arriving = np.concatenate([np.zeros_like(below[:1]), below[:-1]])
        inputs, units = (1, time, 1, layer.positions, layer.fan_in), (1, time, 1, layer.positions, layer.neurons)
        traces[index] = [
            LayerTrace(
                _tensor(arriving).view(inputs), _tensor(pre).view(inputs),
                _tensor(membrane / (64 * scale["weight"])).view(units),
                _tensor(post / scale["post_factor"]).view(units), _tensor(own).view(units), eligibility,
            )
        ]  # fmt: skip
        below = own
    return traces


def float_stimulus(
    network: Network, rule: Rule, step: SpikingStep, weights: Mapping[str, Floats], spikes: Floats,
    gates: Sequence[Sequence[Floats]] = (),
) -> tuple[list[Floats], dict[int, list[LayerTrace]]]:  # fmt: skip
    """The canonical step once more, with the weights that Lava had: eligibilities (positions, neurons, fan_in), and the
    signals of every step. gates: of a rule that weighs every step, g by step and layer."""
    steps: list[list[reference.LayerStep]] = []
    responses = reference.respond(network, rule, step, weights, spikes[:, None], steps)
    eligibilities = [one.eligibility[0] for one in responses]
    if gates:
        eligibilities = [
            _weighted([one[i] for one in steps], [one[i] for one in gates], step.learning_period)
            for i in range(len(responses))
        ]
    traces = {}
    for index in range(len(network.layers)):
        signals = [vars(one[index]) for one in steps]
        traces[index] = [LayerTrace(**{k: _tensor(np.stack([s[k] for s in signals]))[None] for k in signals[0]})]
    return eligibilities, traces


def _weighted(steps: Sequence[reference.LayerStep], gates: Sequence[Floats], period: int) -> Floats:
    """Σ_t g[t] ψ[t] x̄[t] over the steps that learn: (positions, neurons, fan_in)."""
    total = np.zeros((*steps[0].post_factor.shape[1:], steps[0].pre_trace.shape[-1]))
    for one, gate in list(zip(steps, gates, strict=True))[period - 1 :: period]:
        post = one.post_factor[0] * np.broadcast_to(gate[0, 0], one.post_factor[0].size).reshape(total.shape[:2])
        total += post[:, :, None] * one.pre_trace[0][:, None, :]
    return total

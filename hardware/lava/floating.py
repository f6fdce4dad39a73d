"""The float network on Lava's floating-point processes, with the same circuit in float64.

No scales: x1 is the trace, y2 the post factor, y1 − 64 is η · modulator, and all gains are 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.hardware.compiler.circuit import CompiledRule
from plastic.hardware.lava.fixed import PATIENCE
from plastic.hardware.lava.grammar import rule_string
from plastic.hardware.lava.parts import ChipResponse, Delivery, LayerSpec
from plastic.hardware.lava.shim import load_lava
from plastic.hardware.program.arithmetic import Floating
from plastic.hardware.program.circuit import Circuit
from plastic.hardware.program.running import Circuits, RunningCircuit
from plastic.hardware.program.spec import Factor, Term
from plastic.models.backends.reference.step import POST_FACTOR
from plastic.models.network.layer import Network
from plastic.models.neuron.constants import SpikingStep

# in floating point a product has 2^shift more gain, so these are 1, 1 and 1/64
CHANGE = Term((Factor("t"), Factor("y1", -64)), 1, 0)
ELIGIBILITY = Term((Factor("x1"), Factor("y2")), 1, 0)
CLEAR = Term((Factor("t"), Factor("y3")), -1, -6)


@dataclass(frozen=True)
class FloatCircuit:
    """The circuit of one chip in float64: sends η · modulator; in the steps g, of a rule that weights them: the tag
    then holds Σ_t g[t] ψ[t] x̄[t]."""

    running: RunningCircuit
    learning_rate: float

    @property
    def steps(self) -> Circuit | None:
        return self.running.steps

    @property
    def state(self) -> dict[str, NDArray[np.float64]]:
        return self.running.state

    @property
    def values(self) -> list[NDArray[np.float64]]:
        return self.running.values

    @property
    def gates(self) -> list[list[NDArray[np.float64]]]:
        return self.running.gates

    def begin(self, fixation: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
        """As of RunningCircuit."""
        return self.running.begin(fixation, target)

    def step(self, inputs: NDArray[Any], spikes: NDArray[Any]) -> NDArray[np.float64]:
        """g of all units: (chips, units)."""
        self.running.step(inputs, spikes)
        each = zip(self.gates[-1], self.running.sizes, strict=True)
        return np.concatenate([np.broadcast_to(g, (len(spikes), 1, units))[:, 0] for g, units in each], axis=1)

    def end(
        self, counts: NDArray[Any], arrived: NDArray[Any], fixation: NDArray[Any], target: NDArray[Any]
    ) -> NDArray[np.float64]:
        """η · modulator of all units: (chips, units)."""
        self.running.end(counts, arrived, fixation, target)
        return self.learning_rate * self.running.modulators()


def float_circuit(
    compiled: CompiledRule,
    network: Network,
    time_steps: int,
    learning_rate: float,
    parameters: Mapping[str, NDArray[Any]],
) -> FloatCircuit:
    """A circuit at the beginning, with its own copy of the parameters."""
    state = {k: np.array(parameters[k] if k in parameters else np.zeros(s))[None] for k, s in compiled.states.items()}
    sizes = tuple(layer.units for layer in network.layers)
    circuits = Circuits(compiled.circuit, compiled.steps, sizes, network.inputs, time_steps)
    return FloatCircuit(RunningCircuit(circuits, state, Floating, _unchanged), learning_rate)


def _unchanged(layer: int, value: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    del layer, count
    return value


def run_float(
    network: Network, step: SpikingStep, mask: str, circuit: FloatCircuit, parameters: Mapping[str, NDArray[Any]],
    spikes: NDArray[Any], fixation: NDArray[Any], target: NDArray[Any], *, weights_every: int = 1,
    timeout: int = PATIENCE,
) -> Iterator[ChipResponse]:  # fmt: skip
    """What each stimulus does on Lava in floating point; one stream.

    Arguments as of plastic.hardware.lava.fixed.run_fixed; modulators are η · modulator.
    """
    load_lava()
    from plastic.hardware.lava.network import LavaNetwork

    decay = step.trace_decay
    tau = math.inf if decay >= 1 else -1 / math.log(decay) if decay > 0 else 1e-3
    rule = {
        "dw": rule_string((CHANGE,)),
        "dt": rule_string((ELIGIBILITY, CLEAR)),
        "x1_impulse": 1.0,
        "x1_tau": tau,
    }
    constants = (step.membrane_decay, step.threshold, partial(_post_factor, step, mask))
    layers = [
        LayerSpec(np.reshape(parameters[f"layer{i}.weight"], (la.positions, la.neurons, la.fan_in)), constants, rule)
        for i, la in enumerate(network.layers, 1)
    ]
    stepwise = circuit.steps is not None
    delivery = Delivery(spikes.shape[1], step.learning_period, stepwise=stepwise, weighted=stepwise)
    lava = LavaNetwork(layers, circuit, (spikes, fixation, target), delivery, precision="floating_pt")
    yield from lava.run(False, weights_every, timeout)


def _post_factor(step: SpikingStep, mask: str, distance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.ones_like(distance) if mask == "none" else POST_FACTOR[step.surrogate](distance, step.slope)

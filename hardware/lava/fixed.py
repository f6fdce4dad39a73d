"""An integer program on Lava's processes, in the bit-accurate fixed point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..program.running import integer_circuit
from ..program.spec import ChipLayer, Program
from .grammar import rule_string
from .parts import ChipResponse, Delivery, LayerSpec
from .shim import load_lava

PATIENCE = 120  # seconds that Lava may take for one stimulus


def run_fixed(
    program: Program, spikes: NDArray[Any], fixation: NDArray[Any], target: NDArray[Any], *, seed: int = 0,
    tags: bool = False, weights_every: int = 1, timeout: int = PATIENCE,
) -> Iterator[ChipResponse]:  # fmt: skip
    """What each stimulus does on Lava; one chip.

    spikes: (stimuli, time, inputs) of 0 and 1; fixation: ±1 (stimuli,); target: one-hot (stimuli, classes);
    seed: added to the seeds of the program.
    """
    load_lava()
    layers = [_layer(layer, seed) for layer in program.layers]
    network: Any
    if program.profile == "hw-2f":
        from .stock import StockNetwork

        network = StockNetwork(layers, spikes)
        yield from network.run(tags, weights_every, timeout)
        return
    from .network import LavaNetwork

    delivery = Delivery(
        spikes.shape[1], program.learning_period, untagged=not program.tagged, stepwise=program.steps is not None
    )
    stimuli = spikes, fixation, target
    network = LavaNetwork(layers, integer_circuit(program, [seed]), stimuli, delivery, rounding=program.rounding)
    yield from network.run(tags, weights_every, timeout)


def _layer(layer: ChipLayer, seed: int) -> LayerSpec:
    c, rule = layer.constants, layer.plasticity
    constants = (c.current_decay, c.membrane_decay, c.threshold, c.post_factor, c.post_factor_shift)
    learning: dict[str, Any] = {}
    if rule is not None:
        learning = {
            "dw": rule_string(rule.weight_change),
            "dt": rule_string(rule.tag_change),
            "x1_impulse": rule.trace_impulse,
            "x1_tau": rule.trace_tau,
        }
    first = rule.seed + seed if rule is not None else 0
    return LayerSpec(
        layer.weight.astype(np.int32), constants, learning, first, layer.weight_exponent, layer.weight_bits
    )

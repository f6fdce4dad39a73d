"""Initial weights of spiking networks, scaled until every layer fires at the same low rate.

Where a rule's score multiplies two responses, what all neurons of a layer share (their mean rate)
enters it squared. At 0.2 spikes per step it drowns the little that two stimuli of one class have in
common: the first updates swing by many margins and silence the network before it can learn. At 0.05
they do not.
Measured, not computed from the fan-in, so that it holds for every τ_m, threshold, input coding and depth.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.backends import Members, Simulator
from plastic.models.backends.twin import batched_twin
from plastic.models.network.layer import Network
from plastic.models.network.parameters import layer_name
from plastic.models.settings import Settings

WIDEST = 50.0  # scale factors are looked for between its inverse and itself
HALVINGS = 12


@torch.inference_mode()
def scale_to_rate(settings: Settings, network: Network, members: Members, spikes: Tensor) -> None:
    """Scale every layer's weights in place, bottom up, until it fires at `settings.initial_rate`, in spikes per step.

    Measured on the first batched backend, whichever the run has. members: one; spikes: (1, time, batch, input neurons)
    in float64. Raises PlasticError if a layer cannot fire at that rate.
    """
    for index, layer in enumerate(network.layers):
        if layer.own.scale is not None:  # it says itself how large they are
            continue
        below = replace(network, layers=network.layers[: index + 1])
        _, twin = batched_twin(settings, below, members)
        weight = members.parameters[f"{layer_name(index)}.weight"]
        weight *= _scale(twin, index, spikes, settings.initial_rate, -1 in layer.own.signs)


def _scale(twin: Simulator, index: int, spikes: Tensor, rate: float, inhibited: bool) -> float:
    """By bisection; the twin's weights stay as they were."""
    weight = twin.parameters[f"{layer_name(index)}.weight"]
    as_drawn = weight.clone()

    def fires(scale: float) -> float:
        weight.copy_(as_drawn * scale)
        return float(twin.features(0, spikes)[index].mean())

    low, high = 1 / WIDEST, WIDEST
    if fires(high) < rate and inhibited:
        raise PlasticError(
            f"layer {index + 1} cannot fire {rate:g} spikes per step, as inhibition outweighs excitation; lower "
            "--initial-rate, make more of the neurons below it excitatory, or give its projection a scale."
        )
    if fires(high) < rate:
        raise PlasticError(
            f"layer {index + 1} cannot fire {rate:g} spikes per step, as too few spikes reach it within a stimulus; "
            "lower --initial-rate, or raise --time-steps or --input-rate."
        )
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if fires(middle) > rate else (middle, high)
    weight.copy_(as_drawn)
    return math.sqrt(low * high)

"""Initial weights of spiking networks, scaled until every layer fires at the same low rate.

Where a rule's score multiplies two responses, what all neurons of a layer share (their mean rate)
enters it squared. At 0.2 spikes per step it drowns the little that two stimuli of one class have in
common: the first updates swing by many margins and silence the network before it can learn. At 0.05
they do not.
Measured, not computed from the fan-in, so that it holds for every τ_m, threshold, input coding and depth.
"""

from __future__ import annotations

import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.backends.snntorch import SnnTorchSimulator
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.neuron.constants import SpikingStep, Traces
from plastic.rules.rule import Rule

WIDEST = 50.0  # scale factors are looked for between its inverse and itself
HALVINGS = 12


@torch.inference_mode()
def scale_to_rate(
    network: Network, rule: Rule, step: SpikingStep, parameters: Parameters, spikes: Tensor, rate: float
) -> None:
    """Scale every layer's weights in place, bottom up, until it fires `rate` spikes per neuron and step.

    spikes: (members, time, batch, input neurons), of the type and on the device of the parameters. Raises
    PlasticError if a layer cannot fire at that rate.
    """
    for index, layer in enumerate(network.layers):
        weight = parameters[f"{layer_name(index)}.weight"]
        alone = SnnTorchSimulator(Network(layer.positions * layer.fan_in, (layer,), network.classes), rule, step)
        weight *= _scale(alone, weight, spikes, rate, index)
        traces: Traces = {}
        list(alone.respond({"layer1.weight": weight}, spikes, traces))
        spikes = torch.cat([part.spike for part in traces[0]], dim=1).flatten(3)


def _scale(alone: SnnTorchSimulator, weight: Tensor, spikes: Tensor, rate: float, index: int) -> Tensor:
    """By bisection, for every member: shaped to multiply its weights."""
    shape = (-1, *[1] * (weight.dim() - 1))

    def fires(scale: Tensor) -> Tensor:
        return alone.features({"layer1.weight": weight * scale.view(shape)}, spikes)[0].mean((1, 2))

    low, high = weight.new_full((len(weight),), 1 / WIDEST), weight.new_full((len(weight),), WIDEST)
    if bool((fires(high) < rate).any()):
        raise PlasticError(
            f"layer {index + 1} cannot fire {rate:g} spikes per step, as too few spikes reach it within a stimulus; "
            "lower --initial-rate, or raise --time-steps or --input-rate."
        )
    for _ in range(HALVINGS):
        middle = (low * high).sqrt()
        above = fires(middle) > rate
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low * high).sqrt().view(shape)

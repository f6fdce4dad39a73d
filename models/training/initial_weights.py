"""Initial weights of networks trained side by side: those of each one's single run, whatever the others are."""

from __future__ import annotations

import torch

from plastic.models.backends import Members
from plastic.models.network.limits import begun, clipped, limits
from plastic.models.network.parameters import (
    Parameters,
    he_std,
    initial_parameters,
    layer_name,
    lively_std,
    specification,
)
from plastic.models.presentation import Presentation, spikes_of
from plastic.models.training.initial_rates import scale_to_rate
from plastic.stimuli.random import generator

INTENSITY = 512  # examples that the mean input is taken of
SAMPLE = 32  # examples that initial rates are measured on


def initial_weights(presentation: Presentation) -> Parameters:
    """All weights by name, in float64: (members, …)."""
    members = [_of_one(presentation, member) for member in range(len(presentation.tasks))]
    return {name: torch.cat([own[name] for own in members]) for name in members[0]}


def _of_one(presentation: Presentation, member: int) -> Parameters:
    settings, network = presentation.settings, presentation.network
    task, seed = presentation.tasks[member], presentation.seeds[member]
    how, std = settings.spike_input, he_std(network)
    if settings.spiking is not None and settings.initial_rate == 0:
        mean = float(task.intensity(task.train.inputs[:INTENSITY]).mean())
        std = lively_std(network, mean if task.recorded_steps else mean * how.rate)
    parameters = initial_parameters(specification(network, settings.rule, std), [seed])
    within = limits(network, [seed])
    for name, layer in zip(map(layer_name, range(len(network.layers))), network.layers, strict=True):
        if (own := within.get(f"{name}.weight")) is not None:
            parameters[f"{name}.weight"] = torch.from_numpy(begun(parameters[f"{name}.weight"].numpy(), layer, own))
    if settings.spiking is not None and settings.initial_rate > 0:
        inputs, random = task.train.inputs[:SAMPLE], generator(seed, "initial-rate")
        spikes = torch.as_tensor(spikes_of(task, inputs, how, random))[None].double()
        scale_to_rate(settings, network, Members(presentation, (0.0,), parameters), spikes)
        for name, own in within.items():
            parameters[name] = torch.from_numpy(clipped(parameters[name].numpy(), own))
    return parameters

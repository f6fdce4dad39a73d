"""All weights of a run as one flat dict: layer1.weight, layer1.W_pred, …, readout.weight.

Drawn from the counter-based generator, per member of the ensemble and per name, so that a member
has the weights of its single run and every backend starts from the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.network.layer import Layer, Network
from plastic.rules.rule import LayerShape, Rule, Synapses
from plastic.stimuli.random import generator

Parameters = dict[str, Tensor]


def needs_readout(rule: Rule) -> bool:
    """Whether the rule reads an output error, so that there is a readout to learn."""
    return "error" in rule.reads.signals


def has_readout(network: Network, rule: Rule) -> bool:
    """Whether the rule of some layer does; rule: of the run."""
    return any(needs_readout(one) for one in network.rules(rule))


def layer_name(index: int) -> str:
    return f"layer{index + 1}"


def readout_layer(network: Network) -> Layer:
    """The readout as a layer: it reads all units of the top layer."""
    return Layer(positions=1, fan_in=network.layers[-1].units, neurons=network.classes)


def layer_shape(network: Network, rule: Rule, index: int, streams: int = 1, decay: float | None = None) -> LayerShape:
    """Sizes of one layer as its modulatory circuit has them; rule: of the run; decay: of slow traces, if there are
    any."""
    above, top = [*network.layers[1:], readout_layer(network)], network.layers[-1]
    return LayerShape(
        units=network.layers[index].summary_units(network.layers[index].rule_of(rule).summary),
        classes=network.classes,
        above=above[index].weight_shape,
        top_units=top.summary_units(top.rule_of(rule).summary),
        last=index == len(network.layers) - 1,
        streams=streams,
        statistics_decay=decay,
    )


def specification(network: Network, rule: Rule, weight_std: Sequence[float]) -> dict[str, Synapses]:
    """Shape and initial standard deviation of every weight of the network and its circuits; rule: of the run."""
    readout = readout_layer(network)
    specified = {}
    for index, (layer, std) in enumerate(zip(network.layers, weight_std, strict=True)):
        own = layer.rule_of(rule)
        specified[f"{layer_name(index)}.weight"] = Synapses(layer.weight_shape, std, own.acts.learn)
        for name, synapses in own.circuit(layer_shape(network, rule, index)).items():
            if name == "weight":
                raise PlasticError(f"the circuit of rule {own.name!r} has a 'weight', as the layer has; rename it.")
            specified[f"{layer_name(index)}.{name}"] = synapses
    if has_readout(network, rule):
        specified["readout.weight"] = Synapses(readout.weight_shape, 0.1 / readout.fan_in**0.5)
    return specified


def initial_parameters(
    specified: dict[str, Synapses],
    seeds: Sequence[int],
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Parameters:
    """Draw every weight from N(0, std²): (members, *shape)."""

    def draw(name: str, synapses: Synapses) -> Tensor:
        members = [generator(seed, name).standard_normal(synapses.shape) * synapses.std for seed in seeds]
        return torch.as_tensor(np.stack(members), dtype=dtype, device=device)

    return {name: draw(name, synapses) for name, synapses in specified.items()}


def learning_rates(network: Network, specified: Iterable[str]) -> dict[str, float]:
    """Of those specified weights whose learning rate is not that of the run, by name."""
    own = {layer_name(index): layer.own.learning_rate for index, layer in enumerate(network.layers)}
    own["readout"] = network.readout_rate
    found = {name: own.get(name.partition(".")[0]) for name in specified}
    return {name: rate for name, rate in found.items() if rate is not None}


def circuit_weights(parameters: Parameters, index: int) -> dict[str, Tensor]:
    """Weights of one layer's modulatory circuit, by their own names."""
    prefix = f"{layer_name(index)}."
    return {
        name.removeprefix(prefix): value
        for name, value in parameters.items()
        if name.startswith(prefix) and not name.endswith(".weight")
    }


def he_std(network: Network) -> list[float]:
    """N(0, 2 / fan_in); spiking networks are scaled from there (plastic.models.training.initial_rates)."""
    return [_scale(layer) * (2 / layer.inputs) ** 0.5 for layer in network.layers]


def lively_std(network: Network, input_rate: float) -> list[float]:
    """Spiking networks too small to measure a low rate on, or with one stream: 2.1 thresholds of drive per step, if
    `input_rate` spikes per input and step arrive at the first layer and 0.2 at the others."""
    rates = [input_rate] + [0.2] * (len(network.layers) - 1)
    usual = [3 / 2**0.5 / max(n.inputs * r, 1e-9) ** 0.5 for n, r in zip(network.layers, rates, strict=True)]
    given = zip(network.layers, he_std(network), usual, strict=True)
    return [he if layer.own.scale is not None else lively for layer, he, lively in given]


def _scale(layer: Layer) -> float:
    return 1.0 if layer.own.scale is None else layer.own.scale

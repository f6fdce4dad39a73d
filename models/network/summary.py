"""What `plastic show` tells of a network: its populations, what comes into each, how many weights, who learns."""

from __future__ import annotations

import math

from plastic.models.network.layer import Layer, Network
from plastic.models.network.parameters import has_readout, layer_shape, readout_layer
from plastic.networks import network as described
from plastic.networks.population import Population
from plastic.rules.rule import Rule


def populations(network: described.Network, made: Network, run: Rule | None) -> list[Population]:
    """Bottom up. made: the network as simulators have it; run: the rule of layers that have none of their own, if it is
    known."""
    positions, rate = network.input.positions or 1, "the run's"
    found = [Population("input", positions, network.input.units // positions)]
    for index, (layer, own) in enumerate(zip(made.layers, network.layers, strict=True)):
        rule = layer.own.rule or run
        learns = "the run's" if rule is None else rule.name if rule.acts.learn else "fixed"
        circuit = () if rule is None else rule.circuit(layer_shape(made, run or rule, index)).values()
        eta = "" if learns == "fixed" else rate if own.learning_rate is None else f"{own.learning_rate:g}"
        sizes = (layer.positions, layer.neurons, repr(own.projection), synapses(layer))
        weights = sum(math.prod(one.shape) for one in circuit)
        found.append(Population(f"layer {index + 1}", *sizes, learns, eta, weights))
    return [*found, *_readout(made, run, rate)]


def synapses(layer: Layer) -> int:
    """Weights of its projection; where they are there by chance, as many as expected."""
    if layer.own.indices:
        return len(layer.own.indices)
    return round(math.prod(layer.weight_shape) * layer.own.probability)


def _readout(made: Network, run: Rule | None, rate: str) -> list[Population]:
    top = readout_layer(made)
    known = run is not None or all(layer.own.rule is not None for layer in made.layers)
    reads = (run is not None and has_readout(made, run)) or any(
        layer.own.rule is not None and "error" in layer.own.rule.reads.signals for layer in made.layers
    )
    if known and not reads:
        return []
    eta = rate if made.readout_rate is None else f"{made.readout_rate:g}"
    learns = "delta rule" if reads else "if a rule reads its error"
    return [Population("readout", 1, made.classes, "Dense()", math.prod(top.weight_shape), learns, eta)]

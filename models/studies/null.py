"""What a cosine is by chance: the update of the same rule, batch and weights through fresh random feedback.

A cosine of two updates of n weights that know nothing of each other is not N(0, 1/n): both are sums over the same
few inputs, so chance alone gives more, and how much differs from layer to layer. Two nulls, by what the rule has:

redrawn: every weight of the rule's modulatory circuits (feedback B, W_pred, predictor, …), in all layers at once, is
    drawn again from a normal distribution and scaled to the Frobenius norm that it has. Gates and chains are computed
    anew with it. Of circuits that read the forward weights beside their own only their own are
    redrawn, so that what the forward weights give stays in the null.
turned: rules whose circuits have no weights of their own have their modulators as they are, each layer's sent through
    one random rotation R of its neurons, m → R m, the same for all stimuli and positions: every stimulus keeps
    the norm of its third factor, any two the angle between theirs, and only which neuron gets what is random.
"""

from __future__ import annotations

from typing import Literal

import torch
from scipy.stats import ortho_group
from torch import Tensor

from plastic.models.learning.learner import Observation
from plastic.models.network.layer import Network
from plastic.models.network.outer import Whole
from plastic.models.network.parameters import Parameters, circuit_weights, layer_name
from plastic.models.studies.updates import Batch, updates
from plastic.rules.rule import Rule
from plastic.stimuli.random import generator

Kind = Literal["redrawn", "turned"]


def null_kind(network: Network, parameters: Parameters) -> Kind:
    """Which of the two a rule with these weights has."""
    return "redrawn" if any(circuit_weights(parameters, i) for i in range(len(network.layers))) else "turned"


def null_updates(
    network: Network, rule: Rule, activation: str, parameters: Parameters, batch: Batch, seed: int, draw: int
) -> Parameters:
    """The layers' updates by the `draw`-th fresh feedback, by name."""
    if null_kind(network, parameters) == "redrawn":
        return updates(network, rule, activation, redrawn(network, parameters, seed, draw), batch)
    return turned(network, rule, activation, parameters, batch, seed, draw)


def redrawn(network: Network, parameters: Parameters, seed: int, draw: int) -> Parameters:
    """The same weights, with those of all circuits drawn again at the norms that they have, member by member."""
    found = dict(parameters)
    for index in range(len(network.layers)):
        for part, weight in circuit_weights(parameters, index).items():
            name = f"{layer_name(index)}.{part}"
            drawn = generator(seed, f"null {name}", draw).standard_normal(tuple(weight.shape))
            fresh = torch.as_tensor(drawn).to(weight)
            found[name] = fresh * (_norm(weight) / _norm(fresh))
    return found


def turned(
    network: Network, rule: Rule, activation: str, parameters: Parameters, batch: Batch, seed: int, draw: int
) -> Parameters:
    """The layers' updates with every modulator sent through a random rotation of the layer's neurons."""
    found: Parameters = {}

    def turn(index: int, observation: Observation) -> None:
        layer, response, third = network.layers[index], observation.response, observation.third
        random = generator(seed, f"null {layer_name(index)}", draw)
        one = torch.as_tensor(ortho_group.rvs(layer.neurons, random_state=random) if layer.neurons > 1 else [[1.0]])
        rotation = one.to(observation.modulator)
        update = response.eligibility.credit(observation.modulator @ rotation, third.current.gate)
        if third.context is not None and response.before is not None:
            before = layer.route(third.context.value, rule.summary) @ rotation
            update = Whole((update.value(), response.before.eligibility.credit(before, third.context.gate).value()))
        found[f"{layer_name(index)}.weight"] = update.value()

    learned = updates(network, rule, activation, parameters, batch, turn)
    return {name: update for name, update in found.items() if name in learned}


def _norm(weight: Tensor) -> Tensor:
    """Frobenius norm of each member's, with as many axes as the weights."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.dim())), keepdim=True)

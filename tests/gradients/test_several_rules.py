"""Several rules in one network: each layer's update is the gradient of that layer's own loss, the others held still."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from plastic import Dense, Input, Layer, Network, Patches, Readout
from plastic.models.network.compiled import compiled
from plastic.rules import BP, CLAPP, DFA, VICReg
from tests.helpers.harness import CLASSES, Case, assert_equal_to_gradient, assert_mixed, forward
from tests.helpers.losses import vicreg


def case_of(*layers: Layer, run=None) -> Case:
    network = compiled(Network(Input(24, 8), *layers, Readout(CLASSES)), run=run)
    return Case(run or BP(), network, "tanh")


def activities(case: Case, weights: dict[str, torch.Tensor]) -> list[list[torch.Tensor]]:
    """Of every layer to this stimulus and to the one before, (batch, positions, neurons); no loss reaches below."""
    layers = case.layers(weights)
    return [forward(case.network, layers, x, torch.tanh, cut=True) for x in (case.inputs, case.before)]


def test_two_layers_two_rules() -> None:
    case = case_of(Layer(6, Patches(2), rule=CLAPP(summary="mean")), Layer(7, Dense(), rule=VICReg(sides="both")))
    now, past = activities(case, case.weights())
    score = torch.einsum("bi,ij,bj->b", now[0].mean(1), case.parameters["layer1.W_pred"][0], past[0].mean(1))
    case.parameters["layer1.W_pred"] *= 2 / score.detach().abs().median()  # hinges partly open, partly shut
    found, seen = case.updates()
    assert_mixed(seen[0].third.current.gate)
    weights, y = case.weights(), case.fixation[:, 0]
    now, past = activities(case, weights)
    z, c = now[0].mean(1), past[0].mean(1).detach()
    own = torch.relu(1 - y * torch.einsum("bi,ij,bj->b", z, weights["layer1.W_pred"], c)).sum()
    assert set(found) == {"layer1.weight", "layer1.W_pred", "layer2.weight"}
    assert_equal_to_gradient(found, own + vicreg(now[1].flatten(1), past[1].flatten(1), y), weights)


def test_a_fixed_layer_in_between_and_the_error_of_the_top_alone() -> None:
    bottom = Layer(6, Patches(2, shared=False), rule=VICReg(sides="both"))
    case = case_of(bottom, Layer(5, Patches(2), rule=None), Layer(8, rule=BP()))
    found, seen = case.updates()
    assert seen[1].modulator.abs().max() == 0
    weights, y = case.weights(), case.fixation[:, 0]
    now, past = activities(case, weights)
    output = now[2].flatten(1) @ weights["readout.weight"].T
    loss = F.cross_entropy(output, case.labels, reduction="sum") + vicreg(now[0].flatten(1), past[0].flatten(1), y)
    assert set(found) == {"layer1.weight", "layer3.weight", "readout.weight"}
    assert_equal_to_gradient(found, loss, weights)


def test_layers_of_no_rule_of_their_own_learn_by_that_of_the_run() -> None:
    """The ones above backpropagate; the one below is a broadcast of the same error."""
    layers = (Layer(6, Patches(2), rule=DFA()), Layer(7), Layer(5))
    case = case_of(*layers, run=BP())
    found, _ = case.updates()
    weights = case.weights()
    below = now = case.inputs
    for index, (layer, weight) in enumerate(zip(case.network.layers, case.layers(weights), strict=True)):
        drive = layer.drive(weight[None], layer.patches(below.reshape(1, len(now), -1)))[0]
        below = torch.tanh(drive).flatten(1) if index else torch.tanh(drive).detach().flatten(1)
    output = below @ weights["readout.weight"].T
    upper = {name: found[name] for name in ("layer2.weight", "layer3.weight", "readout.weight")}
    assert_equal_to_gradient(upper, F.cross_entropy(output, case.labels, reduction="sum"), weights)
    error = (output.softmax(1) - case.target).detach()
    first = case.network.layers[0]
    x = first.patches(case.inputs[None])[0]
    slope = 1 - torch.tanh(torch.einsum("bpk,nk->bpn", x, weights["layer1.weight"])) ** 2
    sent = -(error @ weights["layer1.B"].T).view(*slope.shape) * slope
    by_hand = torch.einsum("bpn,bpk->nk", sent, x).detach()
    torch.testing.assert_close(found["layer1.weight"], by_hand, rtol=1e-9, atol=1e-12)

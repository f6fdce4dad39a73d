"""Direct feedback: each rule is the gradient of what it descends, by autograd written apart from it.

FA and uSF are autograd through layers with another way back; DFA's relatives descend Σ ⟨B s, z⟩ with
the broadcast s held fixed; the product forms are gradients of networks whose masks are taken out. Where each update
is printed stands in worked_examples.toml (`loss`).
"""

from __future__ import annotations

import math

import pytest
import torch
from harness import (
    NETWORKS,
    Case,
    MaskedReLU,
    assert_by_hand,
    assert_equal_to_gradient,
    assert_mixed,
    assert_same_on_numpy,
    forward,
    measured,
    project,
)
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.network.convolution import Convolution
from plastic.models.network.layer import Layer, dense
from plastic.rules import BP, DFA, DRTP, FA, SDFA, USF, DFAProduct, EProp, LastLayer, NoLearning, Rule

MASKS = ["sample", "batch", "none"]


class OtherWayBack(torch.autograd.Function):
    """W x whose backward pass goes through B in place of W."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, back: Tensor, layer: Layer) -> Tensor:
        ctx.save_for_backward(x, back)
        ctx.layer = layer
        ctx.weight = weight
        return project(layer, weight, x)

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, back = ctx.saved_tensors
        layer = ctx.layer
        if isinstance(layer, Convolution):
            return convolution_with_another_way_back(layer, x, ctx.weight, back, grad)
        patches = x.reshape(len(x), layer.positions, layer.fan_in)
        if layer.shared:
            down = torch.einsum("bpn,nk->bpk", grad, back)
            weight = torch.einsum("bpn,bpk->nk", grad, patches)
        else:
            down = torch.einsum("bpn,pnk->bpk", grad, back)
            weight = torch.einsum("bpn,bpk->pnk", grad, patches)
        return down.reshape(x.shape), weight, None, None


def convolution_with_another_way_back(layer: Convolution, x: Tensor, weight: Tensor, back: Tensor, grad: Tensor):
    """Autograd for the weights, and for the input of a layer that has `back` for weights but the real winners."""
    below, own = x.detach().requires_grad_(), weight.detach().requires_grad_()
    with torch.enable_grad():
        up = torch.autograd.grad(project(layer, own, below), own, grad)[0]
        down = torch.autograd.grad(project(layer, back, below, real=(weight, x)), below, grad)[0]
    return down, up, None, None


def way_back(case: Case, index: int) -> Tensor:
    """Feedback weights into layer `index` (0 based) from the one above it."""
    depth = len(case.network.layers)
    name = "readout.weight" if index == depth - 1 else f"layer{index + 2}.weight"
    forward_weight, fixed = case.parameters[name][0], case.parameters.get(f"layer{index + 1}.B")
    if type(case.rule) is FA:
        return fixed[0]
    if fixed is not None:
        return torch.sign(forward_weight) * fixed[0].abs()
    return torch.sign(forward_weight) * (2 / forward_weight.shape[-1]) ** 0.5


@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("rule", [FA, USF, lambda mask: USF(magnitude="random", mask=mask)])
def test_fa_and_usf_are_autograd_with_another_way_back(rule, mask: str, topology: str) -> None:
    case = Case(rule(mask=mask), NETWORKS[topology])
    found, seen = case.updates()
    weights = case.weights()
    x, layers = case.inputs.clone().requires_grad_(), case.network.layers
    for index, layer in enumerate(layers):
        back = way_back(case, index - 1) if index else torch.zeros_like(case.parameters["layer1.weight"][0])
        x = MaskedReLU.apply(OtherWayBack.apply(x, weights[f"layer{index + 1}.weight"], back, layer), mask)
    readout = Layer(1, layers[-1].units, case.network.classes)
    back = way_back(case, len(layers) - 1)
    logits = OtherWayBack.apply(x.flatten(1), weights["readout.weight"], back, readout)[:, 0]
    loss = torch.nn.functional.cross_entropy(logits, case.labels, reduction="sum")
    for observation in seen:
        assert_mixed(observation.response.post)
    assert len(found) == case.depth + 1
    assert_equal_to_gradient(found, loss, weights)


def unmasked_product(case: Case, index: int, error: Tensor) -> Tensor:
    """Bᵉ: the gradient of ⟨readout, e⟩ in a network whose upper layers are linear, but pool as they did."""
    weights = case.weights()
    outputs = forward(case.network, case.layers(weights), case.inputs, torch.relu, cut=True)
    below = torch.zeros(len(case.inputs), case.network.layers[index].units, dtype=torch.float64, requires_grad=True)
    x = below
    for i in range(index + 1, case.depth):
        weight = case.layers(weights)[i]
        x = project(case.network.layers[i], weight, x, real=(weight, outputs[i - 1]))
    score = ((x.flatten(1) @ weights["readout.weight"].T) * error).sum()
    return torch.autograd.grad(score, below)[0]


BROADCAST: dict[str, Rule] = {
    "sdfa": SDFA(),
    "drtp": DRTP(),
    "eprop-random": EProp(),
    "eprop-learned": EProp(feedback="learned"),
    "eprop-symmetric": EProp(feedback="symmetric"),
    "dfa-product": DFAProduct(),
}


@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", BROADCAST)
def test_broadcast_rules_descend_the_alignment_with_what_is_sent(name: str, mask: str, topology: str) -> None:
    rule = type(BROADCAST[name])(**(vars(BROADCAST[name]) | {"mask": mask}))
    case = Case(rule, NETWORKS[topology])
    found, seen = case.updates()
    weights = case.weights()
    outputs = forward(case.network, case.layers(weights), case.inputs, lambda a: MaskedReLU.apply(a, mask), cut=True)
    logits = outputs[-1].flatten(1).detach() @ weights["readout.weight"].T
    loss = torch.nn.functional.cross_entropy(logits, case.labels, reduction="sum")
    error = (torch.softmax(logits, -1) - case.target).detach()
    sent = {"sdfa": torch.sign(error), "drtp": case.target}.get(name, error)
    for index, z in enumerate(outputs):
        if f"layer{index + 1}.B" in weights:
            feedback = sent @ weights[f"layer{index + 1}.B"].T
        else:
            feedback = unmasked_product(case, index, error)
        loss = loss + (z.flatten(1) * feedback).sum()
    learned = case.depth if name == "eprop-learned" else 0
    for observation in seen:
        assert_mixed(observation.response.post)
    assert len(found) == case.depth + 1 + learned
    if learned:  # B learns from ⟨z, B e⟩ with z held, W with B held: both are this one loss
        assert "layer1.B" in found
    assert_equal_to_gradient(found, loss, weights)


@pytest.mark.parametrize("topology", NETWORKS)
def test_the_masked_oracle_is_backpropagation(topology: str) -> None:
    oracle = Case(DFAProduct(upper_mask="sample"), NETWORKS[topology])
    found, _ = oracle.updates()
    expected, _ = Case(BP(), NETWORKS[topology]).updates()
    weights = oracle.weights()
    top = forward(oracle.network, oracle.layers(weights), oracle.inputs, torch.relu, cut=False)[-1].flatten(1)
    logits = top @ weights["readout.weight"].T
    assert_equal_to_gradient(found, torch.nn.functional.cross_entropy(logits, oracle.labels, reduction="sum"), weights)
    for name, update in expected.items():
        torch.testing.assert_close(found[name], update, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("upper", MASKS)
def test_the_product_keeps_the_masks_it_is_told_to(upper: str) -> None:
    """The same numbers as the chain of `bp` with that upper mask, which is proven apart."""
    found, _ = Case(DFAProduct(upper_mask=upper), NETWORKS["tree-shared"]).updates()
    expected, _ = Case(BP(upper_mask=upper), NETWORKS["tree-shared"]).updates()
    plain, _ = Case(BP(), NETWORKS["tree-shared"]).updates()
    for name, update in expected.items():
        torch.testing.assert_close(found[name], update, rtol=1e-12, atol=1e-13)
    if upper != "sample":
        assert not torch.allclose(found["layer1.weight"], plain["layer1.weight"], rtol=1e-2)


@pytest.mark.parametrize("rule", [BP(), DFA(), FA(), USF(), *BROADCAST.values()], ids=str)
def test_the_error_that_is_shown_is_of_the_readout_and_the_loss_cross_entropy(rule: Rule) -> None:
    case = Case(rule, NETWORKS["tree-shared"])
    case.parameters["readout.weight"] *= 3
    weights = case.weights()
    top = forward(case.network, case.layers(weights), case.inputs, torch.relu, cut=True)[-1].flatten(1)
    logits = top @ weights["readout.weight"].T
    expected = torch.nn.functional.cross_entropy(logits, case.labels, reduction="none")
    assert expected.std() > 0.1  # no stimulus stands for another
    error = torch.softmax(logits, -1) - case.target
    for observation in case.updates()[1]:
        torch.testing.assert_close(observation.third.loss, expected[None, :, None].detach(), rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(observation.third.signals["error"][0], error.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", BROADCAST)
def test_every_broadcast_rule_is_not_another(name: str) -> None:
    """Liveness: what is sent differs from DFA's where it should."""
    found, _ = Case(BROADCAST[name], NETWORKS["dense"]).updates()
    dfa, _ = Case(DFA(), NETWORKS["dense"]).updates()
    same = torch.allclose(found["layer1.weight"], dfa["layer1.weight"])
    assert same == (name in ("eprop-random", "eprop-learned"))


@pytest.mark.parametrize(
    "rule", [*BROADCAST.values(), FA(), USF(), USF(magnitude="random"), DFAProduct(upper_mask="sample")], ids=str
)
def test_the_same_lines_run_on_numpy(rule: Rule) -> None:
    assert_same_on_numpy(rule, Case(rule, NETWORKS["tree-shared"]))


def in_a_row(rule: Rule) -> Case:
    """Two neurons in a row, x = 2, W_1 = 0.5, W_2 = 3, two classes, target the first."""
    case = Case(rule, dense(1, (1, 1), 2), batch=1)
    weights = {"layer1.weight": [[0.5]], "layer2.weight": [[3.0]], "readout.weight": [[0.2], [-0.1]]}
    for name, value in weights.items():
        if name in case.parameters:
            case.parameters[name][0] = torch.tensor(value, dtype=torch.float64)
    case.inputs, case.target = torch.full((1, 1), 2.0).double(), torch.tensor([[1.0, 0.0]]).double()
    return case


def two_neurons(rule: Rule) -> tuple[dict[str, Tensor], float]:
    """All updates, and the error e_0 of the first class; that of the second is −e_0."""
    z = 3.0 * 0.5 * 2.0
    return in_a_row(rule).updates()[0], math.exp(0.2 * z) / (math.exp(0.2 * z) + math.exp(-0.1 * z)) - 1


def one_synapse(rule: Rule) -> tuple[float, dict[str, Tensor], float, float]:
    """The update of W_1, all weights, and both errors."""
    found, e0 = two_neurons(rule)
    return float(found["layer1.weight"]), in_a_row(rule).parameters, e0, -e0


def test_one_synapse_of_each_rule_by_hand() -> None:
    x = 2.0
    update, w, e0, e1 = one_synapse(SDFA())
    b0, b1 = (float(v) for v in w["layer1.B"].flatten())
    assert_by_hand(update, -(-b0 + b1) * x)
    update, w, e0, e1 = one_synapse(DRTP())
    assert_by_hand(update, -float(w["layer1.B"].flatten()[0]) * x)
    update, w, e0, e1 = one_synapse(EProp())
    b0, b1 = (float(v) for v in w["layer1.B"].flatten())
    assert_by_hand(update, -(b0 * e0 + b1 * e1) * x)
    update, w, e0, e1 = one_synapse(DFA())
    b0, b1 = (float(v) for v in w["layer1.B"].flatten())
    assert_by_hand(update, -(b0 * e0 + b1 * e1) * x)
    for rule in (BP(), EProp(feedback="symmetric"), DFAProduct(), DFAProduct(upper_mask="sample")):
        update, w, e0, e1 = one_synapse(rule)
        assert_by_hand(update, -3.0 * (0.2 * e0 - 0.1 * e1) * x)
    update, w, e0, e1 = one_synapse(FA())
    (first,), (b0, b1) = w["layer1.B"].flatten().tolist(), w["layer2.B"].flatten().tolist()
    assert_by_hand(update, -first * (b0 * e0 + b1 * e1) * x)
    update, w, e0, e1 = one_synapse(USF())
    size = 2**0.5  # fan-in 1 at both layers above
    assert_by_hand(update, -size * (size * e0 - size * e1) * x)


def test_one_synapse_of_the_controls_by_hand() -> None:
    found, e0 = two_neurons(LastLayer())
    assert_by_hand(found["layer1.weight"], 0.0)
    assert_by_hand(found["layer2.weight"], -(0.2 * e0 - 0.1 * -e0) * 0.5 * 2.0)
    found, _ = two_neurons(NoLearning())
    assert_by_hand(sum(float(update.abs().sum()) for update in found.values()), 0.0)


@pytest.mark.parametrize("topology", NETWORKS)
def test_no_learning_is_the_gradient_of_nothing(topology: str) -> None:
    case = Case(NoLearning(), NETWORKS[topology])
    found, seen = case.updates()
    assert len(seen) == case.depth
    assert not found
    measured("autograd", 0.0)


def test_unknown_kinds_of_feedback_are_refused() -> None:
    with pytest.raises(PlasticError, match="random, symmetric, learned"):
        EProp(feedback="wrong")
    with pytest.raises(PlasticError, match="uniform, random"):
        USF(magnitude="wrong")

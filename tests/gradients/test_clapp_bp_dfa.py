"""Contract 2: the explicit update is −∂(published loss)/∂W by autograd, in float64.

The networks and losses here are written apart from the simulators, with torch's autograd and
detached layer inputs.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import pytest
import torch
from harness import assert_by_hand, assert_equal_to_gradient, under_test
from torch import Tensor

from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.eligibility import Factored
from plastic.models.learning.learner import Learner, Observation
from plastic.models.network.layer import Layer, Network, dense, tree
from plastic.models.network.outer import Update, open_rows
from plastic.models.network.parameters import he_std, initial_parameters, specification
from plastic.rules import BP, CLAPP, DFA, Rule

BATCH, CLASSES = 60, 5
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "tanh": torch.tanh}
NETWORKS = {
    "dense": dense(12, (10, 9, 8), CLASSES),
    "tree-shared": tree(8, 3, 2, (7, 6, 5), CLASSES, shared=True),
    "tree-local": tree(8, 3, 2, (7, 6, 5), CLASSES, shared=False),
    "tree-two-positions-left": tree(8, 3, 2, (7, 6), CLASSES, shared=True),
}


def forward(network: Network, weights: list[Tensor], x: Tensor, rho: Callable[[Tensor], Tensor], cut: bool) -> list:
    """Layer outputs (batch, positions, neurons) for one member; `cut` detaches every layer's input."""
    outputs = []
    for layer, weight in zip(network.layers, weights, strict=True):
        below = x.detach() if cut else x
        patches = below.reshape(len(x), layer.positions, layer.fan_in)
        form = "bpk,nk->bpn" if layer.shared else "bpk,pnk->bpn"
        x = rho(torch.einsum(form, patches, weight))
        outputs.append(x)
    return outputs


class Case:
    """A rule on a network with drawn weights, inputs, fixations and targets, all float64."""

    def __init__(self, rule: Rule, network: Network, activation: str, seed: int = 0) -> None:
        self.rule, self.network, self.activation = rule, network, activation
        specified = specification(network, rule, he_std(network))
        self.parameters = initial_parameters(specified, [seed], torch.float64, torch.device("cpu"))
        draw = torch.Generator().manual_seed(seed)
        self.before = torch.randn(BATCH, network.inputs, generator=draw, dtype=torch.float64)
        self.inputs = torch.randn(BATCH, network.inputs, generator=draw, dtype=torch.float64)
        self.fixation = torch.randint(0, 2, (BATCH, 1), generator=draw).double() * 2 - 1
        labels = torch.randint(0, CLASSES, (BATCH,), generator=draw)
        self.labels, self.target = labels, torch.eye(CLASSES, dtype=torch.float64)[labels]
        self.plastic = frozenset(name for name, s in specified.items() if s.plastic)

    def weights(self) -> dict[str, Tensor]:
        """Leaf copies of all weights of the one member, for autograd."""
        return {k: v[0].clone().requires_grad_() for k, v in self.parameters.items()}

    def updates(self) -> tuple[dict[str, Tensor], list[Observation]]:
        """What the Learner would add to each weight, and what it saw."""
        under_test(self.rule)
        found: dict[str, Tensor] = {}
        seen: list[Observation] = []

        def collect(name: str, weight: Tensor, update: Update, state: object) -> None:
            found[name] = update.value()[0].clone()

        learner = Learner(self.network, self.rule, self.parameters, collect, self.plastic)
        responses = RateSimulator(self.network, self.rule, self.activation).respond(
            self.parameters, self.inputs[None], self.before[None]
        )
        learner.learn(responses, self.fixation[None], self.target[None], lambda _, o: seen.append(o))
        return found, seen


def scale_predictions(case: Case) -> None:
    """Blow the lateral weights up until hinges are partly open, partly closed in every layer."""
    weights = [case.parameters[f"layer{i + 1}.weight"][0] for i in range(len(case.network.layers))]
    rho = ACTIVATIONS[case.activation]
    past = forward(case.network, weights, case.before, rho, cut=True)
    now = forward(case.network, weights, case.inputs, rho, cut=True)
    for index, (c, z) in enumerate(zip(past, now, strict=True)):
        c, z = (x.mean(1) if case.rule.summary == "mean" else x.flatten(1) for x in (c, z))
        for name, a, b in (("W_pred", z, c), ("W_retro", c, z)):
            if (lateral := case.parameters.get(f"layer{index + 1}.{name}")) is not None:
                lateral *= 3 / torch.einsum("bi,ij,bj->b", a, lateral[0], b).abs().median()


CLAPP_FORMS = {
    "current": CLAPP(),
    "current-mean": CLAPP(summary="mean"),
    "both-symmetric": CLAPP(sides="both"),
    "both-symmetric-mean": CLAPP(sides="both", summary="mean"),
    "both-asymmetric": CLAPP(sides="both", symmetric=False),
}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize("form", CLAPP_FORMS)
def test_clapp_is_the_gradient_of_its_hinge_loss(form: str, topology: str, activation: str) -> None:
    rule = CLAPP_FORMS[form]
    case = Case(rule, NETWORKS[topology], activation)
    scale_predictions(case)
    found, seen = case.updates()
    weights = case.weights()
    layers = [weights[f"layer{i + 1}.weight"] for i in range(len(case.network.layers))]
    past = forward(case.network, layers, case.before, ACTIVATIONS[activation], cut=True)
    now = forward(case.network, layers, case.inputs, ACTIVATIONS[activation], cut=True)
    y, loss = case.fixation[:, 0], torch.zeros((), dtype=torch.float64)
    for index, (c, z) in enumerate(zip(past, now, strict=True)):
        c, z = (x.mean(1) if rule.summary == "mean" else x.flatten(1) for x in (c, z))
        predict = weights[f"layer{index + 1}.W_pred"]
        if rule.sides == "current":
            c = c.detach()
        detached_c = c.detach() if not rule.symmetric else c
        loss = loss + torch.relu(1 - y * torch.einsum("bi,ij,bj->b", z, predict, detached_c)).sum()
        if rule.sides == "both" and not rule.symmetric:
            retrodict = weights[f"layer{index + 1}.W_retro"]
            loss = loss + torch.relu(1 - y * torch.einsum("bi,ij,bj->b", c, retrodict, z.detach())).sum()
    for observation in seen:
        opened = (observation.third.current.gate != 0).double().mean()
        assert 0.2 <= opened <= 0.8, f"{opened:.2f} of the gates are open: the test would not see both"
        if rule.sides == "both" and not rule.symmetric:
            assert observation.third.context is not None
            retro = observation.third.context.gate != 0
            assert 0.2 <= retro.double().mean() <= 0.8
            assert (retro != (observation.third.current.gate != 0)).any(), "the two gates never differ"
    assert len(found) == len(layers) * (3 if not rule.symmetric else 2)
    assert_equal_to_gradient(found, loss, weights)
    if rule.symmetric:  # else it shows the loss of the prediction alone
        torch.testing.assert_close(sum(o.third.loss.sum() for o in seen), loss.detach())


@pytest.mark.parametrize("form", CLAPP_FORMS)
def test_leaving_out_closed_gates_is_exact(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that large layers take, forced on small ones, against the same gradient."""
    chosen: list[int] = []

    def rows(gate: object, batch: int, work: int) -> list[Tensor] | None:
        found = open_rows(gate, batch, work)
        chosen.extend(len(own) for own in found or [])
        return found

    monkeypatch.setattr("plastic.models.network.outer.WORTHWHILE", 0)
    monkeypatch.setattr("plastic.models.learning.eligibility.open_rows", rows)
    for topology in NETWORKS:
        test_clapp_is_the_gradient_of_its_hinge_loss(form, topology, "relu")
    assert chosen, "no layer left anything out"
    assert 0 < min(chosen) < BATCH


@pytest.mark.parametrize("shape", [(3, 1, 1), ()])
def test_one_gate_may_stand_for_all_stimuli(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule of one's own may gate a whole member; every stimulus is then credited, or none."""
    monkeypatch.setattr("plastic.models.network.outer.WORTHWHILE", 0)
    draw = functools.partial(torch.randn, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    post, pre, dendrite = draw(3, 1, BATCH, 1, 6), draw(3, 1, BATCH, 1, 4), draw(3, BATCH, 1, 6)
    gate = torch.ones(shape, dtype=torch.float64)
    if shape:
        gate[0] = 0
    modulator = gate[..., None] * dendrite if shape else dendrite
    found = Factored(Layer(1, 4, 6), post, pre).credit(modulator, gate).value()
    torch.testing.assert_close(found, torch.einsum("ebpn,etbpn,etbpk->enk", modulator, post, pre))
    assert found[1:].abs().min() > 1e-4


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("topology", NETWORKS)
def test_bp_is_the_gradient_of_cross_entropy(topology: str, activation: str) -> None:
    case = Case(BP(), NETWORKS[topology], activation)
    found, seen = case.updates()
    weights = case.weights()
    layers = [weights[f"layer{i + 1}.weight"] for i in range(len(case.network.layers))]
    top = forward(case.network, layers, case.inputs, ACTIVATIONS[activation], cut=False)[-1].flatten(1)
    loss = torch.nn.functional.cross_entropy(top @ weights["readout.weight"].T, case.labels, reduction="sum")
    if activation == "relu":
        assert all(0.2 <= o.response.post.mean() <= 0.8 for o in seen)
    assert_equal_to_gradient(found, loss, weights)
    shown = torch.stack([o.third.loss.sum() for o in seen])  # type: ignore[union-attr]
    torch.testing.assert_close(shown, loss.detach().expand(len(shown)))


class MaskedReLU(torch.autograd.Function):
    """ReLU whose backward pass multiplies by the batch mean of its derivative, or by nothing."""

    @staticmethod
    def forward(ctx, a: Tensor, mask: str) -> Tensor:
        ctx.mask = mask
        ctx.save_for_backward(a)
        return a.clamp(min=0)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (a,) = ctx.saved_tensors
        derivative = (a > 0).double()
        factor = {"sample": derivative, "batch": derivative.mean(0, keepdim=True), "none": 1.0}[ctx.mask]
        return grad * factor, None


@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize(("mask", "upper"), list(itertools.product(["sample", "batch", "none"], repeat=2)))
def test_masked_bp_is_autograd_through_a_masked_backward_pass(topology: str, mask: str, upper: str) -> None:
    """Own mask and upper masks are set apart, layer by layer: each layer's own weights see `mask`,
    the chain that comes down to it sees `upper`."""
    case = Case(BP(mask=mask, upper_mask=upper), NETWORKS[topology], "relu")  # type: ignore[arg-type]
    found, _ = case.updates()
    depth = len(case.network.layers)
    plain = [case.parameters[f"layer{i + 1}.weight"][0] for i in range(depth)]
    for index in range(depth):
        weights = [w.clone().requires_grad_(i == index) for i, w in enumerate(plain)]
        x = case.inputs
        for i, (layer, weight) in enumerate(zip(case.network.layers, weights, strict=True)):
            patches = x.reshape(BATCH, layer.positions, layer.fan_in)
            form = "bpk,nk->bpn" if layer.shared else "bpk,pnk->bpn"
            x = MaskedReLU.apply(torch.einsum(form, patches, weight), mask if i == index else upper)
        logits = x.flatten(1) @ case.parameters["readout.weight"][0].T
        loss = torch.nn.functional.cross_entropy(logits, case.labels, reduction="sum")
        name = f"layer{index + 1}.weight"
        assert_equal_to_gradient({name: found[name]}, loss, {name: weights[index]})


@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize("summary", ["flat", "mean"])
@pytest.mark.parametrize("mask", ["sample", "batch", "none"])
def test_dfa_is_the_gradient_of_its_local_alignment_loss(topology: str, summary: str, mask: str) -> None:
    """DFA descends Σ ⟨B e, z⟩ of each layer with e held fixed; its readout descends cross-entropy."""
    rule = DFA(summary=summary, mask=mask)  # type: ignore[arg-type]
    case = Case(rule, NETWORKS[topology], "relu")
    found, _ = case.updates()
    weights = case.weights()
    layers = [weights[f"layer{i + 1}.weight"] for i in range(len(case.network.layers))]
    x, outputs = case.inputs, []
    for layer, weight in zip(case.network.layers, layers, strict=True):
        patches = x.detach().reshape(BATCH, layer.positions, layer.fan_in)
        form = "bpk,nk->bpn" if layer.shared else "bpk,pnk->bpn"
        x = MaskedReLU.apply(torch.einsum(form, patches, weight), mask)
        outputs.append(x)
    logits = outputs[-1].flatten(1).detach() @ weights["readout.weight"].T
    error = (torch.softmax(logits, -1) - case.target).detach()
    loss = torch.nn.functional.cross_entropy(logits, case.labels, reduction="sum")
    for index, z in enumerate(outputs):
        seen = z.flatten(1) if summary == "flat" else z.mean(1)
        loss = loss + (seen * (error @ case.parameters[f"layer{index + 1}.B"][0].T)).sum()
    assert set(found) == {f"layer{i + 1}.weight" for i in range(len(layers))} | {"readout.weight"}
    assert_equal_to_gradient(found, loss, weights)


def test_one_clapp_synapse_by_hand() -> None:
    """Two inputs, one neuron, two stimuli: every factor in plain numbers."""
    case = Case(CLAPP(), dense(2, (1,), CLASSES), "relu")
    case.parameters["layer1.weight"][0] = torch.tensor([[0.5, -0.25]], dtype=torch.float64)
    case.parameters["layer1.W_pred"][0] = torch.tensor([[0.8]], dtype=torch.float64)
    case.before, case.inputs = torch.tensor([[2.0, 0.0]]).double(), torch.tensor([[1.0, -2.0]]).double()
    case.fixation, case.target = torch.tensor([[1.0]]).double(), case.target[:1]
    found, _ = case.updates()
    c, z = 0.5 * 2.0, 0.5 * 1.0 + 0.25 * 2.0
    assert 0.8 * z * c < 1  # the hinge is open
    gate, dendrite, post = 1.0, 0.8 * c, 1.0
    assert_by_hand(found["layer1.weight"][0, 0], gate * dendrite * post * 1.0)
    assert_by_hand(found["layer1.weight"][0, 1], gate * dendrite * post * -2.0)
    assert_by_hand(found["layer1.W_pred"], gate * z * c)
    case.fixation[:] = -1  # a saccade: −1 · (W_pred c), the hinge 1 + 0.8 is open as well
    found, _ = case.updates()
    assert_by_hand(found["layer1.weight"][0, 0], -dendrite)
    assert_by_hand(found["layer1.weight"][0, 1], 2 * dendrite)

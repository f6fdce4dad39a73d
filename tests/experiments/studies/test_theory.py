"""The theory figures: against autograd of the authors' loss, the library's convolution, and the theorem."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from plastic.experiments.studies.theory_gradients import Compared, matched
from plastic.experiments.studies.theory_inputs import (
    CROP,
    _box,
    by_quadrants,
    convolutions,
    drawn,
    patched,
    perceptron,
    views,
    ways,
)
from plastic.experiments.studies.theory_training import Learning
from plastic.models.studies.updates import cosine

DTYPE = torch.float64


def pair(inputs: int, streams: int = 12):
    draw = torch.Generator().manual_seed(1)
    source, one, other = torch.randn(3, streams, inputs, generator=draw, dtype=DTYPE)
    return source + 0.5 * one, source + 0.5 * other


def authors_loss(z, c, b, f):
    """Mean over streams of f(u⁺) + f(−u⁻), the negative of a stream being the next one (loss.py, ClappFlexLoss)."""
    positive, negative = ((x @ b * c.detach()).sum(1) for x in (z, z.roll(-1, 0)))
    if f == "linear":
        return negative - positive
    return -F.logsigmoid(positive - 1) - F.logsigmoid(-negative - 1)


def layers(x, weights, activation, pools, blocked):
    """Activities as circuits see them and as the next layer does: a plain network with biases, or convolutions."""
    seen = []
    for weight, pool in zip(weights, pools or [0] * len(weights), strict=True):
        x = x.detach() if blocked else x
        if pools:  # (n, channels, row, column); columns of the weight are (row, column, channel)
            kernel = weight.view(len(weight), 2, 2, -1).permute(0, 3, 1, 2)
            x = F.conv2d(x, kernel, stride=2)
            seen.append(by_quadrants_of_maps(F.avg_pool2d(x, pool)))
        else:
            x = activation(x @ weight[:, : x.shape[1]].T + (weight[:, -1] if weight.shape[1] > x.shape[1] else 0))
            seen.append(x)
    return seen


def by_quadrants_of_maps(x):
    n, channels, side, _ = x.shape
    return by_quadrants(x.reshape(-1, side, side)).view(n, channels, -1).mT.flatten(1)


CASES = [
    ("biased", "softplus", "lateral", "relu"),
    ("biased", "softplus", "dfb", "relu"),
    ("plain", "linear", "dfb", "linear"),
    ("pooled", "softplus", "lateral", "linear"),
    ("pooled", "softplus", "dfb", "linear"),
]


@pytest.mark.parametrize(("kind", "f", "feedback", "activation"), CASES)
def test_cosines_and_norms_are_those_of_autograd(kind: str, f: str, feedback: str, activation: str) -> None:
    """Both ways, B of its own for each; the reference's loss is of the top layer alone."""
    pools = (2, 1, 1, 1) if kind == "pooled" else ()
    network = convolutions((3, 4, 3, 2), pools) if pools else perceptron(9, (7, 6, 5), kind == "biased")
    if pools:
        maps = torch.randn(2, 12, CROP, CROP, dtype=DTYPE, generator=torch.Generator().manual_seed(2))
        given, inputs = tuple(by_quadrants(m) for m in maps), tuple(m[:, None] for m in maps)
    else:
        inputs = given = pair(9)
    compared = Compared.of(network, f, feedback, activation)
    weights, circuits = drawn(network, False, 0, DTYPE), compared.matrices(0, DTYPE)
    row = compared.row(weights, circuits, ways(given))

    own = [w[0].clone().requires_grad_() for w in weights.values()]
    rho = torch.relu if activation == "relu" else lambda a: a
    gradients = []
    for blocked in (True, False):
        one, other = (layers(x, own, rho, pools, blocked) for x in inputs)
        total = torch.zeros((), dtype=DTYPE)
        for way, (z, c) in zip(circuits, ((one, other), (other, one)), strict=True):
            for index, b in enumerate(way.values()):
                if blocked or index == len(own) - 1:
                    context = c[index] if feedback == "lateral" else c[-1]
                    total = total + authors_loss(z[index], context, b[0], f).sum() / 24
        gradients.append(torch.autograd.grad(total, own))
    for index, (local, overall) in enumerate(zip(*gradients, strict=True)):
        assert row["cosine"][index] == pytest.approx(cosine(local, overall), abs=1e-12)
        assert row["difference"][index] == pytest.approx(float((local - overall).norm() / overall.norm()), abs=1e-12)
        assert row["reference_norm"][index] == pytest.approx(float(overall.norm()))
    assert abs(row["cosine"][0]) < 0.99


@pytest.mark.parametrize("f", ["softplus", "linear"])
def test_the_fitted_b_has_no_gradient(f: str) -> None:
    compared = Compared.of(perceptron(9, (7, 6, 5)), f, "dfb", "relu")
    weights, batches = drawn(compared.network, False, 0, DTYPE), ways(pair(9))
    circuits = compared.fitted(weights, batches, f, 0.01)
    for own, change in zip(circuits, compared.local(weights, circuits, batches), strict=True):
        for name, b in own.items():  # the update is −∂(sum over 12 of 24 terms)/∂B
            assert float((change[name] / 24 - 0.01 * b).norm()) < 1e-9 * float(b.norm())


def test_theorem_on_pairs_of_two_ways() -> None:
    """Orthonormal: the local update is the global one, and the null knows; not so with other weights."""
    compared = Compared.of(perceptron(12, (8, 8, 8)), "softplus", "lateral", "linear")
    for orthonormal in (True, False):
        weights, batches = drawn(compared.network, orthonormal, 0, DTYPE), ways(pair(12))
        row = compared.row(weights, compared.fitted(weights, batches, "softplus", 0.01), batches, 0)
        assert (max(row["difference"]) < 1e-8) == orthonormal
        assert abs(row["null"][0]) < 0.5


@pytest.mark.parametrize("layer", [0, 1])
def test_the_tree_is_a_convolution_of_2_by_2(layer: int) -> None:
    network = convolutions((3, 4), (1, 1))
    image = torch.randn(1, CROP, CROP, dtype=DTYPE)
    weights = [w[0] for w in drawn(network, True, 0, DTYPE).values()]
    seen = layers(image[:, None], weights, None, (1, 1), False)[layer]
    x = by_quadrants(image)[None]
    for one, weight in zip(network.layers[: layer + 1], weights, strict=False):
        x = one.drive(weight[None], one.patches(x)).flatten(2)
    assert torch.allclose(x[0], seen)


def test_pairs_are_patches_one_below_the_other() -> None:
    images = torch.arange(2 * 28 * 28.0).view(2, 28, 28)
    above, below = patched(images)
    assert above.shape == below.shape == (4, 196)
    assert torch.equal(below - above, torch.full((4, 196), 14 * 28.0))
    assert torch.equal(above[1], images[1, :14, :14].flatten())
    assert torch.equal(above[2], images[0, :14, 14:].flatten())


def test_views_are_crops_and_half_of_them_are_erased() -> None:
    draw = torch.Generator().manual_seed(0)
    one, other = views(torch.ones(200, 28, 28), draw)
    assert one.shape == (200, CROP**2)
    erased = (one == 0).any(1).double().mean()
    assert 0.35 < erased < 0.65
    assert torch.allclose(one[one != 0], torch.ones(()))
    assert not torch.equal(one, other)
    sizes = [box[2] * box[3] / 28**2 for _ in range(300) if (box := _box(28, (0.15, 1.0), (0.75, 4 / 3), draw))]
    assert 0.12 < min(sizes) < 0.25
    assert max(sizes) > 0.85


def small(arm) -> Learning:
    return Learning(arm, 0, (8, 7, 6), inputs=9, dtype=DTYPE)


def test_matched_feedback_goes_down_the_difference_of_the_gradients() -> None:
    """By finite differences, through the gates."""
    learning = small("matched")
    batches = ways(pair(9))
    change = learning._changes(batches, 24)[0]["layer2.B_top"][0]
    own, direction = learning.circuits[0], torch.randn(7, 6, dtype=DTYPE, generator=torch.Generator().manual_seed(3))

    def distance(step: float) -> float:
        """Σ ‖∂L/∂z of the local loss − of the global one‖², by autograd of the authors' loss."""
        w = [learning.weights[f"layer{i}.weight"][0] for i in (1, 2, 3)]
        one, other = (layers(x, w, torch.relu, (), False) for x in pair(9))
        z = one[1].clone().requires_grad_()
        top = torch.relu(z @ w[2][:, :-1].T + w[2][:, -1])
        overall = authors_loss(top, other[2], own["layer3.B_top"][0], "softplus").sum() / 24
        b = own["layer2.B_top"][0] + step * direction
        local = authors_loss(z, other[2], b, "softplus").sum() / 24
        return float((torch.autograd.grad(local, z)[0] - torch.autograd.grad(overall, z)[0]).square().sum())

    slope = (distance(1e-5) - distance(-1e-5)) / 2e-5
    assert -float((change * direction).sum()) == pytest.approx(slope, rel=1e-5)
    assert matched.__doc__


@pytest.mark.parametrize(("arm", "learns"), [("local", True), ("dfb", True), ("matched", True), ("fixed", False)])
def test_what_learns_in_each_arm(arm, learns: bool) -> None:
    learning = small(arm)
    before = [{k: v.clone() for k, v in own.items()} for own in (learning.weights, *learning.circuits)]
    for _ in range(3):
        learning.step(pair(9))
    now = [learning.weights, *learning.circuits]
    for old, new in zip(before, now, strict=True):
        for name, value in new.items():
            moves = learns or name.endswith("weight") or name.startswith("layer3")
            assert torch.equal(value, old[name]) != moves, name

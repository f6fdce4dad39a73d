"""Convolution and max-pooling: the maps of the layer interface against torch's own, and against a plain loop."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from plastic.errors import PlasticError
from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.eligibility import Factored
from plastic.models.learning.learner import Learner
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.compiled import compiled
from plastic.models.network.convolution import Convolution
from plastic.models.network.parameters import he_std, initial_parameters, specification
from plastic.networks.of_task import vgg
from plastic.rules import CLAPPpp


def layer_of(side: int, channels: int, neurons: int, kernel: int, pool: int, cells: int = 1) -> Convolution:
    fan_in = channels * kernel**2
    return Convolution(
        (side // pool) ** 2, fan_in, neurons, side=side, channels=channels, kernel=kernel, pool=pool, cells=cells
    )


def draw(layer: Convolution, members: int, batch: int, seed: int) -> tuple[torch.Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    shapes = (
        (members, *layer.weight_shape),
        (members, batch, layer.side**2 * layer.channels),
        (members, batch, layer.positions, layer.neurons),
    )
    return tuple(torch.randn(shape, generator=random, dtype=torch.float64) for shape in shapes)


kernels, small = st.sampled_from([1, 3, 5]), st.integers(1, 3)


@given(st.integers(2, 7), small, small, kernels, st.integers(1, 3), small, small, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_drive_back_and_correlate_are_one_bilinear_form(
    side: int, channels: int, neurons: int, kernel: int, pool: int, members: int, batch: int, seed: int
) -> None:
    """⟨W x, δ⟩ = ⟨x, Wᵀ δ⟩ = ⟨W, δ xᵀ⟩ through the winners, also where the map is no multiple of the window."""
    layer = layer_of(side, channels, neurons, kernel, min(pool, side))
    weight, x, post = draw(layer, members, batch, seed)
    drive, winner = layer.compete(weight, layer.patches(x))
    forms = (
        (drive * post).sum(),
        (x * layer.back(weight, post, winner)).sum(),
        (weight * layer.correlate(post, layer.patches(x), winner).value()).sum(),
    )
    torch.testing.assert_close(forms[1], forms[0])
    torch.testing.assert_close(forms[2], forms[0])


@pytest.mark.parametrize(("side", "pool"), [(6, 1), (6, 2), (7, 2), (7, 3)])
def test_rectify_then_pool_is_the_same_as_pool_then_rectify(side: int, pool: int) -> None:
    """As the published networks write it, forward and backward, for each member of an ensemble."""
    layer = layer_of(side, 2, 4, 3, pool)
    weight, x, post = draw(layer, 3, 5, 0)
    weight, x = weight - 0.15 * pool, x.abs()  # else the largest of a window is rarely below zero
    drive, winner = layer.compete(weight, layer.patches(x))
    credited = post * (drive > 0)
    update, down = layer.correlate(credited, layer.patches(x), winner).value(), layer.back(weight, credited, winner)
    for member in range(3):
        own = weight[member].reshape(4, 3, 3, 2).permute(0, 3, 1, 2).clone().requires_grad_()
        image = x[member].reshape(5, side, side, 2).permute(0, 3, 1, 2).clone().requires_grad_()
        z = F.max_pool2d(torch.relu(F.conv2d(image, own, padding=1)), pool)
        expected = torch.relu(drive[member]).reshape(5, side // pool, side // pool, 4).permute(0, 3, 1, 2)
        torch.testing.assert_close(z, expected)
        assert 0.05 < (z == 0).double().mean() < 0.95
        signal = post[member].reshape(5, side // pool, side // pool, 4).permute(0, 3, 1, 2)
        grads = torch.autograd.grad((z * signal).sum(), (own, image))
        torch.testing.assert_close(update[member], grads[0].permute(0, 2, 3, 1).reshape(4, 18))
        torch.testing.assert_close(down[member], grads[1].permute(0, 2, 3, 1).reshape(5, -1))


def test_eligibility_per_synapse_is_the_winners_patch() -> None:
    """One pixel, neuron and weight after the other."""
    layer = layer_of(5, 2, 3, 3, 2)
    weight, x, post = draw(layer, 1, 2, 1)
    drive, winner = layer.compete(weight, layer.patches(x))
    assert winner is not None
    eligibility = Factored(layer, post[:, None], layer.patches(x)[:, None], winner=winner[:, None]).per_synapse()
    image = F.pad(x.reshape(2, 5, 5, 2), (0, 0, 1, 1, 1, 1))
    for b in range(2):
        for position in range(4):
            row, column = 2 * (position // 2), 2 * (position % 2)
            for i in range(3):
                patches = [
                    image[b, row + dy : row + dy + 3, column + dx : column + dx + 3].flatten()
                    for dy in range(2)
                    for dx in range(2)
                ]
                best = max(patches, key=lambda patch: float(weight[0, i] @ patch))
                assert float(weight[0, i] @ best) == pytest.approx(drive[0, b, position, i].item())
                torch.testing.assert_close(eligibility[0, b, position, i], post[0, b, position, i] * best)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", ["mean", "flat"])
def test_route_is_the_transpose_of_summarise(kind: str, whole: bool) -> None:
    layer = Convolution(16, 9, 4, side=8, pool=2, cells=2, whole_circuit=whole)
    random = torch.Generator().manual_seed(0)
    z = torch.randn(2, 5, 16, 4, generator=random, dtype=torch.float64)
    signal = torch.randn(2, 5, layer.summary_units(kind), generator=random, dtype=torch.float64)  # type: ignore[arg-type]
    left = (layer.summarise(z, kind) * signal).sum()  # type: ignore[arg-type]
    torch.testing.assert_close((z * layer.route(signal, kind)).sum(), left)  # type: ignore[arg-type]


def test_a_cell_of_the_grid_is_a_mean_of_its_own_pixels() -> None:
    layer = Convolution(16, 9, 1, side=4, cells=2)
    z = torch.arange(16.0).view(1, 1, 16, 1)
    assert layer.features(z).tolist() == [[[2.5, 4.5, 10.5, 12.5]]]


PUBLISHED = {  # side of the images: maps after pooling, the pools of the loss in the authors' scripts, its grids
    96: ([96, 48, 48, 24, 12, 6], [12, 12, 12, 6, 6, 3], [8, 4, 4, 4, 2, 2]),  # STL-10
    64: ([64, 32, 32, 16, 8, 4], [8, 8, 8, 4, 4, 2], [8, 4, 4, 4, 2, 2]),  # Tiny ImageNet
    32: ([32, 16, 16, 8, 4, 2], [4, 4, 4, 2, 2, 1], [8, 4, 4, 4, 2, 2]),  # CIFAR-10; their script has those of STL-10
}


@pytest.mark.parametrize("side", PUBLISHED)
def test_the_network_is_the_published_one(side: int) -> None:
    """VGG-6 of Wu et al. (arXiv 2601.21683), whose loss sees every map through an average pooling."""
    layers = compiled(vgg(side, 3, 128, 6, 10, whole_circuit=False)).layers
    assert all(isinstance(layer, Convolution) for layer in layers)
    convolutions = [layer for layer in layers if isinstance(layer, Convolution)]
    maps, pools, grids = PUBLISHED[side]
    assert [n.neurons for n in layers] == [128, 256, 256, 512, 1024, 1024]
    assert [(n.kernel, n.channels) for n in convolutions] == [(3, c) for c in (3, 128, 256, 256, 512, 1024)]
    assert [n.pool for n in convolutions] == [1, 2, 1, 2, 2, 2]
    assert [n.map_side for n in convolutions] == maps
    assert [n.cells for n in convolutions] == [m // p for m, p in zip(maps, pools, strict=True)] == grids
    assert sum(n.summary_units("flat") for n in layers) == 32768  # features of the published readout


@pytest.mark.parametrize("side", PUBLISHED)
def test_a_cell_is_the_published_average_pooling(side: int) -> None:
    for layer, pool in zip(
        compiled(vgg(side, 3, 2, 6, 10, whole_circuit=False)).layers, PUBLISHED[side][1], strict=True
    ):
        assert isinstance(layer, Convolution)
        z = torch.randn(1, 3, layer.positions, layer.neurons, generator=torch.Generator().manual_seed(side))
        image = z[0].reshape(3, layer.map_side, layer.map_side, layer.neurons).permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(image, pool).permute(0, 2, 3, 1).reshape(1, 3, -1)
        torch.testing.assert_close(layer.summarise(z, "flat"), pooled)


def test_images_whose_maps_do_not_halve_evenly() -> None:
    small = compiled(vgg(28, 1, 8, 6, 10, whole_circuit=False)).layers
    assert [n.positions for n in small] == [28**2, 14**2, 14**2, 49, 9, 1]


@pytest.mark.parametrize(("side", "depth", "named"), [(8, 6, "lower --depth to 5"), (32, 7, "at most 6 layers")])
def test_a_stack_that_does_not_fit_is_refused(side: int, depth: int, named: str) -> None:
    with pytest.raises(PlasticError, match=named):
        vgg(side, 1, 4, depth, 10, whole_circuit=False)


def test_layers_learn_one_at_a_time_from_the_held_top(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer has learned before the next one responds, though the top layer's held response is read."""
    network, rule = compiled(vgg(8, 1, 4, 3, 3, whole_circuit=False)), CLAPPpp(feedback="dfb")
    specified = specification(network, rule, he_std(network))
    parameters = initial_parameters(specified, [0], torch.float64, torch.device("cpu"))
    rates = torch.tensor([1e-3], dtype=torch.float64)
    learner = Learner(network, rule, parameters, make_optimizer("sgd", rates), frozenset(parameters))
    simulator, events, contexts = RateSimulator(network, rule), [], []
    original = CLAPPpp.third_factor
    monkeypatch.setattr(CLAPPpp, "third_factor", lambda *a: (contexts.append(a[1].top_context), original(*a))[1])

    def watched(x: torch.Tensor):
        for index, response in enumerate(simulator.respond(parameters, x)):
            events.append(("responds", index))
            tops.append(response.activity)
            yield response

    tops: list[torch.Tensor] = []
    y = torch.tensor([1.0, 1, 1, -1, 1, 1], dtype=torch.float64).view(1, 6, 1)
    for number in range(2):
        x = torch.randn(1, 6, 64, generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        learner.learn(watched(x), y, y.expand(1, 6, 3), lambda index, _: events.append(("learns", index)))
    assert events == 2 * [(what, index) for index in range(3) for what in ("responds", "learns")]
    assert [bool((c != 0).any()) for c in contexts] == [False] * 3 + [True] * 3
    assert all(torch.equal(c, tops[2].flatten(2)) for c in contexts[3:])

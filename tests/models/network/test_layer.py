"""The linear maps of a projection belong together: forward, its transpose, and its weight gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.errors import PlasticError
from plastic.models.network.layer import Layer, dense, tree

sizes = st.integers(1, 5)


@given(sizes, sizes, sizes, sizes, sizes, st.booleans(), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_drive_back_and_correlate_are_one_bilinear_form(
    members: int, batch: int, positions: int, fan_in: int, neurons: int, shared: bool, seed: int
) -> None:
    """⟨W x, δ⟩ = ⟨x, Wᵀ δ⟩ = ⟨W, δ xᵀ⟩ for every W, x, δ."""
    layer = Layer(positions, fan_in, neurons, shared)
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(members, *layer.weight_shape, generator=draw, dtype=torch.float64)
    x = torch.randn(members, batch, positions * fan_in, generator=draw, dtype=torch.float64)
    post = torch.randn(members, batch, positions, neurons, generator=draw, dtype=torch.float64)
    patches = layer.patches(x)
    forms = (
        (layer.drive(weight, patches) * post).sum(),
        (x * layer.back(weight, post)).sum(),
        (weight * layer.correlate(post, patches).value()).sum(),
    )
    torch.testing.assert_close(forms[1], forms[0])
    torch.testing.assert_close(forms[2], forms[0])


@pytest.mark.parametrize("kind", ["mean", "flat"])
def test_route_is_the_transpose_of_summarise(kind: str) -> None:
    layer = Layer(3, 2, 4)
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(2, 5, 3, 4, generator=draw, dtype=torch.float64)
    signal = torch.randn(2, 5, layer.summary_units(kind), generator=draw, dtype=torch.float64)  # type: ignore[arg-type]
    left = (layer.summarise(z, kind) * signal).sum()  # type: ignore[arg-type]
    torch.testing.assert_close((z * layer.route(signal, kind)).sum(), left)  # type: ignore[arg-type]


def test_patch_p_reads_its_own_part_of_the_layer_below() -> None:
    layer = tree(4, 2, 2, (1,), 2).layers[0]
    x = torch.arange(8.0).view(1, 1, 8)
    assert layer.patches(x).tolist() == [[[[0, 1, 2, 3], [4, 5, 6, 7]]]]


def test_a_tree_ends_in_one_position_and_a_dense_network_has_one() -> None:
    network = tree(8, 3, 2, (7, 6, 5), 4)
    assert [(n.positions, n.fan_in, n.neurons) for n in network.layers] == [(4, 6, 7), (2, 14, 6), (1, 12, 5)]
    assert [(n.positions, n.fan_in) for n in dense(6, (5, 4), 2).layers] == [(1, 6), (1, 5)]


def test_a_tree_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PlasticError, match="layer 2 would group 3 positions by 2"):
        tree(6, 1, 2, (4, 4), 2)


def test_shapes_are_checked_in_tests() -> None:
    """jaxtyping and beartype are on: a weight without its ensemble axis is refused."""
    layer = Layer(1, 2, 3)
    with pytest.raises(Exception, match="Type-check"):
        layer.drive(torch.zeros(1, 3, 2), torch.zeros(4, 2))

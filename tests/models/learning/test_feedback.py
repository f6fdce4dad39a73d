"""The way down through layers of several positions, of the learner and of the reference, against matrices written out.

The conformance cases end in one position after two layers, so that no chain of theirs passes through such a layer.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plastic.models.backends.reference.memory import Above
from plastic.models.learning.feedback import Upward
from plastic.models.network.layer import Layer

BATCH = 3


def matrix(layer: Layer, weight: np.ndarray) -> np.ndarray:
    """W of the whole layer: (units, units below), zero where there is no synapse."""
    whole = np.zeros((layer.units, layer.positions * layer.fan_in))
    for p in range(layer.positions):
        for i in range(layer.neurons):
            for j in range(layer.fan_in):
                own = weight[i, j] if layer.shared else weight[p, i, j]
                whole[p * layer.neurons + i, p * layer.fan_in + j] = own
    return whole


@pytest.mark.parametrize("mask", ["sample", "batch", "none"])
@pytest.mark.parametrize("shared", [True, False])
def test_what_is_sent_down_is_the_transposed_matrix(shared: bool, mask: str) -> None:
    random = np.random.default_rng(0)
    layers = [Layer(1, 14, 3), Layer(2, 10, 7, shared), Layer(5, 4, 4, shared)]  # from the readout down
    above: Above | None = None
    upward: Upward | None = None
    product = np.stack([np.eye(3)] * BATCH)
    for layer in layers:
        weight, other = random.normal(size=(2, *layer.weight_shape))
        credited, post = random.normal(size=(2, BATCH, layer.positions, layer.neurons))
        given = [torch.as_tensor(x)[None] for x in (weight, credited, post)]
        above, upward = Above(weight, credited, post, above), Upward(layer, *given, upward)
        for through, argument in ((weight, None), (other, other)):
            expected = credited.reshape(BATCH, -1) @ matrix(layer, through)
            np.testing.assert_allclose(above.down(argument), expected, rtol=1e-12, atol=1e-12)
            found = upward.down(None if argument is None else torch.as_tensor(argument)[None])
            np.testing.assert_allclose(found[0], expected, rtol=1e-12, atol=1e-12)
        factor = {"sample": post, "batch": post.mean(0, keepdims=True), "none": np.ones_like(post)}[mask]
        factor = np.broadcast_to(factor, post.shape).reshape(BATCH, -1)
        product = np.stack([matrix(layer, weight).T @ np.diag(d) @ p for d, p in zip(factor, product, strict=True)])
        np.testing.assert_allclose(above.product(mask), product, rtol=1e-12, atol=1e-12)  # type: ignore[arg-type]
        own = np.broadcast_to(upward.product(mask)[0], product.shape)  # type: ignore[arg-type]
        np.testing.assert_allclose(own, product, rtol=1e-12, atol=1e-12)
    assert product.shape == (BATCH, 20, 3)

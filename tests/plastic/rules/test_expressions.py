"""The array expressions of rules, numpy and torch, against plain Python numbers, and where floats run out."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from plastic.rules import expressions as e

Make = Callable[[Any], Any]
BOTH = pytest.mark.parametrize("array", [np.array, partial(torch.tensor, dtype=torch.float64)], ids=["numpy", "torch"])
FAR = [-1e4, -40.0, -1.0, 0.0, 1.0, 40.0, 1e4]


def plain(value: Any) -> list[Any]:
    return np.asarray(value, dtype=np.float64).tolist()


@BOTH
def test_sigmoid_and_softplus_at_any_size(array: Make) -> None:
    x = array(FAR)
    softplus = [max(v, 0) + math.log1p(math.exp(-abs(v))) for v in FAR]
    sigmoid = [math.exp(-max(-v, 0)) / (1 + math.exp(-abs(v))) for v in FAR]
    assert plain(e.softplus(x)) == pytest.approx(softplus, rel=1e-14)
    assert plain(e.sigmoid(x)) == pytest.approx(sigmoid, rel=1e-12)
    assert plain(e.rectify(x)) == [0, 0, 0, 0, 1, 40, 1e4]
    assert plain(e.is_positive(x)) == [0, 0, 0, 0, 1, 1, 1]


@BOTH
def test_softmax_and_cross_entropy_where_a_class_has_no_chance(array: Make) -> None:
    p = e.softmax(array([[[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]]]))
    total = sum(math.exp(k) for k in (1, 2, 3))
    assert plain(p)[0][0] == pytest.approx([math.exp(k) / total for k in (1, 2, 3)], rel=1e-6)
    assert plain(p)[0][1] == [1, 0, 0]
    target = array([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    seen = plain(e.cross_entropy(p - target, target))
    assert seen[0][0] == pytest.approx([-math.log(math.exp(2) / total)], rel=1e-6)
    assert seen[0][1] == pytest.approx([30 * math.log(10)], rel=1e-6)  # the least that counts, and not infinity


@BOTH
def test_softmax_among_the_allowed(array: Make) -> None:
    x = array([[[5.0, 1.0, 2.0], [-900.0, -901.0, 900.0]]])
    found = plain(e.softmax_among(x, array([[[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]]])))[0]
    low, high = 1 / (1 + math.e), math.e / (1 + math.e)
    assert found[0] == pytest.approx([0, low, high], rel=1e-6)
    assert found[1] == pytest.approx([high, low, 0], rel=1e-6)


@BOTH
def test_other_streams_are_those_that_follow(array: Make) -> None:
    x = array([[[0.0], [1.0], [2.0], [3.0]]])
    assert plain(e.from_stream(x, 1))[0] == [[1], [2], [3], [0]]
    assert plain(e.from_stream(x, -1))[0] == [[3], [0], [1], [2]]
    assert plain(e.contrasted(x, 0)) == np.eye(4).tolist()
    assert plain(e.contrasted(x, 2)) == [[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1]]


@BOTH
def test_how_much_a_stimulus_weighs_in_an_unbiased_average(array: Make) -> None:
    counts = [0.0, 1.0, 1.5, 4.0]
    assert plain(e.per_stimulus(array(counts), 4)) == pytest.approx([0, 0, 1.5 / 0.5 / 4, 1 / 3], rel=1e-6)


@BOTH
def test_a_signal_to_the_direction_is_one_to_the_response(array: Make) -> None:
    x, signal = array([[[3.0, 4.0], [0.0, 0.0]]]), array([[[1.0, 2.0], [1.0, 2.0]]])
    norm = e.length(x)
    assert plain(norm)[0] == [[pytest.approx(5)], [pytest.approx(1e-12, rel=1e-3)]]
    along = (3 * 1 + 4 * 2) / 25  # ⟨x, signal⟩ / ‖x‖²
    turned = plain(e.on_sphere(signal, x / norm, norm))[0]
    assert turned[0] == pytest.approx([(1 - 3 * along) / 5, (2 - 4 * along) / 5], rel=1e-6)
    assert turned[1] == [0, 0]  # a silent response has no direction


@BOTH
def test_weights_of_every_sample(array: Make) -> None:
    weights = array([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [1.0, 0.0]]]])  # (1, batch, n, k)
    x = array([[[1.0, 10.0], [1.0, 10.0]]])
    assert plain(e.each_through(weights, x))[0] == [[21, 43], [10, 1]]
    assert plain(e.each_through(weights[:, :1], x))[0] == [[21, 43], [21, 43]]
    assert plain(e.through(weights[:, 0], x))[0] == [[21, 43], [21, 43]]
    assert plain(e.dot(x, x))[0] == [[101], [101]]

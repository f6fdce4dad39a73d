"""The metrics of a layer while it learns, from numbers whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from plastic import collapse
from plastic.models.learning.eligibility import Response, Summed
from plastic.models.learning.learner import Observation
from plastic.models.network.layer import Layer
from plastic.models.training.metrics import RECENT, layer_metrics, remember
from plastic.rules.rule import Modulator, ThirdFactor


def observed(activity: torch.Tensor, gate: Any = 1.0, loss: torch.Tensor | None = None) -> Observation:
    """Of a layer with such responses (1, batch, positions, neurons), gates and losses."""
    layer = Layer(activity.shape[2], 1, activity.shape[3])
    response = Response(activity, activity, Summed(layer, summed=activity[..., None]))
    return Observation(response, ThirdFactor(Modulator(gate, activity.flatten(2)), loss=loss), activity)


def test_every_metric_of_a_batch_layer_by_layer() -> None:
    found: dict[str, list[float | None]] = {}
    watch = layer_metrics(found)
    activity = torch.rand(1, 8, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    activity[..., 1, 2] = 0  # one of six units is dead
    gate = torch.tensor([0.0, 0.5, -1.0, 0, 0, 0, 0, 2.0]).view(1, 8, 1)
    watch(0, observed(activity, gate, torch.arange(8.0).view(1, 8, 1)))
    watch(1, observed(torch.ones(1, 8, 1, 4, dtype=torch.float64)))
    flat = activity.flatten(2)[0].numpy()
    assert found["loss"] == [3.5, None]
    assert found["open_gates"] == [3 / 8, 1.0]
    assert found["activity"] == pytest.approx([flat.mean(), 1.0])
    assert found["variance"] == pytest.approx([flat.var(0).mean(), 0.0])
    assert found["dead_fraction"] == pytest.approx([1 / 6, 0.0])
    assert found["effective_rank"] == pytest.approx([float(collapse.effective_rank(flat)), 0.0])
    closed: dict[str, list[float | None]] = {}
    layer_metrics(closed)(0, observed(activity, 0.0))
    assert closed["open_gates"] == [0.0]


def test_a_single_stream_is_judged_by_its_last_responses_and_one_response_is_not() -> None:
    recent: dict[int, Any] = {}
    keep = remember(recent)
    responses = torch.rand(RECENT + 5, 1, 1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    alone: dict[str, list[float | None]] = {}
    layer_metrics(alone)(0, observed(responses[0]))
    assert alone["variance"] == alone["effective_rank"] == alone["dead_fraction"] == [None]
    for one in responses:
        shown = one.clone()
        keep(0, observed(shown))
        shown.zero_()  # what is kept is a copy
    found: dict[str, list[float | None]] = {}
    layer_metrics(found, recent)(0, observed(responses[-1]))
    last = responses[5:].flatten(1).numpy()
    assert found["variance"] == pytest.approx([last.var(0).mean()])
    assert found["activity"] == pytest.approx([responses[-1].mean().item()])


def test_a_network_that_diverged_has_no_variance() -> None:
    found: dict[str, list[float | None]] = {}
    layer_metrics(found)(0, observed(torch.full((1, 4, 1, 2), np.nan)))
    assert "variance" not in found
    assert np.isnan(found["activity"][0])

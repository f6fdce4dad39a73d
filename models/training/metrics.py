"""What is measured of every layer while it learns."""

from __future__ import annotations

from collections import deque
from functools import partial

import torch
from torch import Tensor

from plastic import collapse
from plastic.models.learning.learner import Observation, Watch

RECENT = 32  # stimuli over which the responses of a single stream are judged
Recent = dict[int, deque[Tensor]]  # by layer: responses (members, 1, units)


def remember(recent: Recent) -> Watch:
    """A watch that keeps the last responses of every layer."""
    return partial(_keep, recent)


def _keep(recent: Recent, index: int, observed: Observation) -> None:
    recent.setdefault(index, deque(maxlen=RECENT)).append(observed.response.activity.flatten(2).clone())


def layer_metrics(into: dict[str, list[float | None]], recent: Recent | None = None) -> Watch:
    """A watch that collects, layer by layer, loss, fraction of open gates, mean activity, and whether
    the layer collapses: variance and effective rank of its responses, fraction of dead neurons.

    The last three are of the batch or, given `recent`, of the responses there; None of a single one.
    """
    return partial(_measure, into, recent)


def _measure(into: dict[str, list[float | None]], recent: Recent | None, index: int, observed: Observation) -> None:
    gate = observed.third.current.gate
    opened = (gate != 0).double().mean().item() if isinstance(gate, Tensor) else float(gate != 0)
    loss = observed.third.loss
    into.setdefault("loss", []).append(None if loss is None else loss.mean().item())
    into.setdefault("open_gates", []).append(opened)
    activity = observed.response.activity.flatten(2)
    into.setdefault("activity", []).append(activity.mean().item())
    if activity.isfinite().all():
        several = activity if recent is None else torch.cat(list(recent.get(index, [activity])), 1)
        for name in ("variance", "effective_rank", "dead_fraction"):
            of = several.shape[1] > 1
            into.setdefault(name, []).append(getattr(collapse, name)(several).mean().item() if of else None)

"""What a layer knows beyond this stimulus and the one before: statistics, and a short memory of objects."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from plastic.models.learning.statistics import SlowTraces, State, of_batch
from plastic.rules.rule import Rule, Statistics


def recalled(
    rule: Rule, name: str, activity: Tensor, context: Tensor | None, fixation: Tensor, traces: SlowTraces | None,
    state: State, before: Statistics | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The signals of that kind that the rule reads; slow traces and memories are kept in `state` under `name`.

    activity, context: (members, batch, units), context None at the first stimulus; fixation: ±1
    (members, batch, 1); before: the batch's statistics of the stimulus before, all of whose responses are held.
    """
    found: dict[str, Any] = {}
    held = torch.zeros_like(activity) if context is None else context
    if rule.reads_statistics:
        over = (fixation > 0).to(fixation) if rule.averaged_over == "fixations" else None
        if traces is None:
            found |= of_batch(rule, activity, held, over, before if over is None else None)
        else:  # a pair of views there is from the second stimulus on
            over = (torch.ones_like(fixation) if over is None else over) * float(context is not None)
            found |= traces.follow(rule, f"{name}.statistics", activity, held, over, state)
    if rule.memory_slots:
        leaves = (fixation < 0) & (context is not None)
        found["memory"], found["remembered"] = _remember(rule.memory_slots, f"{name}.memory", held, leaves, state)
    return found


def _remember(slots: int, name: str, left: Tensor, leaves: Tensor, state: State) -> tuple[Tensor, Tensor]:
    """Push the last response to the object that a saccade left: (members, batch, slots, units), and which are filled.

    left: (members, batch, units); leaves: (members, batch, 1).
    """
    members, batch, units = left.shape
    memory = state.get(f"{name}.responses", left.new_zeros(members, batch, slots, units))
    filled = state.get(f"{name}.filled", left.new_zeros(members, batch, slots))
    pushed = torch.cat([left[:, :, None], memory[:, :, :-1]], dim=2)
    counted = torch.cat([torch.ones_like(filled[..., :1]), filled[..., :-1]], dim=2)
    state[f"{name}.responses"] = torch.where(leaves[..., None], pushed, memory)
    state[f"{name}.filled"] = torch.where(leaves, counted, filled)
    return state[f"{name}.responses"], state[f"{name}.filled"]

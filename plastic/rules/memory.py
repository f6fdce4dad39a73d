"""A short memory of objects, for rules that compare a response with held ones instead of those of other streams.

The keys of a stream are the held response c, which at a fixation is the true one, and those that it
remembers of the objects it has left: a queue of negatives as in K. He et al., "Momentum contrast for
unsupervised visual representation learning", CVPR 2020. Keys are not credited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.expressions import is_positive, softmax_among
from plastic.rules.rule import Array, LayerShape, Shape, Signals, State


@dataclass(frozen=True)
class Memory:
    """Of every object that a stream left by a saccade the layer's last response, newest first, up to `slots`."""

    slots: int

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        """Responses, and 1 for slots that are filled, 0 for empty ones."""
        size = (layer.streams, self.slots)
        return {"memory.responses": (*size, layer.units), "memory.filled": size} if self.slots else {}

    def keys(self, signals: Signals, state: State) -> tuple[Array, Array, State]:
        """Keys (..., batch, 1 + slots, units), the held response first, which there are (..., batch, 1 + slots), and
        what is remembered now."""
        xp: Any = array_namespace(signals.context)
        if "memory" in signals.recalled:
            (memory, filled), state = signals.recalled["memory"], {}
        else:
            memory, filled = self._pushed(signals, state)
            state = {"memory.responses": memory, "memory.filled": filled}
        keys = xp.concat([signals.context[..., None, :], memory], axis=-2)
        return keys, xp.concat([filled[..., :1] * 0 + 1, filled], axis=-1), state

    def _pushed(self, signals: Signals, state: State) -> tuple[Array, Array]:
        """With the last response to the object that a saccade left."""
        xp: Any = array_namespace(signals.context)
        memory, filled = state["memory.responses"], state["memory.filled"]
        leaves = is_positive(-signals.fixation) * signals.begun > 0
        pushed = xp.concat([signals.context[..., None, :], memory[..., :-1, :]], axis=-2)
        counted = xp.concat([filled[..., :1] * 0 + 1, filled[..., :-1]], axis=-1)
        return xp.where(leaves[..., None], pushed, memory), xp.where(leaves, counted, filled)


def check_negatives_from(rule: str, value: str) -> None:
    """PlasticError for a source of negatives that there is not."""
    if value not in ("batch", "memory"):
        raise PlasticError(f"rule {rule!r} has no negatives_from {value!r}; choose one of: batch, memory.")


def contrast(scores: Array, allowed: Array, here: Array, temperature: float) -> tuple[Array, Array]:
    """M_n = (1[n = 0] − p_n)/τ at fixations (..., batch, n), and the loss −log p_0 (..., batch, 1)."""
    xp: Any = array_namespace(scores)
    chosen = softmax_among(scores, allowed)
    true = xp.concat([chosen[..., :1] * 0 + 1, chosen[..., 1:] * 0], axis=-1)
    return here * (true - chosen) / temperature, -here * xp.log(chosen[..., :1] + 1e-30)

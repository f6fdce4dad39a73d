"""What rules share that compare a response with held ones instead of those of other streams.

The keys of a stream are the held response c, which at a fixation is the true one, and those that it
remembers of the objects it has left (`Signals.memory`): a queue of negatives as in K. He et al.,
"Momentum contrast for unsupervised visual representation learning", CVPR 2020. Keys are not credited.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.expressions import softmax_among
from plastic.rules.rule import Array, Signals


def check_negatives_from(rule: str, value: str) -> None:
    """PlasticError for a source of negatives that there is not."""
    if value not in ("batch", "memory"):
        raise PlasticError(f"rule {rule!r} has no negatives_from {value!r}; choose one of: batch, memory.")


def with_memory(signals: Signals) -> tuple[Array, Array]:
    """Keys (..., batch, 1 + slots, units), the held response first, and which there are (..., batch, 1 + slots)."""
    assert signals.memory is not None
    assert signals.remembered is not None
    xp: Any = array_namespace(signals.context)
    keys = xp.concat([signals.context[..., None, :], signals.memory], axis=-2)
    return keys, xp.concat([signals.remembered[..., :1] * 0 + 1, signals.remembered], axis=-1)


def contrast(scores: Array, allowed: Array, here: Array, temperature: float) -> tuple[Array, Array]:
    """M_n = (1[n = 0] − p_n)/τ at fixations (..., batch, n), and the loss −log p_0 (..., batch, 1)."""
    xp: Any = array_namespace(scores)
    chosen = softmax_among(scores, allowed)
    true = xp.concat([chosen[..., :1] * 0 + 1, chosen[..., 1:] * 0], axis=-1)
    return here * (true - chosen) / temperature, -here * xp.log(chosen[..., :1] + 1e-30)

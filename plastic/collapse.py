"""Has a layer collapsed? Three numbers from its responses to a batch, numpy and torch alike.

A layer that gives the same response to everything has no variance; one whose neurons all say the
same has an effective rank of 1; a neuron that answers to nothing is dead.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from plastic.rules.rule import Array


def variance(activity: Array) -> Array:
    """Variance over the stimuli, mean over the neurons: activity (..., batch, units) to (...)."""
    xp: Any = array_namespace(activity)
    return xp.mean(xp.var(activity, axis=-2), axis=-1)


def effective_rank(activity: Array) -> Array:
    """exp of the entropy of the singular values of the centred responses, as shares of their sum: (...).

    O. Roy, M. Vetterli, "The effective rank", EUSIPCO 2007. From 1, or 0 where nothing varies at
    all, to the number of units.
    """
    xp: Any = array_namespace(activity)
    centred = activity - xp.mean(activity, axis=-2, keepdims=True)
    values = xp.linalg.svdvals(centred)
    total = xp.sum(values, axis=-1, keepdims=True)
    varies = total > 1e-12
    share = values / xp.where(varies, total, total * 0 + 1)
    entropy = -xp.sum(share * xp.log(xp.where(share > 0, share, share * 0 + 1)), axis=-1)
    return xp.where(varies[..., 0], xp.exp(entropy), entropy * 0)


def dead_fraction(activity: Array) -> Array:
    """Fraction of neurons that answer to no stimulus of the batch: (...)."""
    xp: Any = array_namespace(activity)
    silent = xp.max(xp.abs(activity), axis=-2) <= 1e-12
    return xp.mean(xp.astype(silent, activity.dtype), axis=-1)

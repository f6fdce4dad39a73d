"""The few array expressions that rules are written in; numpy and torch alike."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from plastic.rules.rule import Array


def through(weight: Array, x: Array) -> Array:
    """Σ_j W_ij x_j: (..., n, k) and (..., batch, k) give (..., batch, n)."""
    return x @ weight.mT


def dot(a: Array, b: Array) -> Array:
    """Σ_i a_i b_i over the neurons, kept as a last axis of length one: (..., batch, 1)."""
    return (a * b).sum(-1)[..., None]


def rectify(x: Array) -> Array:
    """max(0, x)."""
    return x * (x > 0)


def softmax(x: Array) -> Array:
    """Softmax over the last axis."""
    xp: Any = array_namespace(x)
    shifted = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return shifted / xp.sum(shifted, axis=-1, keepdims=True)


def cross_entropy(error: Array, target: Array) -> Array:
    """−log softmax at the target, from error = softmax − target: (..., batch, 1)."""
    xp: Any = array_namespace(error)
    likelihood = dot(error + target, target)
    return -xp.log(xp.where(likelihood > 1e-30, likelihood, likelihood * 0 + 1e-30))

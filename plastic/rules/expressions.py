"""The few array expressions that rules are written in; numpy and torch alike."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from plastic.rules.rule import Array

SILENT = 1e-9  # the length of a response that is none


def through(weight: Array, x: Array) -> Array:
    """Σ_j W_ij x_j: (..., n, k) and (..., batch, k) give (..., batch, n)."""
    return x @ weight.mT


def each_through(weights: Array, x: Array) -> Array:
    """Σ_j W^b_ij x^b_j, with weights of its own for every sample or, at batch length 1, the same for all:
    (..., batch, n, k) and (..., batch, k) give (..., batch, n)."""
    return (weights @ x[..., None])[..., 0]


def dot(a: Array, b: Array) -> Array:
    """Σ_i a_i b_i over the neurons, kept as a last axis of length one: (..., batch, 1)."""
    return (a * b).sum(-1)[..., None]


def over_batch(x: Array) -> Array:
    """Σ over the streams, kept as an axis of length one: (..., batch, n) gives (..., 1, n)."""
    xp: Any = array_namespace(x)
    return x if x.shape[-2] == 1 else xp.sum(x, axis=-2, keepdims=True)


def is_positive(x: Array) -> Array:
    """Θ(x) as 0 or 1 in the type of x."""
    xp: Any = array_namespace(x)
    return xp.astype(x > 0, x.dtype)


def or_one(x: Array) -> Array:
    """x, of numbers that are not negative, where it is above 0, and 1 elsewhere: a divisor."""
    xp: Any = array_namespace(x)
    return xp.where(x > 0, x, x * 0 + 1)


def at_least_one(x: Array) -> Array:
    """max(1, x)."""
    xp: Any = array_namespace(x)
    return xp.where(x > 1, x, x * 0 + 1)


def per_stimulus(count: Array, batch: int) -> Array:
    """1/(B − 1) for statistics of the batch itself, n/(n − 1)/B for those that know of n stimuli: how much
    each of the B stimuli weighs in an unbiased average. 0 while nothing is known."""
    xp: Any = array_namespace(count)
    known = count > 1 + 1e-6
    return xp.where(known, count / xp.where(known, count - 1, count * 0 + 1), count * 0) / batch


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


def softplus(x: Array) -> Array:
    """log(1 + eˣ), for any size of x."""
    xp: Any = array_namespace(x)
    return rectify(x) + xp.log1p(xp.exp(-xp.abs(x)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ), for any size of x."""
    xp: Any = array_namespace(x)
    return xp.exp(-softplus(-x))


def from_stream(x: Array, k: int) -> Array:
    """What stream b + k has, for each stream b, cyclically: the batch as a memory of other stimuli."""
    xp: Any = array_namespace(x)
    return xp.roll(x, -k, axis=-2)


def contrasted(x: Array, negatives: int) -> Array:
    """Which streams each stream b is compared with: b itself and b+1 … b+negatives, cyclically.

    A table of 0 and 1, (batch, batch), for x of shape (..., batch, n); with no negatives the identity.
    """
    xp: Any = array_namespace(x)
    stream = xp.arange(x.shape[-2], device=x.device)
    return xp.astype((stream[None, :] - stream[:, None]) % x.shape[-2] <= negatives, x.dtype)


def softmax_among(x: Array, allowed: Array) -> Array:
    """Softmax over the entries of the last axis that are allowed (1, not 0); the others get 0."""
    xp: Any = array_namespace(x)
    forbidden = 1 - allowed
    shifted = x - xp.max(x - 1e30 * forbidden, axis=-1, keepdims=True)
    weights = allowed * xp.exp(allowed * shifted - 60 * forbidden)  # exp of what is far below zero takes long
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def length(x: Array) -> Array:
    """‖x‖ over the neurons, kept as a last axis, never quite zero: (..., batch, 1)."""
    return (dot(x, x) + 1e-24) ** 0.5


def on_sphere(signal: Array, unit: Array, norm: Array) -> Array:
    """A signal to unit = x / ‖x‖ as one to x: its part along x is taken out, the rest divided by ‖x‖.

    Two layer scalars do it, ⟨unit, signal⟩ and ‖x‖: divisive normalisation. A silent response has no
    direction that could turn, so it gets 0, and not the signal divided by almost nothing.
    """
    return is_positive(norm - SILENT) * (signal - unit * dot(unit, signal)) / norm

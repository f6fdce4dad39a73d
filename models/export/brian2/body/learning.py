"""What the weights of a script learn from when a stimulus ends, in numpy."""

import numpy as np

from plastic.models.export.brian2.body.arrays import Array, Arrays


def output_error(weight: Array, z: Array, target: Array) -> Array:
    """softmax(W z) - target: (streams, classes)."""
    output = z @ weight.T
    exponential = np.exp(output - output.max(1, keepdims=True))
    return exponential / exponential.sum(1, keepdims=True) - target


def sent_down(weight: Array, signal: Array) -> Array:
    """Σ_i W_ij signal_i, patch by patch: (..., positions, neurons) to (..., units below)."""
    return (signal[..., None, :] @ weight).reshape(*signal.shape[:-2], -1)


def credit(m: Array, eligibility: Array) -> Array:
    """Σ m_i e_ij over the streams: (streams, units) and (streams, positions, neurons, inputs) to all but streams."""
    return np.einsum("bpn,bpnk->pnk", m.reshape(eligibility.shape[:3]), eligibility)


def circuit_updates(layer: str, learned: dict[str, tuple[Array | float, Array, Array]]) -> Arrays:
    """Σ modulator · post_i · pre_j over the streams, for each of the circuit's own weights."""
    return {f"{layer}.{name}": (modulator * post).T @ pre for name, (modulator, post, pre) in learned.items()}


def change(weights: Arrays, updates: Arrays, learning_rate: float, bound: float) -> None:
    """W += learning rate · update, within the bounds."""
    for name, update in updates.items():
        weights[name] = np.clip(weights[name] + learning_rate * update, -bound, bound)


def adam(updates: Arrays, moments: dict[str, tuple[int, Array, Array]]) -> Arrays:
    """The running mean of a weight's updates over the root of that of their squares (Kingma & Ba 2015)."""
    steps = {}
    for name, update in updates.items():
        count, mean, square = moments.get(name, (0, np.zeros_like(update), np.zeros_like(update)))
        count, mean, square = count + 1, 0.9 * mean + 0.1 * update, 0.999 * square + 0.001 * update**2
        steps[name] = mean / (1 - 0.9**count) / (np.sqrt(square / (1 - 0.999**count)) + 1e-8)
        moments[name] = count, mean, square
    return steps

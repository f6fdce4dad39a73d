"""One neuron through some steps, as it is declared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.neurons import Constants, Neuron

Array = NDArray[np.float64]


def triangular(distance: Any) -> Any:
    """ψ = max(0, 1 − 2 |x|)."""
    return np.maximum(0, 1 - 2 * np.abs(distance))


def stepped(
    neuron: Neuron, drives: Iterable[float] | Array, decay: float = 0.5, threshold: float = 1.0
) -> dict[str, Array]:
    """Membrane, post factor and spike of every step, and what the neuron keeps, before the reset ("name") and after it
    ("name after"), for drives (time, …)."""
    given = np.asarray(drives, dtype=np.float64)
    constants = Constants(decay, threshold, triangular)
    state = {name: np.full(given.shape[1:], float(value)) for name, value in neuron.state.items()}
    rows: list[dict[str, Any]] = []
    for drive in given:
        before = neuron.integrate(state, drive, constants)
        state, did = neuron.step(state, drive, constants)
        rows.append(before | vars(did) | {f"{name} after": value for name, value in state.items()})
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}

"""The data beside a script: what came in, and what came out of the run."""

import numpy as np
from numpy.typing import NDArray

from plastic.models.export.brian2.body.arrays import Arrays


def input_spikes(data: Arrays, steps: int) -> tuple[int, NDArray[np.intp], NDArray[np.intp]]:
    """The number of inputs (stream by stream), and index and step of all their spikes in the first steps."""
    size = data["fixation"].shape[1] * int(data["inputs"])
    step, index = np.nonzero(np.unpackbits(data["spikes"][:steps], axis=1, count=size))
    return size, index, step


def compare(weights: Arrays, data: Arrays, tolerance: float) -> int:
    """Status 0 if all weights are those of the run."""
    worst = np.float64(0)
    for name, weight in weights.items():
        initial, final = data[f"initial/{name}"], data[f"final/{name}"]
        moved = np.abs(final - initial).max()
        error = np.abs(weight - final).max() / (moved or np.abs(initial).max())
        worst = np.maximum(worst, error)  # nan if one is
        print(f"{name}: moved by up to {moved:.3g}, differs from the run by {error:.1e} of that")
    return 0 if worst <= tolerance else 1

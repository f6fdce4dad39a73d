"""The types of what a script computes with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]
Equations = dict[str, Any]  # as text, and the constants in them
Shape = tuple[int, int, int, int]  # streams, positions, neurons at each, inputs of each

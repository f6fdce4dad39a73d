"""A task: examples to train and test on, and what counts as the same object (the pairing)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.stimuli.views import Views

# (n, positions): symbols as integers, or pixel intensities (0 to Task.full); or the spikes of recordings, one bit per
# time step: (n, neurons, bytes)
Inputs = NDArray[Any]
View = Callable[[NDArray[np.int64], NDArray[np.bool_], np.random.Generator], Inputs]


@dataclass(frozen=True)
class Examples:
    """n inputs with their labels and their latents."""

    inputs: Inputs
    labels: NDArray[np.int64]  # (n,)
    latents: dict[str, NDArray[np.int64]]  # by level, class first: each (n, variables)

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """Data of one run, for one member of an ensemble.

    Two that were `made` by the same call of plastic.stimuli are equal; any other is equal to itself alone.

    `objects` gives the object of each training example. A fixation shows another training example
    of the same object; where `view` is set it stays with its example and shows another view of it:
    `view(index, fixation, random)` takes time × batch arrays and returns inputs (time, batch, d).
    With `views` every stimulus is a random view of its image, of which the stream draws the numbers.
    With `recorded_steps` the inputs are spikes already, over so many time steps.
    """

    name: str
    train: Examples
    test: Examples
    objects: NDArray[np.int64]  # (train,)
    classes: int
    channels: int  # input neurons per position
    branching: int  # positions that one patch of the first tree layer covers
    analog: NDArray[np.float64] | tuple[float, float]  # table (symbols + 1, channels), or (mean, std)
    view: View | None = None
    image: tuple[int, int] | None = None  # side in pixels and channels, where the inputs are a square image
    full: float = 1.0  # value of an input at full intensity
    views: Views | None = None  # random views of images, made on the device
    recorded_steps: int = 0  # 0: inputs are values, which a coding makes spikes of
    most_spikes: int | None = None  # of recordings: input neurons that spike in one step, in any of them
    distinct: int | None = None  # different examples that a stream can show, views aside; None: those to train on
    made: str = field(default="", init=False)  # the call that made it, less what has its default; empty: none did
    settings: Mapping[str, Any] = field(default_factory=dict, init=False)  # that call by the names of --help

    def __repr__(self) -> str:
        what = self.made or f"{self.name} of {len(self.train)} and {len(self.test)} examples"
        return f"<Task {what}: {self.positions} × {self.channels} inputs, {self.classes} classes>"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Task) and self.made != "" and self.made == other.made)

    def __hash__(self) -> int:
        return hash(self.made or id(self))

    @property
    def positions(self) -> int:
        return int(self.train.inputs.shape[1])

    @property
    def chance(self) -> float:
        """Accuracy of always answering the commonest test class."""
        return float(np.bincount(self.test.labels).max() / len(self.test))

    def shown_at_most(self, presentations: int) -> int:
        """An upper bound of how many different examples so many presentations show, views of one counted once."""
        return min(len(self.train) if self.distinct is None else self.distinct, presentations)

    @property
    def symbolic(self) -> bool:
        return not isinstance(self.analog, tuple)

    def intensity(self, inputs: Inputs) -> NDArray[np.float64]:
        """Values in [0, 1]: one-hot symbols, or pixels, which become spikes: (..., positions · channels); of
        recordings, whose spikes they do not become, spikes per step: (..., neurons)."""
        if self.recorded_steps:
            return np.bitwise_count(inputs).sum(-1) / self.recorded_steps
        if not self.symbolic:
            return np.asarray(inputs, dtype=np.float64) / self.full
        one_hot = np.vstack([np.eye(self.channels), np.zeros((1, self.channels))])
        return one_hot[inputs].reshape(*inputs.shape[:-1], -1)

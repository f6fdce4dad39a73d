"""What a simulation shows of itself: weights, and what each layer did in a stimulus, as numpy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.models.learning.learner import Observation

Array = NDArray[Any]


class Weights(Mapping[str, Array]):
    """Copies of weights, by name; ".weight" may be left out."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Array:
        full = name if name in self._tensors else f"{name}.weight"
        if full not in self._tensors:
            raise KeyError(f"{name!r}; there are: {', '.join(self._tensors)}")
        return np.array(self._tensors[full].cpu().numpy())

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


@dataclass(frozen=True)
class LayerStep:
    """What one layer did in one stimulus, before its weights changed; of several networks, with an axis of them first.

    activity and modulator, routed to the neurons: (streams, positions, neurons); gate and loss: (streams,
    1), or one number; eligibility: (streams, positions, neurons, inputs); signals: the rule's own.
    """

    activity: Array
    gate: Array
    modulator: Array
    eligibility: Array
    loss: Array
    signals: dict[str, Array]

    @classmethod
    def of(cls, observed: Observation, alone: bool, there: Array | None = None) -> LayerStep:
        """there: which synapses there are, (members, neurons, inputs); None: all."""

        def plain(value: Any) -> Array:
            array = np.array(torch.as_tensor(float("nan") if value is None else value).cpu().numpy())
            return array[0] if alone and array.ndim > 1 else array

        third, eligibility = observed.third, observed.response.eligibility.per_synapse()
        if there is not None:
            eligibility = eligibility * torch.from_numpy(there).to(eligibility.device)[:, None, None]
        return cls(
            plain(observed.response.activity), plain(third.current.gate), plain(observed.modulator),
            plain(eligibility), plain(third.loss),
            {name: plain(value) for name, value in third.signals.items()},
        )  # fmt: skip

"""What a network's signals reach in a float run: from these ranges the quantiser chooses its scales."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.data.task import Task
from plastic.hardware.quantised import Ranges
from plastic.models.learning import Observation
from plastic.models.observer import Look
from plastic.models.settings import Settings
from plastic.models.training import Ensemble

BEYOND = 99.5  # percentile of eligibilities and modulators that is called the largest
LOOKS = 40


@dataclass
class _Watched:
    """One layer's signals over a run."""

    weight: float = 0.0
    eligibility: list[NDArray[Any]] = field(default_factory=list)
    modulator: list[NDArray[Any]] = field(default_factory=list)
    told: list[NDArray[Any]] = field(default_factory=list)  # the same, of a rule that weighs every step of all steps

    def ranges(self) -> Ranges:
        e, m, told = (_sizes(one) for one in (self.eligibility, self.modulator, self.told))
        if not len(e) or not len(told):
            return Ranges(self.weight, float(e.max(initial=1e-6)), float(told.max(initial=1e-6)))
        return Ranges(
            self.weight,
            float(np.percentile(e, BEYOND)),
            float(np.percentile(told, BEYOND)),
            float(e.mean()),
            float(m.mean()),
        )


def _sizes(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Of all that are not zero."""
    whole = np.concatenate(parts)
    return np.abs(whole[whole != 0])


def _told(seen: Observation) -> Tensor:
    """The modulators of the stimulus, or, of a rule that weighs every step, those of all steps."""
    factor = seen.response.factor
    return seen.modulator[0] if factor is None else (seen.modulator[:, None] * factor)[0]


def float_run(
    settings: Settings, task: Task, seed: int, learning_rate: float, stimuli: int, streams: int
) -> list[Ranges]:
    """Ranges over a run of the float network on snnTorch, with that many streams learning at the same rate each.

    Several streams are there for speed: their updates add up, so the run gets as far as `stimuli` times
    `streams` stimuli of one.
    """
    given = replace(
        settings, backend="snntorch", batch=streams, dtype=torch.float32, optimizer="sgd", device=torch.device("cpu")
    )
    ensemble = Ensemble(given, [task], [seed], [learning_rate])
    watched = [_Watched() for _ in ensemble.network.layers]
    generator = np.random.default_rng(seed)

    def watch(index: int, seen: Observation) -> None:
        eligibility = seen.response.eligibility.per_synapse()[0].numpy().ravel()
        watched[index].eligibility.append(generator.choice(eligibility, min(20_000, eligibility.size)))
        watched[index].modulator.append(seen.modulator[0].numpy().ravel())
        watched[index].told.append(_told(seen).numpy().ravel())

    every = max(1, stimuli // LOOKS)
    done = 0
    while done < stimuli:
        ensemble.train(1, Look(watch, None))
        ensemble.train(min(every, stimuli - done) - 1)
        done += min(every, stimuli - done)
        for index, one in enumerate(watched):
            weight = ensemble.learner.parameters[f"layer{index + 1}.weight"]
            one.weight = max(one.weight, float(weight.abs().max()))
    return [one.ranges() for one in watched]

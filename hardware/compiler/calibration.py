"""What a network's signals reach in a float run: from these ranges the quantiser chooses its scales."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.backends import batched, first
from plastic.hardware.compiler.options import Ranges
from plastic.models.learning.eligibility import Factored
from plastic.models.learning.learner import Observation
from plastic.models.learning.observer import Look
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.stimuli.task import Task

BEYOND = 99.5  # percentile of eligibilities and modulators that is called the largest
SAMPLES = 40  # stimuli of the run that are measured


@dataclass
class _Signals:
    """One layer's signals over a run."""

    weight: float = 0.0
    eligibility: list[NDArray[Any]] = field(default_factory=list)
    unweighted: list[NDArray[Any]] = field(default_factory=list)  # its largest, of a rule that weights every step
    modulator: list[NDArray[Any]] = field(default_factory=list)
    sent: list[NDArray[Any]] = field(default_factory=list)  # the same; of a rule that weights every step, of all steps

    def ranges(self, backend: str) -> Ranges:
        e, m, sent = (_sizes(one) for one in (self.eligibility, self.modulator, self.sent))
        largest = _sizes(self.unweighted) if self.unweighted else e
        if not len(e) or not len(sent):
            most = float(largest.max(initial=1e-6)), float(sent.max(initial=1e-6))
            return Ranges(self.weight, *most, measured_on=backend)
        most = float(np.percentile(largest, BEYOND)), float(np.percentile(sent, BEYOND))
        return Ranges(self.weight, *most, float(e.mean()), float(m.mean()), backend)


def _sizes(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Of all that are not zero."""
    whole = np.concatenate(parts)
    return np.abs(whole[whole != 0])


def _sent(observed: Observation, decays: tuple[float, ...]) -> Tensor:
    """The modulators of the stimulus, or, of a rule that weights every step, those of all steps that learn.

    decays: of its eligibility between two of them, by which its weights were filtered, backwards in time.
    """
    factor = observed.response.factor
    if factor is None:
        return observed.modulator[0]
    for decay in decays:
        factor = torch.cat([factor[:, :-1] - decay * factor[:, 1:], factor[:, -1:]], dim=1)
    return (observed.modulator[:, None] * factor)[0]


def _largest(unweighted: Factored, decays: tuple[float, ...]) -> Tensor:
    """The largest that ē is of every synapse in a stimulus: (batch, positions, neurons, fan_in)."""
    post, pre = unweighted.post[0], unweighted.pre[0]
    filtered = [torch.zeros(*post.shape[1:], pre.shape[-1]) for _ in (*decays, 0.0)]
    largest = torch.zeros_like(filtered[0])
    for now, before in zip(post, pre, strict=True):
        grown = now[..., None] * before[..., None, :]
        for stage, decay in enumerate(decays):
            grown = filtered[stage] = decay * filtered[stage] + grown
        largest = torch.maximum(largest, grown)
    return largest


def float_network(
    settings: Settings, task: Task, seed: int, learning_rate: float, streams: int, dtype: torch.dtype
) -> Ensemble:  # fmt: skip
    """The network that the chip's is made from, in floats on the first batched backend, before its first stimulus."""
    name, device = first(batched), torch.device("cpu")
    given = replace(settings, backend=name, options=None, batch=streams, dtype=dtype, optimizer="sgd", device=device)
    return Ensemble(given, [task], [seed], [learning_rate])


def float_run(
    settings: Settings, task: Task, seed: int, learning_rate: float, stimuli: int, streams: int
) -> list[Ranges]:
    """Ranges over a run of the float network, with that many streams learning at the same rate each.

    Several streams are there for speed: their updates add up, so the run gets as far as `stimuli` times
    `streams` stimuli of one.
    """
    ensemble = float_network(settings, task, seed, learning_rate, streams, torch.float32)
    layers = [_Signals() for _ in ensemble.network.layers]
    generator = np.random.default_rng(seed)

    period = settings.spiking.learning_period if settings.spiking is not None else 1
    decays = tuple(decay**period for decay in settings.rule.eligibility_decays)

    def some(values: Tensor) -> NDArray[Any]:
        flat = values.numpy().ravel()
        return generator.choice(flat, min(20_000, flat.size))

    def watch(index: int, observed: Observation) -> None:
        own = layers[index]
        own.eligibility.append(some(observed.response.eligibility.per_synapse()[0]))
        if observed.response.unweighted is not None:
            own.unweighted.append(some(_largest(observed.response.unweighted, decays)))
        own.modulator.append(observed.modulator[0].numpy().ravel())
        own.sent.append(_sent(observed, decays).numpy().ravel())

    every = max(1, stimuli // SAMPLES)
    done = 0
    while done < stimuli:
        ensemble.train(1, Look(watch, None))
        ensemble.train(min(every, stimuli - done) - 1)
        done += min(every, stimuli - done)
        for index, one in enumerate(layers):
            weight = ensemble.parameters[f"layer{index + 1}.weight"]
            one.weight = max(one.weight, float(weight.abs().max()))
    return [one.ranges(ensemble.settings.backend) for one in layers]

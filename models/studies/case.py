"""A small network that learns on one backend, with all its spikes and weights kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.backends import capabilities
from plastic.models.learning.learner import Observation, Watch
from plastic.models.network.compiled import own_rule
from plastic.models.neuron.constants import SpikingStep, Traces
from plastic.models.settings import Settings, SpikeInput
from plastic.models.training.ensemble import Ensemble
from plastic.networks import Network
from plastic.rules import load_rule
from plastic.rules.rule import Rule
from plastic.stimuli.coding import Coding
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.stream import Stimulus
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task


@dataclass(frozen=True)
class Case:
    """A small network and its task; small enough for hundreds of stimuli on the reference."""

    rule: str
    options: tuple[tuple[str, str], ...] = ()
    topology: str = "tree"
    shared: bool = True
    streams: int = 4
    step: SpikingStep = field(default_factory=SpikingStep)
    time_steps: int = 12
    coding: Coding = "poisson"
    stimuli: int = 200
    learning_rate: float | None = None  # per stream; None: see `tuned`
    optimizer: str = "sgd"
    weight_bound: float = float("inf")
    statistics: str | None = None  # batch or traces; None: traces for one stream
    seed: int = 0
    widths: tuple[int, ...] = (12, 10)  # a layer for every level of the grammar
    layout: Network | None = None  # the network itself, instead of topology, shared and widths

    def settings(self, backend: str, dtype: str) -> Settings:
        return Settings(
            rule=load_rule(self.rule, dict(self.options)),
            widths=self.widths,
            topology=self.topology,
            shared=self.shared,
            layout=self.layout,
            spiking=self.step if capabilities(backend).spikes else None,
            backend=backend,
            spike_input=SpikeInput(self.time_steps, self.coding),
            batch=self.streams,
            optimizer=self.optimizer,
            weight_bound=self.weight_bound,
            statistics=self.statistics,
            dtype=torch.float64 if dtype == "float64" else torch.float32,
        )

    def rules(self) -> tuple[Rule, ...]:
        """The rule of every layer."""
        run = load_rule(self.rule, dict(self.options))
        if self.layout is None:
            return (run,) * len(self.widths)
        return tuple(own_rule(layer) or run for layer in self.layout.layers)


def case_task(seed: int, levels: int = 2) -> Task:
    """Strings of 2^levels symbols out of 4, in 4 classes: 24 to train and 8 to test on, at two levels all there are."""
    grammar = RandomHierarchyModel(4, 4, 2, levels, 2, seed)
    return rhm_task(grammar, 24, "class", seed, 8, "onehot")


@dataclass
class Track:
    """What one backend did, stimulus by stimulus."""

    spikes: list[list[NDArray[np.bool_]]] = field(default_factory=list)  # [stimulus][layer]: time × …
    weights: list[dict[str, NDArray[Any]]] = field(default_factory=list)  # before each stimulus, and at the end
    gates: list[float] = field(default_factory=list)  # fraction of open gates, layer by layer

    def rates(self) -> list[float]:
        """Spikes per neuron and step of every layer."""
        return [float(np.mean([one[layer] for one in self.spikes])) for layer in range(len(self.spikes[0]))]

    def moved(self) -> dict[str, float]:
        """Relative change of every weight array over the run."""
        first, last = self.weights[0], self.weights[-1]
        return {k: float(np.linalg.norm(last[k] - first[k]) / np.linalg.norm(first[k])) for k in first}


class _Recorder:
    """Keeps the spikes and weights of a training."""

    def __init__(self, ensemble: Ensemble) -> None:
        self.ensemble, self.track, self.traces = ensemble, Track(), Traces()
        self.keep_weights()

    def begin(self, step: int) -> tuple[Watch, Traces]:
        del step
        self.traces = {}
        return self.watch, self.traces

    def watch(self, index: int, observed: Observation) -> None:
        del index
        gate = torch.as_tensor(observed.third.current.gate)
        self.track.gates.append(float((gate != 0).double().mean()))

    def end(self, step: int, stimulus: Stimulus) -> None:
        del step, stimulus
        layers = [torch.cat([part.spike for part in parts], dim=1) for _, parts in sorted(self.traces.items())]
        self.track.spikes.append([spike[0].numpy() > 0 for spike in layers])
        self.keep_weights()

    def keep_weights(self) -> None:
        self.track.weights.append({k: v[0].double().numpy().copy() for k, v in self.ensemble.parameters.items()})


@lru_cache(maxsize=64)
def run_case(case: Case, backend: str, dtype: str = "float64", nudge: float = 0.0) -> Track:
    """The case on one backend, from the same initial weights and spikes on all of them.

    `nudge` changes the layers' initial weights by this relative amount, every other one up and down.
    """
    assert case.learning_rate is not None
    rate, task = case.learning_rate / case.streams, case_task(case.seed, len(case.widths))
    ensemble = Ensemble(case.settings(backend, dtype), [task], [case.seed], [rate])
    for name, value in ensemble.parameters.items():
        if nudge and name.endswith(".weight"):
            value.view(-1)[::2] *= 1 + nudge
            value.view(-1)[1::2] *= 1 - nudge
    recorder = _Recorder(ensemble)
    ensemble.train(case.stimuli, recorder)
    return recorder.track

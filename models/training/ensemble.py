"""Networks trained side by side, on the backend that their settings name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.models.backends import Members
from plastic.models.learning.learner import Learner, Watch
from plastic.models.learning.observer import Look, Observer
from plastic.models.network.parameters import Parameters, has_readout
from plastic.models.neuron.constants import Traces
from plastic.models.presentation import Presentation
from plastic.models.settings import Settings, build_network
from plastic.models.training.initial_weights import initial_weights
from plastic.models.training.refusals import check_settings, refuse_network, refuse_too_large
from plastic.probes import probe, threads
from plastic.stimuli.stream import Stimulus, Stream
from plastic.stimuli.task import Examples, Inputs, Task

PROBE_BATCH = 512  # examples per forward pass when features are collected


class Prepared:
    """Networks before a backend has them: their settings, what they are shown, and their initial weights."""

    def __init__(self, settings: Settings, tasks: Sequence[Task], seeds: Sequence[int]) -> None:
        self.settings, self.network = settings, build_network(settings, tasks[0])
        refuse_too_large(settings, self.network, len(tasks))
        self.presentation = Presentation(settings, self.network, tasks, seeds)
        self.initial = initial_weights(self.presentation)  # float64: (members, …)


class Ensemble:
    """Networks trained side by side, one per (task, seed, learning rate).

    Raises PlasticError for what the backend cannot do or where it is missing, before anything is made.
    """

    def __init__(
        self, settings: Settings, tasks: Sequence[Task], seeds: Sequence[int], learning_rates: Sequence[float]
    ) -> None:
        check_settings(settings, len(tasks))
        self.settings, self.learning_rate = settings, learning_rates[0]
        prepared = Prepared(settings, tasks, seeds)
        self.network, self.presentation = prepared.network, prepared.presentation
        refuse_network(settings, self.network)
        members = Members(self.presentation, tuple(learning_rates), prepared.initial)
        self.simulator = settings.on.build(settings, self.network, members)
        self.learned = 0  # stimuli per stream

    @property
    def tasks(self) -> list[Task]:
        return self.presentation.tasks

    @property
    def seeds(self) -> list[int]:
        return self.presentation.seeds

    @property
    def stream(self) -> Stream:
        return self.presentation.stream

    @property
    def parameters(self) -> Parameters:
        """All weights by name, as they are now: (members, …)."""
        return self.simulator.parameters

    @property
    def learner(self) -> Learner:
        """What learns, on backends that leave it to plastic.models.learning."""
        learner: Learner = self.simulator.learner  # type: ignore[attr-defined]
        return learner

    @torch.inference_mode()
    def train(self, steps: int, observer: Observer | None = None) -> None:
        """`steps` stimuli of every stream: respond, then learn."""
        if steps > 0:
            self.simulator.run(self.presentation.take(steps), _Counting(self, observer or Look()))

    def step(self, watch: Watch | None = None, traces: Traces | None = None) -> None:
        """One stimulus of every stream."""
        self.train(1, Look(watch, traces))

    def encode(self, inputs: Inputs | Tensor, purpose: str, count: int) -> Tensor:
        """Inputs (members, batch, positions) as activity, or as spikes (members, time, batch, neurons)."""
        return self.presentation.encode(inputs, purpose, count)

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that changes with training, by name; the stream is replayed, not stored."""
        saved = self.simulator.snapshot()
        if self.presentation.before is not None:
            saved["presented"] = self.presentation.before
        return saved | {"step": torch.tensor(self.learned)}

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Go on from a snapshot of an ensemble with the same settings."""
        saved = {k: v.to(self.settings.device) for k, v in saved.items()}
        self.learned = int(saved["step"])
        self.simulator.restore(saved, self.learned)
        self.presentation.skip_to(
            self.learned, saved.get("presented", saved.get("shown"))
        )  # as checkpoints before said it

    @torch.inference_mode()
    def features(self, member: int, examples: Examples, purpose: str) -> list[NDArray[Any]]:
        """What a probe sees of every layer for one member (all units; of an image, a grid of means): (examples, n)
        each."""
        top = self.network.layers[-1]
        collected: list[list[NDArray[Any]]] = [[] for _ in self.network.layers]
        for values in self._responses(member, examples, purpose):
            whole = values[-1].view(*values[-1].shape[:2], top.positions, top.neurons)
            for layer, response in enumerate([*values[:-1], top.features(whole)]):
                collected[layer].append(response[0].double().cpu().numpy())
        return [np.concatenate(values) for values in collected]

    def _responses(self, member: int, examples: Examples, purpose: str) -> Iterator[list[Tensor]]:
        for start in range(0, len(examples), PROBE_BATCH):
            inputs = examples.inputs[start : start + PROBE_BATCH]
            encoded = self.presentation.examples(member, inputs, purpose, start)
            yield self.simulator.features(member, encoded)

    def probe(self, member: int = 0, levels: Collection[str] | None = None) -> list[dict[str, float]]:
        """Linear-probe test accuracy per layer: latent level → accuracy; of all levels, or of those named."""
        task = self.tasks[member]
        asked, answers = (
            {k: v for k, v in examples.latents.items() if levels is None or k in levels}
            for examples in (task.train, task.test)
        )
        train = self.features(member, task.train, "probe-train")
        test = self.features(member, task.test, "probe-test")
        with threads(torch.get_num_threads()):
            return [probe(a, b, asked, answers, self.settings.probe) for a, b in zip(train, test, strict=True)]

    @torch.inference_mode()
    def readout(self, member: int = 0) -> float | None:
        """Test accuracy of the network's own readout, whose answer is the largest of W_out z, z the activity of the top
        layer (where the readout leaks, without its leak); None for rules that train none."""
        if not has_readout(self.network, self.settings.rule):
            return None
        test, right = self.tasks[member].test, 0
        weight = self.parameters["readout.weight"][member]
        labels = iter(np.array_split(test.labels, range(PROBE_BATCH, len(test), PROBE_BATCH)))
        for values in self._responses(member, test, "probe-test"):
            answers = (values[-1][0].to(weight) @ weight.mT).argmax(1)
            right += int((answers.cpu().numpy() == next(labels)).sum())
        return right / len(test)


class _Counting:
    """An observer, told of a stimulus when the ensemble has counted it."""

    def __init__(self, ensemble: Ensemble, observer: Observer) -> None:
        self.ensemble, self.begin, self._end = ensemble, observer.begin, observer.end

    def end(self, step: int, stimulus: Stimulus) -> None:
        self.ensemble.learned = step
        self._end(step, stimulus)

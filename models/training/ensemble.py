"""Training of one network, or of an ensemble of them, on streams of stimuli."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.models.backends.brian2.simulator import Brian2Simulator
from plastic.models.backends.rate import RateSimulator
from plastic.models.backends.reference.adapter import ReferenceLearner, ReferenceSimulator
from plastic.models.learning.eligibility import Held, Response
from plastic.models.learning.learner import Learner, Watch
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.parameters import Parameters, he_std, initial_parameters, lively_std, specification
from plastic.models.neuron.constants import Traces
from plastic.models.training.initial_rates import scale_to_rate
from plastic.models.training.memory_check import refuse_too_large
from plastic.models.training.observer import Look, Observer
from plastic.models.training.settings import Batched, Settings, SpikeInput, build_network, check_backend, make_simulator
from plastic.models.training.views import view
from plastic.probes import probe
from plastic.stimuli.coding import encode, unpack
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stimulus, Stream
from plastic.stimuli.task import Examples, Inputs, Task

PROBE_BATCH = 512  # examples per forward pass when features are collected
SAMPLE = 32  # examples that initial rates are measured on


class Ensemble:
    """Networks trained side by side, one per (task, seed, learning rate)."""

    def __init__(
        self, settings: Settings, tasks: Sequence[Task], seeds: Sequence[int], learning_rates: Sequence[float]
    ) -> None:
        self.settings, self.tasks, self.seeds = settings, list(tasks), list(seeds)
        self.learning_rate = learning_rates[0]
        check_backend(settings, len(tasks))
        self.network = build_network(settings, tasks[0])
        refuse_too_large(settings, self.network, len(tasks))
        self.simulator = make_simulator(settings, self.network)
        self.learner = self._learner(learning_rates)
        self.stream = Stream(
            self.tasks, self.seeds, settings.batch, settings.fixation_probability, settings.fixation_error
        )
        self.learned = 0  # stimuli per stream
        self._before: Tensor | None = None
        self._shown: Tensor | None = None  # of the stimulus before: inputs or labels, as the rule is shown them
        self._analog = self._analog_code()

    @property
    def rounds(self) -> bool:
        """Whether the change of a weight is η m_i e_ij rounded to whole steps, as on a chip."""
        return False

    def _learner(self, learning_rates: Sequence[float]) -> Learner:
        settings, rule = self.settings, self.settings.rule
        specified = specification(self.network, rule, he_std(self.network))
        members = [self._initial_parameters(task, seed) for task, seed in zip(self.tasks, self.seeds, strict=True)]
        parameters = {k: torch.cat([own[k] for own in members]) for k in specified}
        parameters = {k: v.to(settings.device, settings.dtype) for k, v in parameters.items()}
        rates = torch.tensor(list(learning_rates), dtype=settings.dtype, device=settings.device)
        optimizer = settings.share.summing(make_optimizer(settings.optimizer, rates, settings.weight_bound))
        plastic = frozenset(name for name, synapses in specified.items() if synapses.plastic)
        period = 1 if settings.spiking is None else settings.spiking.learning_period
        if isinstance(self.simulator, ReferenceSimulator):
            return ReferenceLearner(
                self.network, rule, parameters, optimizer, plastic, statistics_decay=settings.statistics_decay,
                learning_period=period, learning_rate=learning_rates[0], optimizer_kind=settings.optimizer,
                weight_bound=settings.weight_bound,
            )  # fmt: skip
        return Learner(
            self.network, rule, parameters, optimizer, plastic, statistics_decay=settings.statistics_decay,
            learning_period=period,
        )  # fmt: skip

    def _initial_parameters(self, task: Task, seed: int) -> Parameters:
        """Weights of one member, in float64: those of its single run, whatever the others are."""
        settings, network, rule = self.settings, self.network, self.settings.rule
        std = he_std(network)
        if settings.spiking is not None and settings.initial_rate == 0:
            mean = float(task.intensity(task.train.inputs[:PROBE_BATCH]).mean())
            std = lively_std(network, mean if task.recorded_steps else mean * settings.spike_input.rate)
        parameters = initial_parameters(specification(network, rule, std), [seed])
        if settings.spiking is not None and settings.initial_rate > 0:
            how, inputs = settings.spike_input, task.train.inputs[:SAMPLE]
            spikes = torch.as_tensor(_spikes(task, inputs, how, generator(seed, "initial-rate")))[None].double()
            scale_to_rate(network, rule, settings.spiking, parameters, spikes, settings.initial_rate)
        return parameters

    @torch.inference_mode()
    def train(self, steps: int, observer: Observer | None = None) -> None:
        """`steps` stimuli of every stream: respond, then learn."""
        observer = observer or Look()
        if isinstance(self.simulator, Brian2Simulator):
            self._run(self.simulator, steps, observer)
            return
        for step in range(self.learned + 1, self.learned + steps + 1):
            watch, traces = observer.begin(step)
            stimulus = self.settings.share.part(self.stream.next())
            self._learn(stimulus, self._respond(self.simulator, stimulus, traces), watch)
            observer.end(step, stimulus)

    def step(self, watch: Watch | None = None, traces: Traces | None = None) -> None:
        """One stimulus of every stream."""
        self.train(1, Look(watch, traces))

    def _respond(self, simulator: Batched, stimulus: Stimulus, traces: Traces | None) -> Iterator[Response]:
        inputs = self._present(self.encode(self.seen(stimulus), "spikes", self.learned), self._target(stimulus))
        if not isinstance(simulator, RateSimulator):
            return simulator.respond(self.learner.parameters, inputs, traces)
        before, recompute = self._before, self.settings.recompute_context
        self._before = inputs if recompute else None
        return simulator.respond(self.learner.parameters, inputs, before, traces)

    def _run(self, simulator: Brian2Simulator, steps: int, observer: Observer) -> None:
        """All stimuli drawn beforehand, in one run of the simulator, which calls back at their borders."""
        first = self.learned
        stimuli = [self.stream.next() for _ in range(steps)]
        spikes = (self.encode(self.seen(s), "spikes", first + k)[0, :, 0].numpy() for k, s in enumerate(stimuli))
        watch: Watch | None = None
        stepwise = self.settings.rule.stepwise

        def begin(k: int) -> Traces | None:
            nonlocal watch
            watch, traces = observer.begin(first + k + 1)
            if stepwise:
                self.learner.stepper = self.learner.begin(self._fixation(stimuli[k]), self._target(stimuli[k]))
            return traces

        def step(spikes: list[Tensor], arriving: list[Tensor]) -> list[Tensor]:
            assert self.learner.stepper is not None
            return self.learner.stepper.at(spikes, arriving)

        def end(k: int, responses: list[Response]) -> None:
            self._learn(stimuli[k], responses, watch)
            observer.end(first + k + 1, stimuli[k])

        simulator.run(self.learner.parameters, spikes, begin, end, step if stepwise else None)

    def _learn(self, stimulus: Stimulus, responses: Iterable[Response], watch: Watch | None) -> None:
        self.learner.learn(responses, self._fixation(stimulus), self._target(stimulus), watch)
        self.learned += 1

    def _fixation(self, stimulus: Stimulus) -> Tensor:
        return self._tensor(stimulus.fixation)[..., None] * 2 - 1

    def _target(self, stimulus: Stimulus) -> Tensor:
        return self._tensor(np.eye(self.network.classes)[stimulus.labels])

    def seen(self, stimulus: Stimulus) -> Inputs | Tensor:
        """The inputs of a stimulus, as views of images where a task has such; then on the device."""
        if stimulus.views is None:
            return stimulus.inputs
        task = self.tasks[0]
        assert task.image is not None
        pixels, how = self._tensor(stimulus.inputs), self._tensor(stimulus.views)
        own = [member for member, task in enumerate(self.tasks) if task.views is not None]
        shown = view(pixels[own].flatten(0, 1), how[own].flatten(0, 1), *task.image, task.full)
        return pixels.index_copy(0, torch.tensor(own, device=pixels.device), shown.view_as(pixels[own]))

    def encode(self, inputs: Inputs | Tensor, purpose: str, count: int) -> Tensor:
        """Inputs (members, batch, positions) as activity, or as spikes (members, time, batch, neurons)."""
        if self.settings.spiking is None:
            return self._analog_inputs(inputs)
        how = self.settings.spike_input
        spikes = [
            _spikes(task, _on_cpu(one), how, generator(seed, purpose, count))
            for task, seed, one in zip(self.tasks, self.seeds, inputs, strict=True)
        ]
        return torch.as_tensor(np.stack(spikes)).to(self.settings.device).to(self.settings.dtype)

    def _present(self, inputs: Tensor, target: Tensor) -> Tensor:
        """What the rule is shown: the stimulus alone, or with the one before, or with its label."""
        kind, before = self.settings.rule.presentation, self._shown
        if kind == "pair":
            self._shown = inputs
            return inputs if before is None else inputs + before
        if kind == "labelled":
            self._shown = target
            return self._with_label(inputs, torch.zeros_like(target) if before is None else before)
        return inputs

    def _with_label(self, inputs: Tensor, label: Tensor) -> Tensor:
        """The label beside every patch of the input: (members, batch, input neurons)."""
        sites = self.network.layers[0].sites
        patches = inputs.reshape(*inputs.shape[:2], sites, -1)
        return torch.cat([patches, label[:, :, None].expand(-1, -1, sites, -1)], dim=3).flatten(2)

    def _without_label(self, inputs: Tensor) -> Tensor:
        """For rules that are shown labels: no label is likelier than another."""
        if self.settings.rule.presentation != "labelled":
            return inputs
        shape = (*inputs.shape[:-1], self.network.classes)
        return self._with_label(inputs, inputs.new_full(shape, 1 / self.network.classes))

    def _analog_code(self) -> Tensor:
        code = np.stack([np.asarray(task.analog, dtype=np.float64) for task in self.tasks])
        return torch.as_tensor(code, dtype=self.settings.dtype, device=self.settings.device)

    def _analog_inputs(self, inputs: Inputs | Tensor) -> Tensor:
        if self.tasks[0].recorded_steps:
            inputs = self.tasks[0].intensity(_on_cpu(inputs))
        if not self.tasks[0].symbolic:
            return (self._tensor(inputs) - self._analog[:, :1, None]) / self._analog[:, 1:, None]
        symbols = torch.as_tensor(np.asarray(inputs, dtype=np.int64)).to(self.settings.device)
        table = self._analog[0]  # the same for all members: it depends on the number of symbols only
        return table[symbols].flatten(2)

    def _tensor(self, array: Inputs | Tensor) -> Tensor:
        return torch.as_tensor(array).to(self.settings.device).to(self.settings.dtype)

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that changes with training, by name; the stream is replayed, not stored."""
        saved = {f"parameter/{k}": v for k, v in self.learner.parameters.items()}
        saved |= {f"optimizer/{k}": v for k, v in self.learner.state.items()}
        for index, held in enumerate(self.learner.held):
            if held is not None:
                saved |= {f"held/{index}/{k}": v for k, v in held.tensors().items()}
        if self._before is not None:
            saved["before"] = self._before
        if self._shown is not None:
            saved["shown"] = self._shown
        return saved | {"step": torch.tensor(self.learned)}

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Go on from a snapshot of an ensemble with the same settings."""
        saved = {k: v.to(self.settings.device) for k, v in saved.items()}
        for name, value in self.learner.parameters.items():
            value.copy_(saved[f"parameter/{name}"])
        state = {k.removeprefix("optimizer/"): v for k, v in saved.items() if k.startswith("optimizer/")}
        self.learner.state.update({k: v.cpu() if v.dim() == 0 else v for k, v in state.items()})
        for index, layer in enumerate(self.network.layers):
            prefix = f"held/{index}/"
            parts = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
            self.learner.held[index] = Held.restored(layer, parts) if parts else None
        self._before, self._shown = saved.get("before"), saved.get("shown")
        while self.stream.count < int(saved["step"]):
            self.stream.next()
        self.learned = self.stream.count

    @torch.inference_mode()
    def features(self, member: int, examples: Examples, purpose: str) -> list[NDArray[Any]]:
        """Activity of all units of every layer for one member: (examples, units) each."""
        alone = self._only(member)
        collected: list[list[NDArray[Any]]] = [[] for _ in self.network.layers]
        for start in range(0, len(examples), PROBE_BATCH):
            inputs = examples.inputs[start : start + PROBE_BATCH]
            encoded = alone._without_label(alone.encode(inputs[None], purpose, start))
            for layer, values in enumerate(alone.simulator.features(alone.learner.parameters, encoded)):
                collected[layer].append(values[0].double().cpu().numpy())
        return [np.concatenate(values) for values in collected]

    def _only(self, member: int) -> Ensemble:
        """A view on one member, for forward passes."""
        alone = object.__new__(Ensemble)
        alone.settings, alone.network, alone.simulator = self.settings, self.network, self.simulator
        alone.tasks, alone.seeds = [self.tasks[member]], [self.seeds[member]]
        alone._analog = self._analog[member : member + 1]
        parameters = {k: v[member : member + 1] for k, v in self.learner.parameters.items()}
        alone.learner = Learner(
            self.network, self.settings.rule, parameters, self.learner.optimizer, self.learner.plastic
        )
        return alone

    def write_more(self, folder: Path) -> None:
        """What a run folder has beside what all runs have; nothing here."""

    def probe(self, member: int = 0) -> list[dict[str, float]]:
        """Linear-probe test accuracy per layer: latent level → accuracy."""
        task = self.tasks[member]
        train = self.features(member, task.train, "probe-train")
        test = self.features(member, task.test, "probe-test")
        return [probe(a, b, task.train.latents, task.test.latents) for a, b in zip(train, test, strict=True)]


def _spikes(task: Task, inputs: Inputs, how: SpikeInput, random: np.random.Generator) -> NDArray[Any]:
    """Inputs of one member as spikes (time, batch, neurons): those of recordings, or drawn by the coding."""
    if task.recorded_steps:
        return unpack(inputs, task.recorded_steps)
    return encode(task.intensity(inputs), how.time_steps, how.coding, how.rate, random)


def _on_cpu(inputs: Inputs | Tensor) -> Inputs:
    return inputs.cpu().numpy() if isinstance(inputs, Tensor) else inputs

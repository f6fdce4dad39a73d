"""Training of one network, or of an ensemble of them, on streams of stimuli."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from plastic import collapse
from plastic.data.coding import Coding, encode
from plastic.data.random import generator
from plastic.data.stream import Stimulus, Stream
from plastic.data.task import Examples, Inputs, Task
from plastic.errors import PlasticError
from plastic.models.brian2 import Brian2Simulator, load_brian2
from plastic.models.convolution import vgg
from plastic.models.initial_rates import scale_to_rate
from plastic.models.learning import Held, Learner, Observation, Response, Watch
from plastic.models.observer import Look, Observer
from plastic.models.optimizer import make_optimizer
from plastic.models.parallel import Share
from plastic.models.parameters import he_std, initial_parameters, lively_std, specification
from plastic.models.rate import RateSimulator
from plastic.models.reference_backend import ReferenceLearner, ReferenceSimulator
from plastic.models.snntorch import SnnTorchSimulator
from plastic.models.statistics import SlowTraces, decay_per_stimulus
from plastic.models.step import SpikingStep, Traces
from plastic.models.support import refusal
from plastic.models.topology import Network, dense, tree
from plastic.models.views import view
from plastic.probes import probe
from plastic.rules.rule import Rule

PROBE_BATCH = 512  # examples per forward pass when features are collected
SAMPLE = 32  # examples that initial rates are measured on


@dataclass(frozen=True)
class SpikeInput:
    """How stimuli become spikes."""

    time_steps: int = 20
    coding: Coding = "poisson"
    rate: float = 0.5


@dataclass(frozen=True)
class Settings:
    """What all members of an ensemble share."""

    rule: Rule
    widths: tuple[int, ...] = (128, 128, 128)
    topology: str = "tree"
    shared: bool = True
    activation: str = "relu"
    spiking: SpikingStep | None = None  # None: rate network
    backend: str = "snntorch"  # of spiking networks: reference, snntorch or brian2
    spike_input: SpikeInput = field(default_factory=SpikeInput)
    initial_rate: float = 0.0  # spikes per neuron and step before learning; 0: see lively_std
    batch: int = 128
    fixation_probability: float = 0.5
    fixation_error: float = 0.0
    optimizer: str = "adam"
    weight_bound: float = float("inf")
    recompute_context: bool = False
    statistics: str | None = None  # batch or traces; None: traces where there is one stream
    statistics_time_constant: float = 100.0  # of slow traces, in stimuli
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    share: Share = field(default_factory=Share)  # the streams of this process, where there are several

    @property
    def slow_traces(self) -> SlowTraces | None:
        """In the place of batch statistics; None: those."""
        if (self.statistics or ("traces" if self.batch == 1 else "batch")) == "batch":
            return None
        return SlowTraces(decay_per_stimulus(self.statistics_time_constant))


def build_network(settings: Settings, task: Task) -> Network:
    """The network that fits the task."""
    if settings.topology == "conv":
        network = _convolutional(settings, task)
    elif settings.topology == "dense":
        network = dense(task.positions * task.channels, settings.widths, task.classes)
    else:
        network = tree(task.positions, task.channels, task.branching, settings.widths, task.classes, settings.shared)
    return labelled(network) if settings.rule.presentation == "labelled" else network


def _convolutional(settings: Settings, task: Task) -> Network:
    """Feedback that is broadcast goes to every unit; a layer's own circuit sees the map as a grid of means."""
    if task.image is None:
        raise PlasticError(f"{task.name} is not made of images, which --topology conv is for; take tree or dense.")
    widths, everywhere = settings.widths, settings.rule.modulator == "broadcast"
    return vgg(*task.image, widths[0], len(widths), task.classes, whole_circuit=everywhere)


def labelled(network: Network) -> Network:
    """The network with a label beside every patch of the input."""
    first, *others = network.layers
    first = first.with_more_inputs(network.classes)
    return Network(first.sites * first.inputs_per_site, (first, *others), network.classes)


Batched: TypeAlias = RateSimulator | SnnTorchSimulator | ReferenceSimulator  # one stimulus per call
Simulator: TypeAlias = Batched | Brian2Simulator


def make_simulator(settings: Settings, network: Network) -> Simulator:
    """The simulator that the settings name; they are assumed to fit it (see plastic.config)."""
    rule, step = settings.rule, settings.spiking
    if step is None:
        return RateSimulator(network, rule, settings.activation)
    if settings.backend == "reference":
        return ReferenceSimulator(network, rule, step)
    if settings.backend == "brian2":
        return Brian2Simulator(network, rule, step, settings.spike_input.time_steps)
    return SnnTorchSimulator(network, rule, step)


def _check_backend(settings: Settings, members: int) -> None:
    """PlasticError for what the backend cannot do or where it is missing, before anything is written."""
    backend = settings.backend if settings.spiking is not None else "rate"
    kind = "batch" if settings.slow_traces is None else "traces"
    if (reason := refusal(settings.rule, backend, settings.batch, kind)) is not None:
        raise PlasticError(reason)
    settings.share.check(settings.rule, settings.batch, settings.spiking is not None)
    if backend in ("rate", "snntorch"):
        return
    if members > 1:
        raise PlasticError(f"the backend {backend} trains one network, not {members}; take snntorch.")
    if backend == "brian2":
        load_brian2()
        if settings.batch > 1:
            raise PlasticError(f"the backend brian2 runs one stream, not {settings.batch}; take batch 1, or snntorch.")


class Ensemble:
    """Networks trained side by side, one per (task, seed, learning rate)."""

    def __init__(
        self, settings: Settings, tasks: Sequence[Task], seeds: Sequence[int], learning_rates: Sequence[float]
    ) -> None:
        self.settings, self.tasks, self.seeds = settings, list(tasks), list(seeds)
        _check_backend(settings, len(tasks))
        self.network = build_network(settings, tasks[0])
        self.simulator = make_simulator(settings, self.network)
        self.learner = self._learner(learning_rates)
        self.stream = Stream(
            self.tasks, self.seeds, settings.batch, settings.fixation_probability, settings.fixation_error
        )
        self.learned = 0  # stimuli per stream
        self._before: Tensor | None = None
        self._shown: Tensor | None = None  # of the stimulus before: inputs or labels, as the rule is shown them
        self._analog = self._analog_code()

    def _learner(self, learning_rates: Sequence[float]) -> Learner:
        settings, rule = self.settings, self.settings.rule
        specified = specification(self.network, rule, self._initial_std())
        parameters = initial_parameters(specified, self.seeds)
        if settings.spiking is not None and settings.initial_rate > 0:
            spikes = self._sample_spikes().cpu().double()
            scale_to_rate(self.network, rule, settings.spiking, parameters, spikes, settings.initial_rate)
        parameters = {k: v.to(settings.device, settings.dtype) for k, v in parameters.items()}
        rates = torch.tensor(list(learning_rates), dtype=settings.dtype, device=settings.device)
        optimizer = settings.share.summing(make_optimizer(settings.optimizer, rates, settings.weight_bound))
        plastic = frozenset(name for name, synapses in specified.items() if synapses.plastic)
        period = 1 if settings.spiking is None else settings.spiking.learning_period
        if isinstance(self.simulator, ReferenceSimulator):
            return ReferenceLearner(
                self.network, rule, parameters, optimizer, plastic, traces=settings.slow_traces, learning_period=period,
                learning_rate=learning_rates[0], optimizer_kind=settings.optimizer, weight_bound=settings.weight_bound,
            )  # fmt: skip
        return Learner(
            self.network, rule, parameters, optimizer, plastic, traces=settings.slow_traces, learning_period=period
        )

    def _initial_std(self) -> list[float]:
        if self.settings.spiking is None or self.settings.initial_rate > 0:
            return he_std(self.network)
        mean = float(np.mean([t.intensity(t.train.inputs[:PROBE_BATCH]).mean() for t in self.tasks]))
        return lively_std(self.network, mean * self.settings.spike_input.rate)

    def _sample_spikes(self) -> Tensor:
        """Input of a few training examples: (members, time, examples, input neurons)."""
        inputs = np.stack([task.train.inputs[:SAMPLE] for task in self.tasks])
        return self._without_label(self.encode(inputs, "initial-rate", 0))

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
        """The inputs of a stimulus, as views of images where the task has such; then on the device."""
        if stimulus.views is None:
            return stimulus.inputs
        task = self.tasks[0]
        assert task.image is not None
        pixels = self._tensor(stimulus.inputs)
        how = self._tensor(stimulus.views).flatten(0, 1)
        return view(pixels.flatten(0, 1), how, *task.image, task.full).view_as(pixels)

    def encode(self, inputs: Inputs | Tensor, purpose: str, count: int) -> Tensor:
        """Inputs (members, batch, positions) as activity, or as spikes (members, time, batch, neurons)."""
        if self.settings.spiking is None:
            return self._analog_inputs(inputs)
        how = self.settings.spike_input
        spikes = [
            encode(task.intensity(_on_cpu(one)), how.time_steps, how.coding, how.rate, generator(seed, purpose, count))
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
            self.learner.held[index] = Held.of(layer, parts) if parts else None
        self._before, self._shown = saved.get("before"), saved.get("shown")
        while self.stream.count < int(saved["step"]):
            self.stream.next()
        self.learned = self.stream.count

    @torch.inference_mode()
    def features(self, member: int, examples: Examples, purpose: str) -> list[np.ndarray]:
        """Activity of all units of every layer for one member: (examples, units) each."""
        alone = self._only(member)
        collected: list[list[np.ndarray]] = [[] for _ in self.network.layers]
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

    def probe(self, member: int = 0) -> list[dict[str, float]]:
        """Linear-probe test accuracy per layer: latent level → accuracy."""
        task = self.tasks[member]
        train = self.features(member, task.train, "probe-train")
        test = self.features(member, task.test, "probe-test")
        return [probe(a, b, task.train.latents, task.test.latents) for a, b in zip(train, test, strict=True)]


def _on_cpu(inputs: Inputs | Tensor) -> Inputs:
    return inputs.cpu().numpy() if isinstance(inputs, Tensor) else inputs


def layer_metrics(into: dict[str, list[float | None]]) -> Watch:
    """A watch that collects, layer by layer, loss, fraction of open gates, mean activity, and whether
    the layer collapses: variance and effective rank of its responses, fraction of dead neurons."""

    def watch(index: int, seen: Observation) -> None:
        del index
        gate = seen.third.current.gate
        opened = (gate != 0).double().mean().item() if isinstance(gate, Tensor) else float(gate != 0)
        loss = seen.third.loss
        into.setdefault("loss", []).append(None if loss is None else loss.mean().item())
        into.setdefault("open_gates", []).append(opened)
        activity = seen.response.activity.flatten(2)
        into.setdefault("activity", []).append(activity.mean().item())
        if activity.isfinite().all():
            into.setdefault("variance", []).append(collapse.variance(activity).mean().item())
            into.setdefault("effective_rank", []).append(collapse.effective_rank(activity).mean().item())
            into.setdefault("dead_fraction", []).append(collapse.dead_fraction(activity).mean().item())

    return watch

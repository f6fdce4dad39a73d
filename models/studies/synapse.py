"""Experiments on one synapse, as electrophysiologists do them: spike times are given, the weight change is read.

The neuron has two inputs: the synapse under study, too weak to matter, and a strong one that makes it fire one step
after each of its spikes. Trials run in the spiking simulator itself, with the rule's own circuit and third factor, one
stream, η = 1. Every trial begins from the same state: after a warm-up of random stimuli with fixed weights, so that
slow traces are not those of a network that has never seen anything, and after a context stimulus.

stdp: one pre and one post spike, Δt = post − pre, as both are at the synapse. Bi & Poo, J. Neurosci. 18, 1998.
pairing-frequency: pairs 5 ms apart, as many at every rate. Sjöström, Turrigiano & Nelson, Neuron 32, 2001.
gate-sweep: one and the same pairing, under third factors that the circuit is driven through.

Of the chips: plastic.hardware.chip.synapse.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.backends import capabilities, fitting
from plastic.errors import PlasticError
from plastic.models.backends import Members, Simulator, backend_of
from plastic.models.backends.refusals import refusal
from plastic.models.learning.learner import Observation, Watch
from plastic.models.network.layer import dense
from plastic.models.network.parameters import Parameters, initial_parameters, specification
from plastic.models.neuron.constants import SpikingStep, Traces
from plastic.models.presentation import Presentation, Presented
from plastic.models.settings import Settings, SpikeInput
from plastic.rules.rule import Rule
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stimulus
from plastic.stimuli.task import Examples, Task

PROBED, TEACHER = 0, 1  # inputs
WEAK, STRONG = 1e-3, 1.05  # their weights, in thresholds: the post factor is largest near the threshold
WARM_UP = 60  # stimuli
NETWORK = dense(2, (1,), 2)
TARGET = (1.0, 0.0)  # of every stimulus
STATISTICS = 100.0  # stimuli over which slow traces forget
PROTOCOLS = ("stdp", "pairing-frequency", "gate-sweep")
Trains = NDArray[np.float64]  # input spikes of one stimulus: (time, 2)


@dataclass(frozen=True)
class Trial:
    """A test stimulus after a context stimulus; the weights of the circuit are times `circuit`."""

    x: float  # what is varied
    test: Trains
    context: Trains
    fixation: float
    circuit: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What became of the synapse under study; weight_change is per η. On a chip, means over its repeats, whose standard
    deviation is spread."""

    x: float
    fixation: float
    eligibility: float
    gate: float
    dendrite: float
    modulator: float
    weight_change: float
    spread: float = 0.0


def train(steps: int, pre: list[int], post: list[int]) -> Trains:
    """Input spikes that arrive at, or make the neuron fire at, the given steps (both one step after they were sent)."""
    spikes = np.zeros((steps, 2))
    spikes[[t - 1 for t in pre], PROBED] = 1
    spikes[[t - 1 for t in post], TEACHER] = 1
    return spikes


def trials(protocol: str, points: int) -> tuple[str, list[Trial]]:
    """What is varied, with its unit, and the trials of a protocol."""
    sides = (1.0, -1.0)
    if protocol == "stdp":
        steps, middle = 160, 80
        context = train(steps, [], list(range(8, steps, 8)))
        lags = np.unique(np.round(np.linspace(-50, 50, points)).astype(int))
        tests = [(float(lag), train(steps, [middle], [middle + int(lag)])) for lag in lags]
        return "Δt = t_post − t_pre (ms)", [Trial(x, test, context, y) for y in sides for x, test in tests]
    if protocol == "pairing-frequency":
        steps, pairs = 420, 5
        context = train(steps, [], list(range(8, steps, 8)))
        rates = np.unique(np.round(np.geomspace(12.5, 100, points)))
        starts = {rate: [10 + round(k * 1000 / rate) for k in range(pairs)] for rate in rates}
        tests = [(float(r), train(steps, at, [t + 5 for t in at])) for r, at in starts.items()]
        return f"rate of {pairs} pairings, post 5 ms after pre (Hz)", [
            Trial(x, test, context, y) for y in sides for x, test in tests
        ]
    if protocol == "gate-sweep":
        steps = 100
        test = train(steps, list(range(6, steps - 4, 8)), list(range(10, steps, 8)))
        context = train(steps, [], list(range(2, steps, 2)))
        return "strength of the modulatory circuit (of its weights)", [
            Trial(float(w), test, context, y, float(w)) for y in sides for w in np.linspace(-30, 30, points)
        ]
    raise PlasticError(f"unknown protocol {protocol!r}; --protocol is one of: {', '.join(PROTOCOLS)}.")


def start_parameters(rule: Rule) -> tuple[Parameters, list[str]]:
    """All weights as every trial finds them, with a leading axis of one network; names of the circuit's."""
    parameters = initial_parameters(specification(NETWORK, rule, [0.0]), [0], torch.float64, torch.device("cpu"))
    parameters["layer1.weight"][0, 0] = torch.tensor([WEAK, STRONG], dtype=torch.float64)
    circuit = [name for name in parameters if name not in ("layer1.weight", "readout.weight")]
    for name in circuit:  # 1, −1, 1, … along each row, so that a broadcast of differences does not cancel
        parameters[name][:] = (1.0 - 2.0 * (torch.arange(parameters[name].shape[-1]) % 2)).double()
    return parameters, circuit


def warm_up(steps: int) -> tuple[list[Trains], list[float]]:
    """Random stimuli and their fixations."""
    random = generator(0, "protocol")
    spikes = [(random.random((steps, len(TARGET))) < 0.1).astype(np.float64) for _ in range(WARM_UP)]
    return spikes, [1.0 if random.random() < 0.5 else -1.0 for _ in spikes]


def probe_synapse(
    rule: Rule, backend: str, protocol: str, points: int, step: SpikingStep, repeats: int | None = None
) -> tuple[str, list[Outcome], dict[str, float]]:
    """Run a protocol on a backend, in its own way where it has one: what was varied, an outcome for each point,
    fixations first, and constants that the backend chose.

    repeats: trials that a point is the mean of, on backends that round at random; None: as many as are usual there.
    Raises PlasticError for an unknown protocol, a rule that does not run on one stream of the backend, or repeats where
    nothing is random.
    """
    if not capabilities(backend).spikes:
        theirs = ", ".join(fitting(lambda can: can.spikes))
        raise PlasticError(f"the protocols need spikes; --backend is one of: {theirs}.")
    if (own := backend_of(backend).synapse) is not None:
        found: tuple[str, list[Outcome], dict[str, float]] = own(rule, backend, protocol, points, step, repeats)
        return found
    if repeats is not None:
        raise PlasticError(f"--repeats is of chips, which round at random, and {backend} does not; leave it out.")
    return *probe_rule(rule, backend, protocol, points, step), {}


def probe_rule(rule: Rule, backend: str, protocol: str, points: int, step: SpikingStep) -> tuple[str, list[Outcome]]:
    """Run a protocol on a simulator; what was varied, and an outcome for each of its points, fixations first.

    Raises PlasticError for an unknown protocol, or a rule that does not run on one stream of the backend.
    """
    varied, planned = trials(protocol, points)
    if (reason := refusal(rule, backend, 1, "traces", protocol=True)) is not None:
        raise PlasticError(reason)
    if protocol == "gate-sweep" and not start_parameters(rule)[1]:
        raise PlasticError(f"rule {rule.name!r} has no weights in its circuit, so there is no gate to sweep.")
    settings = Settings(
        rule=rule, spiking=replace(step, threshold=1.0), backend=backend, batch=1, optimizer="sgd",
        spike_input=SpikeInput(len(planned[0].test)), dtype=torch.float64, statistics_time_constant=STATISTICS,
    )  # fmt: skip
    settings.on.check(settings)
    return varied, _Trials.prepared(settings, planned).run()


@dataclass
class _Trials:
    """One neuron, its two synapses and its circuit, taken through a warm-up and one trial after the other.

    An observer of the simulator: it puts everything back as it was before each stimulus.
    """

    simulator: Simulator
    planned: list[Trial]
    stimuli: list[tuple[Trains, float]]  # each with its fixation
    start: Parameters
    circuit: list[str]  # names of the circuit's weights
    outcomes: list[Outcome] = field(default_factory=list)
    warm: dict[str, Tensor] = field(default_factory=dict)  # what the simulator holds after the warm-up
    observed: list[Observation] = field(default_factory=list)

    @classmethod
    def prepared(cls, settings: Settings, planned: list[Trial]) -> _Trials:
        parameters, circuit = start_parameters(settings.rule)
        start = {name: value.clone() for name, value in parameters.items()}
        members = Members(_nothing_to_draw(settings), (1.0,), parameters)
        stimuli = list(zip(*warm_up(settings.spike_input.time_steps), strict=True))
        stimuli += [(part, one.fixation) for one in planned for part in (one.context, one.test)]
        return cls(settings.on.build(settings, NETWORK, members), planned, stimuli, start, circuit)

    def run(self) -> list[Outcome]:
        self.simulator.run((_presented(k, *one) for k, one in enumerate(self.stimuli, 1)), self)
        return self.outcomes

    def begin(self, step: int) -> tuple[Watch | None, Traces | None]:
        self.observed.clear()
        if step > WARM_UP:
            trial, test = divmod(step - 1 - WARM_UP, 2)
            if not test:
                self.simulator.restore({k: v.clone() for k, v in self.warm.items()}, WARM_UP)
            for name in self.circuit:
                self.simulator.parameters[name][:] = self.start[name] * self.planned[trial].circuit
        return (lambda _, one: self.observed.append(one)), None

    def end(self, step: int, stimulus: Stimulus) -> None:
        del stimulus
        parameters = self.simulator.parameters
        change = (parameters["layer1.weight"] - self.start["layer1.weight"])[0, 0, PROBED].item()
        for name, value in self.start.items():
            parameters[name].copy_(value)
        if step == WARM_UP:
            self.warm = {k: v.clone() for k, v in self.simulator.snapshot().items()}
        trial, test = divmod(step - 1 - WARM_UP, 2)
        if step > WARM_UP and test:
            self.outcomes.append(self._outcome(self.planned[trial], change))

    def _outcome(self, trial: Trial, change: float) -> Outcome:
        (one,) = self.observed
        third, eligibility = one.third.current, one.response.eligibility.per_synapse()
        gate = float(torch.as_tensor(third.gate).flatten()[0])
        return Outcome(
            trial.x, trial.fixation, eligibility.flatten()[PROBED].item(), gate, third.dendrite.flatten()[0].item(),
            one.modulator.item(), change,
        )  # fmt: skip


def _presented(number: int, spikes: Trains, fixation: float) -> Presented:
    """Input spikes of one stimulus as a simulator gets them."""
    stimulus = Stimulus(spikes[None, None], np.full((1, 1), fixation > 0), np.zeros((1, 1), dtype=np.int64))
    inputs, target = torch.as_tensor(spikes)[None, :, None], torch.tensor([[TARGET]], dtype=torch.float64)
    return Presented(number, stimulus, inputs, torch.full((1, 1, 1), fixation, dtype=torch.float64), target)


def _nothing_to_draw(settings: Settings) -> Presentation:
    """A presentation of no stimuli: those of a protocol are given."""
    two = Examples(np.zeros((2, NETWORK.inputs)), np.arange(2), {"class": np.arange(2)[:, None]})
    task = Task("protocol", two, two, np.arange(2), 2, 1, 1, (0.0, 1.0))
    return Presentation(settings, NETWORK, [task], [0])

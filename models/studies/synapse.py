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

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.models.backends.brian2.simulator import Brian2Simulator, load_brian2
from plastic.models.backends.rate import RateSimulator
from plastic.models.backends.reference.adapter import ReferenceLearner, ReferenceSimulator
from plastic.models.backends.refusals import refusal
from plastic.models.learning.eligibility import Held, Response
from plastic.models.learning.learner import Learner, Observation
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.layer import dense
from plastic.models.network.parameters import Parameters, initial_parameters, specification
from plastic.models.neuron.constants import SpikingStep
from plastic.models.training.settings import Settings, Simulator, SpikeInput, make_simulator
from plastic.rules.rule import Rule
from plastic.rules.statistics import decay_per_stimulus
from plastic.stimuli.random import generator

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


def probe_rule(rule: Rule, backend: str, protocol: str, points: int, step: SpikingStep) -> tuple[str, list[Outcome]]:
    """Run a protocol; what was varied, and an outcome for each of its points, fixations first.

    Raises PlasticError for an unknown protocol, or a rule that does not run on one stream of the backend.
    """
    varied, planned = trials(protocol, points)
    if (reason := refusal(rule, backend, 1, "traces", protocol=True)) is not None:
        raise PlasticError(reason)
    if protocol == "gate-sweep" and not start_parameters(rule)[1]:
        raise PlasticError(f"rule {rule.name!r} has no weights in its circuit, so there is no gate to sweep.")
    bench = _Bench.make(rule, backend, replace(step, threshold=1.0), len(planned[0].test))
    outcomes = bench.run(planned)
    return varied, outcomes


@dataclass
class _Bench:
    """One neuron, its two synapses and its circuit, in a simulator."""

    simulator: Simulator
    learner: Learner
    time_steps: int
    start: Parameters
    circuit: list[str]  # names of the circuit's weights
    observed: list[Observation] = field(default_factory=list)

    @classmethod
    def make(cls, rule: Rule, backend: str, step: SpikingStep, time_steps: int) -> _Bench:
        if backend == "brian2":
            load_brian2()
        settings = Settings(
            rule=rule, spiking=step, backend=backend, batch=1, spike_input=SpikeInput(time_steps), dtype=torch.float64
        )
        network, (parameters, circuit) = NETWORK, start_parameters(rule)
        specified = specification(network, rule, [0.0])
        simulator, optimizer = make_simulator(settings, network), make_optimizer("sgd", torch.ones(1).double())
        decay = decay_per_stimulus(STATISTICS)
        plastic = frozenset(name for name, synapses in specified.items() if synapses.plastic)
        kinds = {"learning_rate": 1.0} if isinstance(simulator, ReferenceSimulator) else {}
        make: Any = ReferenceLearner if kinds else Learner
        learner = make(network, rule, parameters, optimizer, plastic, statistics_decay=decay, **kinds)
        return cls(simulator, learner, time_steps, {k: v.clone() for k, v in parameters.items()}, circuit)

    def run(self, planned: list[Trial]) -> list[Outcome]:
        warm, fixations = warm_up(self.time_steps)
        outcomes: list[Outcome] = []
        saved: dict[str, Any] = {}

        def end(k: int, responses: list[Response]) -> None:
            trial, test = divmod(k - WARM_UP, 2)
            if k < WARM_UP:
                self._learn(responses, fixations[k])
                if k == WARM_UP - 1:
                    saved.update(state=_copied(self.learner.state), held=list(self.learner.held))
                return
            if not test:
                self.learner.state = _copied(saved["state"])
                self.learner.held[:] = list[Held | None](saved["held"])
            one = planned[trial]
            for name in self.circuit:
                self.learner.parameters[name][:] = self.start[name] * one.circuit
            change = self._learn(responses, one.fixation)
            if test:
                outcomes.append(self._outcome(one, change))

        stimuli = warm + [part for one in planned for part in (one.context, one.test)]
        self._present(stimuli, end)
        return outcomes

    def _present(self, stimuli: list[Trains], end: Callable[[int, list[Response]], None]) -> None:
        parameters = self.learner.parameters
        if isinstance(self.simulator, Brian2Simulator):
            self.simulator.run(parameters, iter(stimuli), lambda _: None, end)
            return
        assert not isinstance(self.simulator, RateSimulator)
        for k, spikes in enumerate(stimuli):
            end(k, list(self.simulator.respond(parameters, torch.as_tensor(spikes)[None, :, None])))

    def _learn(self, responses: list[Response], fixation: float) -> float:
        """Learn from a stimulus and put the weights back: how much the synapse under study changed."""
        self.observed.clear()
        y = torch.full((1, 1, 1), fixation, dtype=torch.float64)
        target = torch.tensor([[TARGET]], dtype=torch.float64)
        weight = self.learner.parameters["layer1.weight"]
        before = weight[0, 0, PROBED].item()
        self.learner.learn(responses, y, target, lambda _, seen: self.observed.append(seen))
        change = weight[0, 0, PROBED].item() - before
        for name, value in self.start.items():
            self.learner.parameters[name].copy_(value)
        return change

    def _outcome(self, trial: Trial, change: float) -> Outcome:
        (seen,) = self.observed
        third, eligibility = seen.third.current, seen.response.eligibility.per_synapse()
        gate = float(torch.as_tensor(third.gate).flatten()[0])
        return Outcome(
            trial.x, trial.fixation, eligibility.flatten()[PROBED].item(), gate, third.dendrite.flatten()[0].item(),
            seen.modulator.item(), change,
        )  # fmt: skip


def _copied(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in state.items()}

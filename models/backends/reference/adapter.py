"""The reference behind the interface that the trainer knows: torch on the outside, numpy within.

One member only. Parameters and optimizer state are views of the same memory on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from plastic.models.backends import Members
from plastic.models.backends.reference import step as reference
from plastic.models.backends.reference import stepwise as reference_stepwise
from plastic.models.backends.reference.memory import masked
from plastic.models.backends.responding import Responding, on_device, plastic_names
from plastic.models.learning.eligibility import Eligibility, Factored, Previous, Response, Summed, factored
from plastic.models.learning.learner import Observation, Watch
from plastic.models.network.layer import Layer, Network
from plastic.models.network.limits import limits
from plastic.models.network.parameters import Parameters, he_std, learning_rates, specification
from plastic.models.neuron.constants import LayerTrace, SpikeTrains, SpikingStep, Traces
from plastic.models.settings import Settings
from plastic.rules.rule import Modulator, Rule, ThirdFactor


def _outside(array: Any) -> Any:
    """numpy to torch, with a first axis for the one member; numbers stay numbers."""
    return torch.from_numpy(np.ascontiguousarray(array))[None] if isinstance(array, np.ndarray) else array


def _inside(tensor: Tensor) -> reference.Array:
    """torch to numpy, without the axis of members."""
    assert tensor.shape[0] == 1, "the reference runs one network"
    array: reference.Array = tensor[0].numpy()
    return array


@dataclass(frozen=True)
class ReferenceSimulator:
    """Responses by the loop of plastic.models.backends.reference.step."""

    network: Network
    rule: Rule  # of the run
    step: SpikingStep = field(default_factory=SpikingStep)

    def respond(self, parameters: Parameters, spikes: Tensor, traces: Traces | None = None) -> Iterator[Response]:
        """Responses of the layers, bottom up, to spikes (1, time, batch, input neurons)."""
        weights = {name: _inside(value) for name, value in parameters.items()}
        stepwise = any(rule.stepwise for rule in self.network.rules(self.rule))
        trace: list[list[reference.LayerStep]] | None = [] if stepwise or traces is not None else None
        responses = reference.respond(self.network, self.rule, self.step, weights, _inside(spikes), trace)
        for index, layer in enumerate(self.network.layers):
            if traces is not None and trace is not None:
                recorded = [vars(step[index]) for step in trace]
                traces[index] = [LayerTrace(**{k: _outside(np.stack([s[k] for s in recorded])) for k in recorded[0]})]
            one = responses[index]
            eligibility: Eligibility = Summed(layer, _outside(one.eligibility))
            trains = None
            if stepwise and trace is not None:
                eligibility, trains = self._in_steps(layer, [step[index] for step in trace])
            arrived = _outside(one.input_activity[:, 0])
            yield Response(
                _outside(one.activity), _outside(one.post_factor), eligibility, input_activity=arrived, trains=trains
            )

    def _in_steps(self, layer: Layer, steps: list[reference.LayerStep]) -> tuple[Eligibility, SpikeTrains]:
        """What a stepwise rule needs of every step."""
        learning = steps[self.step.learning_period - 1 :: self.step.learning_period]
        mask = layer.rule_of(self.rule).mask
        post = np.stack([masked(step.post_factor, mask) for step in learning])
        eligibility = Factored(layer, _outside(post), _outside(np.stack([step.pre_trace for step in learning])))
        arriving = np.stack([step.pre_spike.mean((1, 2)) for step in steps])
        return eligibility, SpikeTrains(_outside(np.stack([step.spike for step in steps])), _outside(arriving))

    def features(self, parameters: Parameters, spikes: Tensor) -> list[Tensor]:
        """Spike counts per step of all units of every layer: (1, batch, units) each."""
        return [response.activity.flatten(2) for response in self.respond(parameters, spikes)]


@dataclass
class ReferenceLearner:
    """Third factors and updates by plastic.models.backends.reference.step; keeps what any learner keeps, in torch."""

    network: Network
    rule: Rule  # of the run
    parameters: Parameters
    plastic: frozenset[str]
    statistics_decay: float | None = None
    learning_period: int = 1
    learning_rate: float = 0.0
    optimizer_kind: str = "sgd"
    weight_bound: float = float("inf")
    state: dict[str, Tensor] = field(default_factory=dict)
    held: list[Previous | None] = field(default_factory=list)
    rates: dict[str, float] = field(default_factory=dict)  # see plastic.models.backends.reference.step.Reference
    limits: dict[str, tuple[reference.Array, reference.Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held = self.held or [None] * len(self.network.layers)

    def learn(
        self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None = None
    ) -> None:
        """Update all weights after one stimulus; `watch(layer, observation)` sees each layer before."""
        given = list(responses)
        truth = self._reference()
        inside = [_response_inside(response) for response in given]
        if any(rule.stepwise for rule in self.network.rules(self.rule)):
            inside = truth.weighted(inside, _inside(fixation), _inside(target))
        factors = truth.third_factors(inside, _inside(fixation), _inside(target))
        if watch is not None:
            for index, (response, third) in enumerate(zip(given, factors, strict=True)):
                routed = _outside(truth.routed(index, third.current.value))
                watch(index, Observation(response, _third_outside(third), routed))
        truth.learn(inside, factors, _inside(target))
        self.state = {name: torch.from_numpy(np.asarray(value)) for name, value in truth.state.items()}
        for index, (layer, held) in enumerate(zip(self.network.layers, truth.held, strict=True)):
            if held is not None:
                eligibility = None if held.eligibility is None else Summed(layer, _outside(held.eligibility))
                self.held[index] = Previous(_outside(held.context), eligibility, _outside(held.post_factor))

    def _reference(self) -> reference.Reference:
        return reference.Reference(
            self.network,
            self.rule,
            SpikingStep(learning_period=self.learning_period),  # the responses are there already
            {name: _inside(value) for name, value in self.parameters.items()},
            self.plastic,
            self.learning_rate,
            self.optimizer_kind,
            self.weight_bound,
            [None if held is None else _held_inside(held) for held in self.held],
            {name: value.numpy() for name, value in self.state.items()},
            self.statistics_decay,
            rates=self.rates,
            limits=self.limits,
        )


def _response_inside(response: Response) -> reference.LayerResponse:
    eligibility, in_steps = response.eligibility, None
    if response.trains is not None:
        own = factored(eligibility)
        parts = (response.trains.spikes, response.trains.arriving, own.post, own.pre)
        in_steps = reference_stepwise.LayerSteps(*(_inside(x) for x in parts))
    if (arrived := response.input_activity) is None:
        raise TypeError("a response of the reference has an input activity")
    return reference.LayerResponse(
        _inside(response.activity), _inside(response.post), _inside(eligibility.per_synapse()),
        _inside(arrived)[:, None], in_steps,
    )  # fmt: skip


def _held_inside(held: Previous) -> reference.PreviousStimulus:
    eligibility = None if held.eligibility is None else _inside(held.eligibility.per_synapse())
    post = None if held.post is None else _inside(held.post)
    return reference.PreviousStimulus(_inside(held.context), eligibility, post)


def _third_outside(third: ThirdFactor) -> ThirdFactor:
    """The third factor as torch, for metrics and traces."""
    current = Modulator(_outside(third.current.gate), _outside(third.current.dendrite))
    before = third.context
    context = None if before is None else Modulator(_outside(before.gate), _outside(before.dendrite))
    signals = {name: _outside(value) for name, value in third.signals.items()}
    return ThirdFactor(current, context, loss=_outside(third.loss), signals=signals)


def build(settings: Settings, network: Network, members: Members) -> Responding:
    """One network by the reference."""
    specified = specification(network, settings.rule, he_std(network))
    within = {name: (low[0], high[0]) for name, (low, high) in limits(network, members.presentation.seeds).items()}
    learner = ReferenceLearner(
        network, settings.rule, on_device(settings, members.parameters), plastic_names(specified),
        settings.statistics_decay, settings.learning_period, members.learning_rates[0], settings.optimizer,
        settings.weight_bound, rates=learning_rates(network, specified), limits=within,
    )  # fmt: skip
    return Responding(ReferenceSimulator(network, settings.rule, settings.step), learner)

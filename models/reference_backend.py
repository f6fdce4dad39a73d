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

from plastic.models import reference
from plastic.models.learning import Eligibility, Held, Learner, Observation, Response, Watch
from plastic.models.parameters import Parameters
from plastic.models.step import LayerTrace, SpikingStep, Traces
from plastic.models.topology import Network
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
    """Responses by the loop of plastic.models.reference."""

    network: Network
    rule: Rule
    step: SpikingStep = field(default_factory=SpikingStep)

    def respond(self, parameters: Parameters, spikes: Tensor, traces: Traces | None = None) -> Iterator[Response]:
        """Responses of the layers, bottom up, to spikes (1, time, batch, input neurons)."""
        weights = {name: _inside(value) for name, value in parameters.items()}
        trace: list[list[reference.LayerStep]] | None = None if traces is None else []
        responses = reference.respond(self.network, self.rule, self.step, weights, _inside(spikes), trace)
        for index, layer in enumerate(self.network.layers):
            if traces is not None and trace is not None:
                shown = [vars(step[index]) for step in trace]
                traces[index] = [LayerTrace(**{k: _outside(np.stack([s[k] for s in shown])) for k in shown[0]})]
            one = responses[index]
            eligibility = Eligibility(layer, summed=_outside(one.eligibility))
            arrived = _outside(one.input_activity[:, 0])
            yield Response(_outside(one.activity), _outside(one.post_factor), eligibility, input_activity=arrived)

    def features(self, parameters: Parameters, spikes: Tensor) -> list[Tensor]:
        """Spike counts per step of all units of every layer: (1, batch, units) each."""
        return [response.activity.flatten(2) for response in self.respond(parameters, spikes)]


@dataclass
class ReferenceLearner(Learner):
    """Third factors and updates by plastic.models.reference; holds what any learner holds."""

    learning_rate: float = 0.0
    optimizer_kind: str = "sgd"
    weight_bound: float = float("inf")

    def learn(
        self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None = None
    ) -> None:
        """Update all weights after one stimulus; `watch(layer, observation)` sees each layer before."""
        shown = list(responses)
        truth = self._reference()
        inside = [
            reference.LayerResponse(
                _inside(r.activity), _inside(r.post), _inside(r.eligibility.per_synapse()), _arrived(r)
            )
            for r in shown
        ]
        factors = truth.third_factors(inside, _inside(fixation), _inside(target))
        if watch is not None:
            for index, (response, third) in enumerate(zip(shown, factors, strict=True)):
                routed = _outside(truth.routed(index, third.current.value))
                watch(index, Observation(response, _third_outside(third), routed))
        truth.learn(inside, factors, _inside(target))
        self.state = {name: torch.from_numpy(np.asarray(value)) for name, value in truth.state.items()}
        for index, (layer, held) in enumerate(zip(self.network.layers, truth.held, strict=True)):
            assert held is not None
            eligibility = None if held.eligibility is None else Eligibility(layer, summed=_outside(held.eligibility))
            self.held[index] = Held(_outside(held.context), eligibility)

    def _reference(self) -> reference.Reference:
        return reference.Reference(
            self.network,
            self.rule,
            SpikingStep(),  # the responses are there already
            {name: _inside(value) for name, value in self.parameters.items()},
            self.plastic,
            self.learning_rate,
            self.optimizer_kind,
            self.weight_bound,
            [None if held is None else _held_inside(held) for held in self.held],
            {name: value.numpy() for name, value in self.state.items()},
            None if self.traces is None else self.traces.decay,
        )


def _arrived(response: Response) -> reference.Array:
    assert response.input_activity is not None
    return _inside(response.input_activity)[:, None]


def _held_inside(held: Held) -> reference.Held:
    eligibility = None if held.eligibility is None else _inside(held.eligibility.per_synapse())
    return reference.Held(_inside(held.context), eligibility)


def _third_outside(third: ThirdFactor) -> ThirdFactor:
    """The third factor as torch, for metrics and traces."""
    current, context = (
        None if m is None else Modulator(_outside(m.gate), _outside(m.dendrite)) for m in (third.current, third.context)
    )
    assert current is not None
    signals = {name: _outside(value) for name, value in third.signals.items()}
    return ThirdFactor(current, context, loss=_outside(third.loss), signals=signals)

"""What backends share that answer stimuli and leave the learning to plastic.models.learning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from plastic.models.backends import Members
from plastic.models.learning.eligibility import Previous, Response
from plastic.models.learning.learner import Learner, Watch
from plastic.models.learning.observer import Observer
from plastic.models.learning.optimizer import Optimizer, make_optimizer
from plastic.models.network.layer import Network
from plastic.models.network.limits import limits
from plastic.models.network.parameters import Parameters, he_std, learning_rates, specification
from plastic.models.neuron.constants import Traces
from plastic.models.presentation import Presented
from plastic.models.settings import Settings
from plastic.rules.rule import Synapses


@runtime_checkable
class Responder(Protocol):
    """Answers one stimulus of every stream after the other, with the weights that it is given."""

    def respond(self, parameters: Parameters, inputs: Tensor, *, traces: Traces | None = None) -> Iterator[Response]:
        """Responses of the layers, bottom up; `traces`, where given, gets the signals of every step."""
        ...

    def features(self, parameters: Parameters, inputs: Tensor) -> list[Tensor]:
        """Activity of all units of every layer: (members, batch, n) each."""
        ...


@runtime_checkable
class Learning(Protocol):
    """Turns responses into changes: plastic.models.learning.learner.Learner, or the reference's own."""

    network: Network
    parameters: Parameters
    state: dict[str, Tensor]
    held: list[Previous | None]

    def learn(
        self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None = None
    ) -> None:
        """Update all weights after one stimulus; `watch(layer, observation)` sees each layer before."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A responder that keeps the inputs of the stimulus before."""

    before: Tensor | None


@dataclass
class Responding:
    """Networks that answer by a responder and learn by a learner (plastic.models.backends.Simulator)."""

    responder: Responder
    learner: Learning
    features_by: str = ""
    rounds: bool = False

    @property
    def parameters(self) -> Parameters:
        return self.learner.parameters

    def run(self, stimuli: Iterable[Presented], observer: Observer) -> None:
        for presented in stimuli:
            watch, traces = observer.begin(presented.number)
            responses = self.responder.respond(self.parameters, presented.inputs, traces=traces)
            self.learner.learn(responses, presented.fixation, presented.target, watch)
            observer.end(presented.number, presented.stimulus)

    def features(self, member: int, inputs: Tensor) -> list[Tensor]:
        return self.responder.features(of_member(self.parameters, member), inputs)

    def snapshot(self) -> dict[str, Tensor]:
        saved = learner_snapshot(self.learner)
        if isinstance(self.responder, Remembering) and self.responder.before is not None:
            saved["before"] = self.responder.before
        return saved

    def restore(self, saved: dict[str, Tensor], learned: int) -> None:
        del learned
        restore_learner(self.learner, saved)
        if isinstance(self.responder, Remembering):
            self.responder.before = saved.get("before")

    def write_report(self, folder: Path) -> None:
        """Nothing beside what all runs have."""


def of_member(parameters: Parameters, member: int) -> Parameters:
    """The weights of one member alone."""
    return {k: v[member : member + 1] for k, v in parameters.items()}


def make_learner(settings: Settings, network: Network, members: Members) -> Learner:
    """What learns by the settings' rule and optimizer, from the members' initial weights."""
    specified = specification(network, settings.rule, he_std(network))
    return Learner(
        network, settings.rule, on_device(settings, members.parameters), optimizer_of(settings, network, members),
        plastic_names(specified), statistics_decay=settings.statistics_decay, learning_period=settings.learning_period,
    )  # fmt: skip


def on_device(settings: Settings, parameters: Parameters) -> Parameters:
    """In the settings' arithmetic, on their device."""
    return {k: v.to(settings.device, settings.dtype) for k, v in parameters.items()}


def plastic_names(specified: dict[str, Synapses]) -> frozenset[str]:
    """Names of the weights that learn."""
    return frozenset(name for name, synapses in specified.items() if synapses.plastic)


def optimizer_of(settings: Settings, network: Network, members: Members) -> Optimizer:
    """What changes the members' weights, within the limits of each."""

    def tensor(numbers: Any) -> Tensor:
        return torch.as_tensor(numbers, dtype=settings.dtype, device=settings.device)

    rates = tensor(list(members.learning_rates))
    own = learning_rates(network, members.parameters)
    within = {k: (tensor(low), tensor(high)) for k, (low, high) in limits(network, members.presentation.seeds).items()}
    made = make_optimizer(
        settings.optimizer, rates, settings.weight_bound,
        {name: torch.full_like(rates, rate) for name, rate in own.items()}, within,
    )  # fmt: skip
    return settings.share.summing(made)


def learner_snapshot(learner: Learning) -> dict[str, Tensor]:
    """Weights, optimizer, and what layers hold, by name."""
    saved = {f"parameter/{k}": v for k, v in learner.parameters.items()}
    saved |= {f"optimizer/{k}": v for k, v in learner.state.items()}
    for index, held in enumerate(learner.held):
        if held is not None:
            saved |= {f"held/{index}/{k}": v for k, v in held.tensors().items()}
    return saved


def restore_learner(learner: Learning, saved: dict[str, Tensor]) -> None:
    """The inverse of `learner_snapshot`, in place; KeyError for weights that are not there."""
    for name, value in learner.parameters.items():
        value.copy_(saved[f"parameter/{name}"])
    state = {k.removeprefix("optimizer/"): v for k, v in saved.items() if k.startswith("optimizer/")}
    learner.state.update({k: v.cpu() if v.dim() == 0 else v for k, v in state.items()})
    for index, layer in enumerate(learner.network.layers):
        prefix = f"held/{index}/"
        parts = {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}
        learner.held[index] = Previous.restored(layer, parts) if parts else None

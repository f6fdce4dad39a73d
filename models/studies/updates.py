"""What a rule would add to every weight on one batch, and the cosine of two such updates; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.learner import Learner, Watch
from plastic.models.learning.optimizer import State
from plastic.models.network.layer import Network
from plastic.models.network.outer import Update
from plastic.models.network.parameters import Parameters
from plastic.rules.rule import Rule


@dataclass(frozen=True)
class Batch:
    """What one comparison is made on: (members, batch, …)."""

    inputs: Tensor
    before: Tensor
    fixation: Tensor
    target: Tensor


def updates(
    network: Network, rule: Rule, activation: str, parameters: Parameters, batch: Batch, watch: Watch | None = None
) -> Parameters:
    """What the rule would add to every weight, by name; `watch` sees each layer's response and third factor."""
    found: Parameters = {}

    def collect(name: str, weight: Tensor, update: Update, state: State) -> None:
        del weight, state
        found[name] = update.value()

    learner = Learner(network, rule, parameters, collect, frozenset(parameters))
    responses = RateSimulator(network, rule, activation).respond(parameters, batch.inputs, batch.before)
    learner.learn(responses, batch.fixation, batch.target, watch)
    return found


def cosine(a: Tensor, b: Tensor) -> float:
    """Of two updates, flattened; 0 where one of them is nothing."""
    a, b = a.flatten().double(), b.flatten().double()
    norms = float(a.norm() * b.norm())
    return float(a @ b) / norms if norms > 0 else 0.0

"""The rate simulator: a stimulus is one step, x̄ = x, ψ = ρ′(a). Explicit updates, no autograd.

A leading ensemble axis trains many members (seeds, train sizes, learning rates) in batched matrix
products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from plastic.models.backends import Members
from plastic.models.backends.responding import Responding, make_learner
from plastic.models.learning.eligibility import Factored, Response
from plastic.models.learning.feedback import masked
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.neuron.constants import LayerTrace, Traces
from plastic.models.neuron.surrogate import rate_function
from plastic.models.settings import Settings
from plastic.rules.rule import Rule


@dataclass(frozen=True)
class RateSimulator:
    """z = ρ(W x), layer by layer."""

    network: Network
    rule: Rule  # of the run
    activation: str = "relu"

    def respond(
        self, parameters: Parameters, inputs: Tensor, before: Tensor | None = None, traces: Traces | None = None
    ) -> Iterator[Response]:
        """Responses of the layers, bottom up, to inputs (members, batch, input neurons), of pairs normalised already.

        With `before`, the inputs of the stimulus before, its responses are computed again with the
        present weights instead of being held: no memory per layer, twice the work. `traces`, where given,
        gets x, a, ρ′(a) and ρ(a) as the signals of the one step that a stimulus is.
        """
        rho, derivative = rate_function(self.activation)
        batch = inputs.shape[1]
        x = inputs if before is None else torch.cat([inputs, before], dim=1)
        for index, layer in enumerate(self.network.layers):
            pre, reads = layer.patches(x), layer.rule_of(self.rule).reads
            if reads.normalised_input and not (index == 0 and reads.presentation == "pair"):
                pre = layer.normalise(pre)
            drive, winner = layer.compete(parameters[f"{layer_name(index)}.weight"], pre)
            activity = rho(drive)
            post = derivative(drive, activity)
            x, recomputed = activity.flatten(2), None
            if before is not None:
                past = activity[:, batch:], post[:, batch:], pre[:, batch:]
                recomputed = self._response(index, *past, None if winner is None else winner[:, batch:])
                activity, post, pre, drive = (each[:, :batch] for each in (activity, post, pre, drive))
                winner = None if winner is None else winner[:, :batch]
            if traces is not None:
                traces[index] = [LayerTrace(*(each[:, None] for each in (pre, pre, drive, post, activity)))]
            del drive
            yield self._response(index, activity, post, pre, winner, recomputed)

    def _response(
        self, index: int, activity: Tensor, post: Tensor, pre: Tensor, winner: Tensor | None,
        before: Response | None = None,
    ) -> Response:  # fmt: skip
        """Of one layer to one stimulus; the eligibility has an axis of one time step."""
        layer = self.network.layers[index]
        rule = layer.rule_of(self.rule)
        own = masked(post, rule.mask, batch_axis=1)
        won = None if winner is None else winner[:, None]
        eligibility = Factored(layer, own[:, None], pre[:, None], winner=won)
        arrived = pre.abs().mean((2, 3)) if "input_activity" in rule.reads.signals else None
        return Response(activity, post, eligibility, before, arrived)

    def features(self, parameters: Parameters, inputs: Tensor) -> list[Tensor]:
        """What a probe sees of every layer (all units; of an image, a grid of means), and all units of the top layer:
        (members, batch, n) each."""
        found, top = [], self.network.layers[-1]
        for layer, response in zip(self.network.layers, self.respond(parameters, inputs), strict=True):
            found.append(response.activity.flatten(2) if layer is top else layer.features(response.activity))
        return found


@dataclass
class Recomputing:
    """Answers each stimulus together with the one before, whose responses are computed again instead of being held."""

    simulator: RateSimulator
    before: Tensor | None = None

    def respond(self, parameters: Parameters, inputs: Tensor, *, traces: Traces | None = None) -> Iterator[Response]:
        before, self.before = self.before, inputs
        return self.simulator.respond(parameters, inputs, before, traces)

    def features(self, parameters: Parameters, inputs: Tensor) -> list[Tensor]:
        return self.simulator.features(parameters, inputs)


def build(settings: Settings, network: Network, members: Members) -> Responding:
    """Rate networks, in the settings' arithmetic and on their device."""
    simulator = RateSimulator(network, settings.rule, settings.activation)
    learner = make_learner(settings, network, members)
    return Responding(Recomputing(simulator) if settings.recompute_context else simulator, learner)

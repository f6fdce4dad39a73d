"""The rate simulator: a stimulus is one step, x̄ = x, ψ = ρ′(a). Explicit updates, no autograd.

A leading ensemble axis trains many members (seeds, train sizes, learning rates) in batched matrix
products.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from plastic.models.learning import Eligibility, Response, masked
from plastic.models.parameters import Parameters, layer_name
from plastic.models.surrogate import rate_function
from plastic.models.topology import Network
from plastic.rules.rule import Rule


@dataclass(frozen=True)
class RateSimulator:
    """z = ρ(W x), layer by layer."""

    network: Network
    rule: Rule
    activation: str = "relu"

    def respond(self, parameters: Parameters, inputs: Tensor, before: Tensor | None = None) -> Iterator[Response]:
        """Responses of the layers, bottom up, to inputs (members, batch, input neurons).

        With `before`, the inputs of the stimulus before, its responses are computed again with the
        present weights instead of being held: no memory per layer, twice the work.
        """
        rho, derivative = rate_function(self.activation)
        batch = inputs.shape[1]
        x = inputs if before is None else torch.cat([inputs, before], dim=1)
        for index, layer in enumerate(self.network.layers):
            pre = layer.patches(x)
            drive = layer.drive(parameters[f"{layer_name(index)}.weight"], pre)
            activity = rho(drive)
            post = derivative(drive, activity)
            now, past = slice(None, batch), slice(batch, None)
            recomputed = None
            if before is not None:
                recomputed = (activity[:, past], self._eligibility(index, post[:, past], pre[:, past]))
            yield Response(
                activity[:, now], post[:, now], self._eligibility(index, post[:, now], pre[:, now]), recomputed
            )
            x = activity.flatten(2)

    def _eligibility(self, index: int, post: Tensor, pre: Tensor) -> Eligibility:
        post = masked(post, self.rule.mask, batch_axis=1)
        return Eligibility(self.network.layers[index], post[:, None], pre[:, None])

    def features(self, parameters: Parameters, inputs: Tensor) -> list[Tensor]:
        """All units of every layer: (members, batch, units) each."""
        return [response.activity.flatten(2) for response in self.respond(parameters, inputs)]

"""A backend as another package would offer it: the canonical step in plain torch, a step at a time; no line of it is
plastic's. DESIGN section 5, in float64, any number of streams of one network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from plastic.models.backends import Capabilities, Composed, Members, Package, Simulator
from plastic.models.backends.responding import Responding, make_learner
from plastic.models.learning.eligibility import Factored, Response
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters
from plastic.models.neuron.constants import LayerTrace, Traces
from plastic.models.settings import Settings


class Toy:
    """Responds; what learns is plastic's."""

    def __init__(self, settings: Settings, network: Network) -> None:
        self.settings, self.network, self.step = settings, network, settings.step

    def respond(self, parameters: Parameters, inputs: Tensor, *, traces: Traces | None = None) -> Iterator[Response]:
        step, spikes = self.step, inputs[0]  # (time, batch, inputs)
        for index, layer in enumerate(self.network.layers):
            weight = parameters[f"layer{index + 1}.weight"][0]
            arriving = torch.cat([torch.zeros_like(spikes[:1]), spikes[:-1]])
            arriving = arriving.view(*arriving.shape[:2], layer.positions, layer.fan_in)
            membrane = trace = 0.0
            rows = []
            for now in arriving:
                membrane = step.membrane_decay * membrane + torch.einsum(
                    "bpk,nk->bpn" if layer.shared else "bpk,pnk->bpn", now, weight
                )
                psi = 1 / (1 + step.slope * (membrane - step.threshold).abs()) ** 2
                fired = (membrane > step.threshold).double()
                trace = step.trace_decay * trace + now
                rows.append((now, trace, membrane, psi, fired))
                membrane = membrane * (1 - fired)
            now, trace, membrane, psi, fired = (torch.stack(column)[None] for column in zip(*rows, strict=True))
            if traces is not None:
                traces[index] = [LayerTrace(now, trace, membrane, psi, fired)]
            eligibility = Factored(layer, psi, trace)
            yield Response(fired.mean(1), psi.mean(1), eligibility, input_activity=now.mean((1, 3, 4)))
            spikes = fired[0].flatten(2)

    def features(self, parameters: Parameters, inputs: Tensor) -> list[Tensor]:
        return [response.activity.flatten(2) for response in self.respond(parameters, inputs)]


def build(settings: Settings, network: Network, members: Members) -> Simulator:
    return Responding(Toy(settings, network), make_learner(settings, network, members))


def refusal(rule: object, network: Network | None) -> str | None:
    if getattr(rule, "stepwise", False) or getattr(rule, "mask", "sample") != "sample":
        return f"rule {rule!r} is more than a toy can do; take another backend."
    return None


TOY = Composed(
    "toy",
    Package("torch", "torch", "pip install torch"),
    Capabilities(
        spikes=True, dtypes=("float64",), devices=("cpu",), trace_timings=("arrived",), usual_stimuli=40, place=60
    ),
    build=build,
    refusal=refusal,
)

"""Local and global updates of `clapp++` on pairs of which each half predicts the other, and their cosine.

As in the authors' code both halves are credited and each way has a B of its own; the loss is the mean over all
patches, plus λ‖B‖²/2. The negative of stream b is stream b + 1 of the same half (theirs follows on from one half to the
other, which concerns one stream in 64). All numbers are of the rules' own updates: `clapp++` beside `bp-clapp++`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from plastic.experiments.studies.alignment import optimum
from plastic.experiments.studies.theory_inputs import Pooled
from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.network.layer import Layer, Network
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.studies.null import redrawn
from plastic.models.studies.updates import Batch, cosine, updates
from plastic.rules import load_rule
from plastic.rules.rule import Rule

Circuits = tuple[Parameters, Parameters]  # B of every layer, of both ways


@dataclass(frozen=True)
class Compared:
    """A local rule, and the same loss sent down from the top of the same network."""

    network: Network
    rule: Rule
    reference: Rule
    activation: str

    @classmethod
    def of(cls, network: Network, f: str, feedback: str, activation: str) -> Compared:
        local, top = load_rule("clapp++", {"f": f, "feedback": feedback}), load_rule("bp-clapp++", {"f": f})
        return cls(network, local, top, activation)

    @property
    def matrix(self) -> str:
        """Name of B in the rule's circuits."""
        return "B" if self.rule.feedback == "lateral" else "B_top"  # type: ignore[attr-defined]

    def matrices(self, seed: int, dtype: torch.dtype) -> Circuits:
        """B as torch.nn.Linear draws it, uniform within 1/√(its inputs); the authors' is Bᵀ, which reads z."""
        draw, found = torch.Generator().manual_seed(seed), (Parameters(), Parameters())
        for way in found:
            for index in range(len(self.network.layers)):
                units, context = self._sizes(index)
                b = torch.empty(units, context, dtype=dtype).uniform_(-(units**-0.5), units**-0.5, generator=draw)
                way[f"{layer_name(index)}.{self.matrix}"] = b[None]
        return found

    def fitted(self, weights: Parameters, batches: Sequence[Batch], f: str, decay: float) -> Circuits:
        """B of every layer at the minimum, for these pairs, of the mean loss plus decay ‖B‖²/2."""
        found = (Parameters(), Parameters())
        for way, batch in zip(found, batches, strict=True):
            now, before = (self._summaries(weights, x) for x in (batch.inputs, batch.before))
            for index in range(len(now)):
                context = before[index] if self.matrix == "B" else before[-1]
                way[f"{layer_name(index)}.{self.matrix}"] = optimum(now[index], context, f, decay * 2 * len(context))[
                    None
                ]
        return found

    def local(self, weights: Parameters, circuits: Circuits, batches: Sequence[Batch]) -> list[Parameters]:
        """What the local rule would change in each of the two ways, of the summed loss."""
        both = zip(circuits, batches, strict=True)
        return [updates(self.network, self.rule, self.activation, weights | own, batch) for own, batch in both]

    def at_the_top(self, circuits: Circuits) -> list[Parameters]:
        """B of the top layer, by the name that it has in the reference."""
        top = layer_name(len(self.network.layers) - 1)
        return [{f"{top}.B": own[f"{top}.{self.matrix}"]} for own in circuits]

    def overall(self, weights: Parameters, circuits: Circuits, batches: Sequence[Batch]) -> list[Parameters]:
        """What the reference would change, with the same B at the top."""
        both = zip(self.at_the_top(circuits), batches, strict=True)
        return [updates(self.plain, self.reference, self.activation, weights | own, batch) for own, batch in both]

    @property
    def plain(self) -> Network:
        """The network as the reference sees it: every unit for itself."""
        return Network(
            self.network.inputs, tuple(_ungrouped(layer) for layer in self.network.layers), self.network.classes
        )

    def row(
        self, weights: Parameters, circuits: Circuits, batches: Sequence[Batch], draw: int | None = None
    ) -> dict[str, list[float]]:
        """By layer: the cosine, the relative difference, the norm of the global gradient (of the mean loss), and with
        a `draw` the cosine's null: all B redrawn at their norms."""
        mine, theirs = (self._summed(way(weights, circuits, batches)) for way in (self.local, self.overall))
        samples = 2 * batches[0].inputs.shape[1]
        found = {
            "cosine": [cosine(a, b) for a, b in zip(mine, theirs, strict=True)],
            "difference": [float((a - b).norm() / b.norm()) for a, b in zip(mine, theirs, strict=True)],
            "reference_norm": [float(b.norm()) / samples for b in theirs],
        }
        if draw is not None:
            one, other = (redrawn(self.network, own, draw, way) for way, own in enumerate(circuits))
            null = self._summed(self.local(weights, (one, other), batches))
            found["null"] = [cosine(a, b) for a, b in zip(null, theirs, strict=True)]
        return found

    def _summed(self, both: list[Parameters]) -> list[Tensor]:
        names = [f"{layer_name(i)}.weight" for i in range(len(self.network.layers))]
        return [both[0][name] + both[1][name] for name in names]

    def _summaries(self, weights: Parameters, x: Tensor) -> list[Tensor]:
        """What the circuits see of every layer: (streams, units) each."""
        responses = RateSimulator(self.network, self.rule, self.activation).respond(weights, x)
        layers = zip(self.network.layers, responses, strict=True)
        return [layer.summarise(response.activity, self.rule.summary)[0] for layer, response in layers]

    def _sizes(self, index: int) -> tuple[int, int]:
        units = [layer.summary_units(self.rule.summary) for layer in self.network.layers]
        return units[index], units[index if self.matrix == "B" else -1]


def _ungrouped(layer: Layer) -> Layer:
    return replace(layer, group=1) if isinstance(layer, Pooled) else layer


def summary(rows: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
    """Over batches: means by layer, of cosine and null the standard deviations, and the half-width of a normal 95 %
    interval of the mean cosine (the authors'); the null has a draw of its own for every batch."""
    found: dict[str, Any] = {"batches": len(rows)}
    for key in rows[0]:
        values = torch.tensor([row[key] for row in rows], dtype=torch.float64)
        found[key] = values.mean(0).tolist()
        if key in ("cosine", "null"):
            found[f"{key}_std"] = values.std(0).tolist()
    found["cosine_interval"] = [1.96 * s / len(rows) ** 0.5 for s in found["cosine_std"]]
    return found


def matched(rule: Rule, signals: Any, matrix: str, b: Tensor, wanted: Tensor, samples: int) -> Tensor:
    """−∂/∂B of Σ ‖∂L/∂z of the local loss − that of the global one‖², for mean losses; `wanted` is the global
    third factor. The rule's own lines are differentiated, gates included."""
    with torch.enable_grad():
        b = b.detach().requires_grad_()
        difference = (rule.third_factor(signals, {matrix: b}).current.value - wanted) / samples
        return -torch.autograd.grad(difference.square().sum(), b)[0]

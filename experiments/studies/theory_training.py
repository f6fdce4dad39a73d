"""Figure 3b of arXiv 2601.21683: local and global updates of a deep ReLU network that learns, on MNIST patches.

512 × 6, biases, softplus, λ = 0.01, Adam from 5e-5 to 1e-5 by a cosine, batches of 32 images; weights and B as
torch.nn.Linear draws them. The network learns by the local rule of its arm (plastic's `clapp++`), and B

    local    predicts from the layer's own response to the other half, and learns by its own loss
    dfb      predicts from the top layer's response, and learns by its own loss
    matched  as dfb, but below the top B goes down the gradient of the squared difference between ∂L/∂z of the local
             loss and that of the global one ("theoretical optimal update" in the authors' figure)
    fixed    as dfb, but below the top B stays as drawn ("random fixed feedback")
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from plastic.experiments.studies.theory_gradients import Circuits, Compared, matched, summary
from plastic.experiments.studies.theory_inputs import drawn, patched, perceptron, ways
from plastic.models.learning.learner import Observation
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.outer import Whole
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.studies.updates import Batch, updates

Arm = Literal["local", "dfb", "matched", "fixed"]
ARMS: tuple[Arm, ...] = ("local", "dfb", "matched", "fixed")
WIDTHS, RATE, LOWEST, DECAY, IMAGES = (512,) * 6, 5e-5, 1e-5, 0.01, 32


@dataclass
class Learning:
    """A network that learns by one arm."""

    arm: Arm
    seed: int
    widths: tuple[int, ...] = WIDTHS
    inputs: int = 196
    dtype: torch.dtype = torch.float32
    state: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        network = perceptron(self.inputs, self.widths, biased=True)
        self.compared = Compared.of(network, "softplus", "lateral" if self.arm == "local" else "dfb", "relu")
        self.weights = drawn(network, False, self.seed, self.dtype)
        self.circuits: Circuits = self.compared.matrices(self.seed, self.dtype)
        self.rate = torch.tensor([RATE], dtype=self.dtype)
        self.optimizer = make_optimizer("adam", self.rate)

    def step(self, pair: tuple[Tensor, Tensor]) -> None:
        """One batch of pairs, both ways."""
        batches = ways(pair)
        samples, top = 2 * len(pair[0]), len(self.widths) - 1
        changes = self._changes(batches, samples)
        for index in range(len(self.widths)):
            name, b = f"{layer_name(index)}.weight", f"{layer_name(index)}.{self.compared.matrix}"
            self._change(name, self.weights[name], (changes[0][name] + changes[1][name]) / samples)
            for way, (own, change) in enumerate(zip(self.circuits, changes, strict=True)):
                if index == top or self.arm in ("local", "dfb"):
                    self._change(f"{way} {b}", own[b], change[b] / samples - DECAY * own[b])
                elif self.arm == "matched":
                    self._change(f"{way} {b}", own[b], change[b])

    def compare(self, tested: list[tuple[Tensor, Tensor]], null: bool) -> dict[str, Any]:
        """Local beside global updates, over the batches of pairs that are tested on."""
        rows = [
            self.compared.row(self.weights, self.circuits, ways(pair), draw if null else None)
            for draw, pair in enumerate(tested)
        ]
        return summary(rows)

    def _changes(self, batches: tuple[Batch, Batch], samples: int) -> list[Parameters]:
        """Of both ways, before anything is changed; for `matched` those of B below the top are −∂/∂B."""
        if self.arm != "matched":
            return self.compared.local(self.weights, self.circuits, batches)
        found, compared = [], self.compared
        for own, shared, batch in zip(self.circuits, compared.at_the_top(self.circuits), batches, strict=True):
            mine, theirs = _Observed(), _Observed()
            changes = updates(compared.network, compared.rule, "relu", self.weights | own, batch, mine)
            updates(compared.plain, compared.reference, "relu", self.weights | shared, batch, theirs)
            for index in range(len(self.widths) - 1):
                name, wanted = f"{layer_name(index)}.{compared.matrix}", theirs.seen[index].third.current.value
                changes[name] = matched(
                    compared.rule, mine.seen[index].signals, compared.matrix, own[name], wanted, samples
                )
            found.append(changes)
        return found

    def _change(self, name: str, weight: Tensor, change: Tensor) -> None:
        self.optimizer(name, weight, Whole((change,)), self.state)


@dataclass
class _Observed:
    """A watch that keeps what it sees."""

    seen: dict[int, Observation] = field(default_factory=dict)

    def __call__(self, index: int, observation: Observation) -> None:
        self.seen[index] = observation


def train(arm: Arm, seed: int, epochs: int, train_images: Tensor, test_images: Tensor) -> dict[str, Any]:
    """What is compared in test batches of 32 images after so many epochs (the figure), and, as `start`, before."""
    learning, draw = Learning(arm, seed), torch.Generator().manual_seed(seed)
    tested = [patched(batch) for batch in torch.split(test_images, IMAGES) if len(batch) == IMAGES]
    start = learning.compare(tested, null=False)
    for epoch in range(epochs):
        learning.rate.fill_(LOWEST + (RATE - LOWEST) * (1 + math.cos(math.pi * epoch / epochs)) / 2)
        for chosen in torch.split(torch.randperm(len(train_images), generator=draw), IMAGES):
            learning.step(patched(train_images[chosen]))
    return {**learning.compare(tested, null=True), "start": start}

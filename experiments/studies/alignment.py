"""When is a local update the global one? The theorems of CLAPP++ in numbers.

    python -m plastic.experiments.studies.alignment

Deep linear networks of random (semi-)orthonormal weights; inputs, negatives and loss (f softplus or
linear) are the same for all. B of every layer is at its optimum for the batch: the minimum of the loss
plus λ‖B‖²/2, in float64. Then, for `clapp++` against `bp-clapp++`:

1. equal width: the local update is the global one (theorem 3.1), and cos(B^l, Qᵀ B^L Q) = 1;
2. widths that shrink: direct feedback from the top (`dfb`) is closer to the global update than the
   lateral prediction (theorem 3.3), which sees more than the top does.

Z. Wu, A. Delrocq, W. Gerstner, G. Bellec, arXiv 2601.21683. Writes docs/results/alignment.json and .png.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure
from torch import Tensor

from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.files import write_figure
from plastic.models.network.layer import Network, dense
from plastic.models.network.parameters import Parameters, he_std, initial_parameters, layer_name, specification
from plastic.models.studies.align import lateral_alignment
from plastic.models.studies.updates import Batch, cosine, updates
from plastic.pictures.run import BLUE, GREY, ORANGE
from plastic.rules import load_rule
from plastic.rules.rule import Rule

DECAY = 10.0  # λ: keeps the optimum of B finite and unique
EQUAL, NARROWING = (24, 24, 24, 24), (24, 16, 10, 6)
BATCH = 64


def orthonormal(network: Network, seed: int) -> Parameters:
    """Weights with W Wᵀ = 1 for every layer, which has no more neurons than inputs: (1, neurons, inputs)."""
    draw = torch.Generator().manual_seed(seed)
    weights = {}
    for index, layer in enumerate(network.layers):
        square = torch.randn(layer.fan_in, layer.neurons, generator=draw, dtype=torch.float64)
        weights[f"{layer_name(index)}.weight"] = torch.linalg.qr(square)[0].mT[None].contiguous()
    return weights


def pairs(inputs: int, seed: int, batch: int = BATCH) -> Batch:
    """Two noisy views of the same random vector for every stream: all at a fixation."""
    draw = torch.Generator().manual_seed(seed)
    shape = (3, 1, batch, inputs)
    source, one, other = torch.randn(shape, generator=draw, dtype=torch.float64)
    ones = torch.ones(1, batch, 1, dtype=torch.float64)
    return Batch(source + 0.5 * one, source + 0.5 * other, ones, ones.expand(-1, -1, 2))


def responses(network: Network, weights: Parameters, x: Tensor) -> list[Tensor]:
    """z of every layer, linear: (batch, units) each."""
    z, found = x[0], []
    for index in range(len(network.layers)):
        z = z @ weights[f"{layer_name(index)}.weight"][0].T
        found.append(z)
    return found


def optimum(z: Tensor, c: Tensor, f: str, decay: float = DECAY) -> Tensor:
    """B that minimises Σ_b f(z_bᵀBc_b) + f(−z_{b+1}ᵀBc_b) + λ‖B‖²/2.

    Every term adds its own −f′ to B = Σ_n α_n (±z_n) c_nᵀ / λ: 1 for f linear; for softplus
    α_n = σ(1 − score_n), which Newton's method finds.
    """
    sign = torch.cat([torch.ones(len(z)), -torch.ones(len(z))]).double()
    post, pre = torch.cat([z, z.roll(-1, 0)]) * sign[:, None], torch.cat([c, c])
    if f == "linear":
        return post.T @ pre / decay
    scores_of = (post @ post.T) * (pre @ pre.T) / decay
    alpha = torch.full((len(sign),), 0.5, dtype=torch.float64)
    for _ in range(100):
        residual = torch.logit(alpha) - 1 + scores_of @ alpha
        step = torch.linalg.solve(torch.diag(1 / (alpha * (1 - alpha))) + scores_of, residual)
        while ((alpha - step) <= 0).any() or ((alpha - step) >= 1).any():
            step = step / 2
        alpha = alpha - step
        if float(step.abs().max()) < 1e-14:
            break
    return (post * alpha[:, None]).T @ pre / decay


def at_the_optimum(network: Network, rule: Rule, f: str, seed: int) -> tuple[Parameters, Batch]:
    """Orthonormal weights, a batch of pairs, and every circuit of the rule at its optimum for that batch."""
    parameters, batch = orthonormal(network, seed), pairs(network.inputs, seed)
    now, before = (responses(network, parameters, x) for x in (batch.inputs, batch.before))
    for name in specification(network, rule, he_std(network)):
        layer, _, part = name.partition(".")
        if part != "weight":
            index = int(layer.removeprefix("layer")) - 1
            context = before[index] if part == "B" else before[-1]
            parameters[name] = optimum(now[index], context, f)[None]
    return parameters, batch


def beside_global(
    widths: Sequence[int], feedback: str, seed: int, f: str = "softplus", learned: bool = True
) -> dict[str, list[float]]:
    """Cosine and relative difference between local and global update of every layer.

    Both use the B of the top layer at its optimum; below, B is at its optimum too, or random.
    """
    network = dense(widths[0], tuple(widths), 2)
    local, reference = load_rule("clapp++", {"f": f, "feedback": feedback}), load_rule("bp-clapp++", {"f": f})
    parameters, batch = at_the_optimum(network, local, f, seed)
    shared, _ = at_the_optimum(network, reference, f, seed)
    if not learned:
        specified = specification(network, local, he_std(network))
        drawn = initial_parameters(specified, [seed], torch.float64, torch.device("cpu"))
        kept = (".weight", f"{layer_name(len(widths) - 1)}.B")
        parameters |= {k: v for k, v in drawn.items() if not k.endswith(kept)}
    mine = updates(network, local, "linear", parameters, batch)
    theirs = updates(network, reference, "linear", shared, batch)
    found: dict[str, list[float]] = {"cosine": [], "difference": []}
    for index in range(len(widths)):
        a, b = (x[f"{layer_name(index)}.weight"] for x in (mine, theirs))
        found["cosine"].append(cosine(a, b))
        found["difference"].append(float((a - b).norm() / b.norm()))
    if feedback == "lateral":
        found["lateral"] = lateral_alignment(network, local, parameters)["B"]
    return found


@dataclass(frozen=True)
class Arguments:
    """Local against global updates in deep linear networks."""

    seeds: int = 10
    """Networks with their data."""
    out: Path = Path("docs/results")
    """Folder of the results."""


ARMS = {
    "equal width, lateral": (EQUAL, "lateral", True),
    "equal width, lateral, B random": (EQUAL, "lateral", False),
    "narrowing, lateral": (NARROWING, "lateral", True),
    "narrowing, dfb": (NARROWING, "dfb", True),
}
LOSSES = ("softplus", "linear")


def draw(path: Path, results: dict[str, Any]) -> None:
    """Cosine and relative difference against depth, a row per loss, a line per arm, a dot per seed."""
    figure = Figure(figsize=(9.5, 7.6), layout="constrained")
    axes: Any = figure.subplots(len(LOSSES), 2, sharex=True)
    styles = dict(zip(ARMS, ((BLUE, "-"), (GREY, "-"), (BLUE, "--"), (ORANGE, "--")), strict=True))
    layers = np.arange(1, len(EQUAL) + 1)
    for row, f in enumerate(LOSSES):
        for name, (color, style) in styles.items():
            for axis, key in zip(axes[row], ("cosine", "difference"), strict=True):
                values = np.maximum(
                    np.array([seed[key] for seed in results[f][name]]), -1 if key == "cosine" else 1e-17
                )
                axis.plot(layers, np.median(values, 0), style, color=color, label=name)
                axis.plot(np.tile(layers, (len(values), 1)), values, "o", ms=3, color=color, alpha=0.5)
        axes[row, 0].set(ylabel=f"f {f}\ncosine to the global update", ylim=(-0.5, 1.05))
        axes[row, 1].set(ylabel="‖local − global‖ / ‖global‖", yscale="log")
        axes[row, 1].axhline(1e-6, color=GREY, ls=":", lw=1)
        axes[row, 1].annotate("1e-6", (1, 1e-6), fontsize=8, color=GREY, va="bottom")
    for axis in axes[-1]:
        axis.set(xlabel="layer", xticks=layers)
    axes[1, 1].legend(fontsize=8, loc="center left", bbox_to_anchor=(0.05, 0.38))
    figure.suptitle(
        f"clapp++ in deep linear (semi-)orthonormal networks, B at its optimum\nwidths {EQUAL} and {NARROWING}",
        fontsize=10,
    )
    write_figure(path, figure, dpi=110)


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(1)
    results: dict[str, Any] = {}
    for f in LOSSES:
        results[f] = {}
        for name, (widths, feedback, learned) in ARMS.items():
            rows = [beside_global(widths, feedback, seed, f, learned) for seed in range(arguments.seeds)]
            results[f][name] = rows
            for key, form in (("cosine", "9.3f"), ("difference", "9.2e")):
                median = np.median([row[key] for row in rows], axis=0)
                print(f"f {f:8} {name:31} {key:10} by layer: {'  '.join(format(v, form) for v in median)}", flush=True)
    settings = {"widths": {"equal": EQUAL, "narrowing": NARROWING}, "batch": BATCH, "decay": DECAY}
    command = command_of("python -m plastic.experiments.studies.alignment", arguments)
    write_result(arguments.out / "alignment.json", command, {"settings": settings, "losses": results})
    draw(arguments.out / "alignment.png", results)


if __name__ == "__main__":
    main()

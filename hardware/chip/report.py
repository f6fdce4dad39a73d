"""What a network loses when it becomes integers: a report per layer, and a picture of float against integer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.hardware.compiler.options import Quantised
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.program.spec import WEIGHT_BITS, WEIGHT_MAX, WEIGHT_MIN
from plastic.models.backends.snntorch import SnnTorchSimulator
from plastic.models.network.parameters import Parameters
from plastic.models.neuron.constants import Traces

Arrays = list[NDArray[np.float64]]
Shown = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]  # rates and weights, each float and integer


def float_spikes(simulator: SnnTorchSimulator, parameters: Parameters, spikes: NDArray[Any]) -> Arrays:
    """Spikes (examples, time, units) of every layer of the float network."""
    given = torch.as_tensor(spikes.transpose(1, 0, 2)[None]).to(torch.float64)
    traces: Traces = {}
    with torch.inference_mode():
        list(simulator.respond(parameters, given, traces))
    layers = [torch.cat([part.spike for part in parts], dim=1)[0] for _, parts in sorted(traces.items())]
    return [layer.flatten(2).numpy().transpose(1, 0, 2) for layer in layers]


def report(
    quantised: Quantised,
    simulator: SnnTorchSimulator,
    parameters: Parameters,
    spikes: NDArray[Any],
    learned: Sequence[NDArray[Any]],
) -> tuple[dict[str, Any], list[Shown]]:
    """The report as plain data, and per layer float rates, integer rates, float weights and integer weights.

    parameters: initial, of one member; spikes: (examples, time, inputs), which both networks see untrained;
    learned: integer weights at the end of the run, which say how many have reached the bounds of the chip.
    """
    program = quantised.program
    emulator = Emulator(program)
    whole, exact = emulator.features(spikes), float_spikes(simulator, parameters, spikes)
    layers: list[dict[str, Any]] = []
    shown: list[Shown] = []
    for index, layer in enumerate(quantised.report):
        a, b, scale = exact[index], whole[index], program.scales[index]["weight"]
        weight = parameters[f"layer{index + 1}.weight"][0].double().numpy().ravel()
        stored = emulator.weights[index][0].ravel() / scale
        end = np.asarray(learned[index])
        highest = WEIGHT_MAX + 1 - 2 ** (WEIGHT_BITS - program.layers[index].weight_bits)
        same = float((a == b).mean())
        layers.append(
            asdict(layer)
            | {
                "expected": layer.expected,
                "neuron_steps_that_agree": same,
                "spikes_float": int(a.sum()),
                "spikes_integer": int(b.sum()),
                "weights_at_bounds_in_the_end": float(((end <= WEIGHT_MIN) | (end >= highest)).mean()),
                "largest_weight_error": float(np.abs(weight - stored).max()),
                "scales": dict(program.scales[index]),
            }
        )
        shown.append((a.mean((0, 1)), b.mean((0, 1)), weight, stored))
    return {
        "rounding": program.rounding,
        "profile": program.profile,
        "calibrated_on": quantised.calibrated_on,
        "layers": layers,
    }, shown


def write_report(
    folder: Path, quantised: Quantised, simulator: SnnTorchSimulator, parameters: Parameters, spikes: NDArray[Any],
    learned: Sequence[NDArray[Any]],
) -> None:  # fmt: skip
    """quantisation.json and quantisation.png in a run folder."""
    plain, shown = report(quantised, simulator, parameters, spikes, learned)
    (folder / "quantisation.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    draw(folder / "quantisation.png", plain, shown)


def draw(path: Path, plain: dict[str, Any], shown: Sequence[Shown]) -> None:
    """Above: spikes per step of each neuron, float against integer; below: weights. One column per layer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(shown), 7), layout="constrained")
    axes = figure.subplots(2, len(shown), squeeze=False)
    for column, (layer, (rate, rate_whole, weight, stored)) in enumerate(zip(plain["layers"], shown, strict=True)):
        for row, (x, y) in enumerate(((rate, rate_whole), (weight, stored))):
            own = axes[row][column]
            low, high = min(x.min(), y.min()), max(x.max(), y.max())
            own.plot([low, high], [low, high], color="0.7", linewidth=1)
            own.plot(x, y, ".", markersize=2, rasterized=True)
        agree = layer["neuron_steps_that_agree"]
        axes[0][column].set(
            title=f"layer {column + 1}: {agree:.2%} of neurons × steps agree", xlabel="float, spikes per step"
        )
        step, update = layer["weight_step"], layer["typical_update"]
        axes[1][column].set(
            title=f"a step: {step:.3g} thresholds,\na typical update: {update:.2g} steps",
            xlabel="float weight (thresholds)",
        )
    axes[0][0].set_ylabel("integers, spikes per step")
    axes[1][0].set_ylabel("integer weight (thresholds)")
    figure.savefig(path, dpi=120)

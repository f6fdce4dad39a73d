"""What a network loses when it becomes integers: a report per layer, and a picture of float against integer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from plastic.files import write_figure, write_json
from plastic.hardware.compiler.options import Quantised
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.program.spec import WEIGHT_BITS, WEIGHT_MAX, WEIGHT_MIN
from plastic.models.backends.reference.step import LayerStep, respond
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters
from plastic.models.settings import Settings

Arrays = list[NDArray[np.float64]]
Compared = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]  # rates and weights, each float and integer


@dataclass(frozen=True)
class FloatNetwork:
    """What was quantised."""

    settings: Settings
    network: Network
    parameters: Parameters  # initial, of one member


def float_spikes(floats: FloatNetwork, spikes: Tensor) -> Arrays:
    """Spikes (examples, time, units) of every layer of the float network, by the reference."""
    network, steps = floats.network, list[list[LayerStep]]()
    weights = {name: value[0].double().numpy() for name, value in floats.parameters.items()}
    respond(network, floats.settings.rule, floats.settings.step, weights, spikes.double().numpy(), steps)
    layers = [np.stack([step[index].spike for step in steps], axis=1) for index in range(len(network.layers))]
    return [layer.reshape(*layer.shape[:2], -1) for layer in layers]


def report(
    quantised: Quantised, floats: FloatNetwork, spikes: Tensor, learned: Sequence[NDArray[Any]]
) -> tuple[dict[str, Any], list[Compared]]:
    """The report as plain data, and per layer float rates, integer rates, float weights and integer weights.

    spikes: (time, examples, inputs), which both networks get untrained; learned: integer weights at the end of the
    run, which say how many have reached the bounds of the chip.
    """
    program = quantised.program
    emulator = Emulator(program)
    whole = emulator.features(spikes.numpy().transpose(1, 0, 2))
    exact = float_spikes(floats, spikes)
    layers: list[dict[str, Any]] = []
    compared: list[Compared] = []
    for index, layer in enumerate(quantised.report):
        a, b, scale = exact[index], whole[index], program.scales[index]["weight"]
        weight = floats.parameters[f"layer{index + 1}.weight"][0].double().numpy().ravel()
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
        compared.append((a.mean((0, 1)), b.mean((0, 1)), weight, stored))
    return {
        "rounding": program.rounding,
        "profile": program.profile,
        "calibrated_on": quantised.calibrated_on,
        "layers": layers,
    }, compared


def write_report(
    folder: Path, quantised: Quantised, floats: FloatNetwork, spikes: Tensor, learned: Sequence[NDArray[Any]]
) -> None:
    """quantisation.json and quantisation.png in a run folder."""
    plain, compared = report(quantised, floats, spikes, learned)
    write_json(folder / "quantisation.json", plain)
    draw(folder / "quantisation.png", plain, compared)


def draw(path: Path, plain: dict[str, Any], compared: Sequence[Compared]) -> None:
    """Above: spikes per step of each neuron, float against integer; below: weights. One column per layer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(compared), 7), layout="constrained")
    axes = figure.subplots(2, len(compared), squeeze=False)
    for column, (layer, (rate, rate_whole, weight, stored)) in enumerate(zip(plain["layers"], compared, strict=True)):
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
    write_figure(path, figure, dpi=120)

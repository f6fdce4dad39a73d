"""A run of Lava stimulus by stimulus as the trainer sees it: beside the emulator, or in floating point."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.hardware.chip.observation import float_stimulus, observations
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.lava.floating import run_float
from plastic.models.learning.learner import Observation
from plastic.models.network.layer import Network
from plastic.models.neuron.constants import Traces

if TYPE_CHECKING:
    from plastic.hardware.chip.ensemble import ChipEnsemble

Course = Iterator[tuple[list[Observation], list[NDArray[np.float64]]]]  # observations, new weights where they are float
Begin = Callable[[int], tuple[bool, Traces | None]]  # before a stimulus: is it observed, are its signals recorded


def fixed_course(chip: ChipEnsemble, given: tuple[NDArray[Any], ...], begin: Begin) -> Course:
    """given: spikes, fixations and targets of all stimuli. PlasticError at the first bit that is not the emulator's."""
    observed, traces = begin(0)
    run = run_fixed(chip.emulator.program, *given, seed=chip.seeds[0])
    for k, lava in enumerate(run):
        spikes, fixation, target = (one[k : k + 1] for one in given)
        done, seen = chip.advance(spikes[0], fixation, target, observed, traces)
        emulated = np.concatenate(done.spikes, axis=2)[0]
        pairs = [(emulated, lava.spikes), (chip.sent[0], lava.modulators)]
        pairs += [(a[0], b) for a, b in zip(chip.emulator.weights, lava.weights, strict=True)]
        if not all(np.array_equal(a, b) for a, b in pairs):
            raise PlasticError(
                f"Lava and the emulator differ in stimulus {k + 1}; this is a fault of plastic or another "
                "version of Lava than 0.10.0: see `plastic doctor`."
            )
        yield seen, []  # the emulator has Lava's weights
        if k + 1 < len(given[0]):
            observed, traces = begin(k + 1)


def float_course(chip: ChipEnsemble, given: tuple[NDArray[Any], ...], begin: Begin) -> Course:
    """As fixed_course; Lava's processes get a copy of the circuit, and the chip's own goes with them."""
    rule, step, circuit = chip.settings.rule, chip.step_constants, chip.circuit
    observed, traces = begin(0)
    run = run_float(chip.network, step, rule.mask, circuit, chip.float_parameters(), *given)
    for k, lava in enumerate(run):
        spikes, fixation, target = (one[k : k + 1] for one in given)
        counts, arrived = lava.spikes.sum(0)[None], _arrived(chip.network, spikes[0], lava.spikes)
        if circuit.steps is not None:
            circuit.begin(fixation, target)
            for now, fired in zip(spikes[0], lava.spikes, strict=True):
                circuit.step(now[None], fired[None])
        told = circuit.end(counts, arrived, fixation, target)[0] / chip.learning_rate
        seen = _float_seen(chip, spikes[0], lava.spikes, told, traces) if observed or traces is not None else []
        yield (seen if observed else []), lava.weights
        if k + 1 < len(given[0]):
            observed, traces = begin(k + 1)


def _arrived(network: Network, spikes: NDArray[Any], own: NDArray[Any]) -> NDArray[np.int64]:
    """Spikes that arrived at each layer: those of the last step do not."""
    sums, start = [spikes[:-1].sum()], 0
    for layer in network.layers[:-1]:
        sums.append(own[:-1, start : start + layer.units].sum())
        start += layer.units
    return np.array([sums]).astype(np.int64)


def _float_seen(
    chip: ChipEnsemble, spikes: NDArray[Any], own: NDArray[Any], told: NDArray[Any], traces: Traces | None
) -> list[Observation]:
    """Observations in floating point, from the canonical step with the weights that Lava had."""
    weights = chip.float_parameters()
    gates = chip.circuit.gates
    eligibilities, shown = float_stimulus(
        chip.network, chip.settings.rule, chip.step_constants, weights, spikes, gates
    )  # fmt: skip
    if traces is not None:
        traces.update(shown)
    starts = np.cumsum([0] + [layer.units for layer in chip.network.layers])
    parts = [slice(a, b) for a, b in itertools.pairwise(starts)]
    return observations(
        chip.network, chip.compiled.circuit, chip.circuit.values, [own[:, part].mean(0) for part in parts],
        eligibilities, [told[part] for part in parts],
    )  # fmt: skip

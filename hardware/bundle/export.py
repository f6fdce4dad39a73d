"""From a run to a bundle: the float network is quantised, and both learn from the same stimuli."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.backends import capabilities, chips, first
from plastic.errors import PlasticError
from plastic.hardware.bundle.write import FloatRun, Recording, write_bundle
from plastic.hardware.chip.emulated import EmulatedChip
from plastic.hardware.chip.on_lava import LavaChip
from plastic.hardware.chip.options import circuit_of
from plastic.hardware.compiler.calibration import float_network, float_run
from plastic.hardware.compiler.options import Chip, LayerReport, Quantised, Ranges
from plastic.hardware.compiler.quantiser import check_fits, quantise
from plastic.hardware.program.spec import ELIGIBILITIES, PROFILES, ROUNDINGS
from plastic.models.backends.refusals import neuron_refusal
from plastic.models.learning.learner import Watch
from plastic.models.neuron.constants import Traces
from plastic.models.runs.build import make_ensemble
from plastic.models.runs.finished import FinishedRun, Weights, open_finished
from plastic.models.training.ensemble import Ensemble
from plastic.rules.rule import Rule
from plastic.stimuli.stream import Stimulus

CALIBRATION = 2000  # stimuli at most of the run whose ranges choose the scales
BEGINNINGS = ("initial", "trained")


def export_lava(run: Path, out: Path, count: int, beginning: str, chip: Chip) -> dict[str, Any]:
    """Write the bundle of a run's network to the folder `out`, with its first `count` stimuli.

    beginning: the chip begins with the run's initial weights, or with those that it ended with ("trained").
    Returns, for display, the quantiser's report and how integers and floats compare. Raises PlasticError
    for what does not fit the chip, before anything is written.
    """
    for name, value, options in (
        ("start", beginning, BEGINNINGS), ("rounding", chip.rounding, ROUNDINGS), ("profile", chip.profile, PROFILES),
        ("eligibility", chip.eligibility, ELIGIBILITIES),
    ):  # fmt: skip
        if value not in options:
            raise PlasticError(f"unknown {name} {value!r}; --{name} is one of: {', '.join(options)}.")
    if count < 1:
        raise PlasticError(f"--stimuli is {count}; it must be at least 1.")
    finished = open_finished(run)
    _fits_profile(finished.ensemble.settings.rule, chip.profile)
    finished.refuse_overlapping("a chip")
    if (reason := neuron_refusal(finished.step.neuron, first(chips))) is not None:
        raise PlasticError(f"the run {str(run)!r} does not fit a chip: {reason}")
    finished.refuse_own("a bundle for a chip")
    made, weights = _program_of_chip(finished, beginning) or _quantised(finished, beginning, chip)
    program = replace(made.program, profile=chip.profile)
    rule, rate = finished.ensemble.settings.rule, finished.config.training.learning_rate or 0.0
    seed = finished.config.seed if capabilities(finished.config.backend).integers else chip.seed
    stimuli, floating = _float(finished, weights, count, rate)
    about = {"rule": rule.name, "equation": rule.about.equation, "citation": rule.about.citation, "run": run.name,
             "learning_rate": rate, "begins": beginning, "report": [vars(one) for one in made.report]}  # fmt: skip
    compared = write_bundle(out, program, stimuli, floating, seed, about)
    return {"stimuli": count, "profile": chip.profile, "report": _displayed(made.report), "float": compared}


def _program_of_chip(run: FinishedRun, beginning: str) -> tuple[Quantised, Weights] | None:
    """The program that a run on a chip had; None for a run in floats, which is still to be quantised."""
    if not capabilities(run.config.backend).integers:
        return None
    chip = make_ensemble(run.config).simulator
    if not isinstance(chip, EmulatedChip | LavaChip):
        return None
    if beginning != "initial":
        raise PlasticError(
            f"the run {str(run.path)!r} learned on a chip, and its program begins as it did; leave --start out."
        )
    return chip.quantised, run.initial


def _quantised(run: FinishedRun, beginning: str, chip: Chip) -> tuple[Quantised, Weights]:
    """The network of a run in floats as a program, and the float weights that it begins with."""
    settings = run.ensemble.settings
    check_fits(run.ensemble.network, run.step, chip)
    rate, steps = run.config.training.learning_rate or 0.0, run.config.spiking.time_steps
    if settings.optimizer != "sgd":
        raise PlasticError(
            f"the run {str(run.path)!r} learned by {settings.optimizer}, which filters every synapse, and the learning "
            "engine has the pure rule; train with --optimizer sgd."
        )
    weights = run.initial if beginning == "initial" else run.final
    rule, network = settings.rule, run.ensemble.network
    compiled = circuit_of(rule, network, rate, settings.statistics_time_constant)
    return quantise(rule, network, run.step, steps, rate, weights, _ranges(run, rate), compiled, chip), weights


def _fits_profile(rule: Rule, profile: str) -> None:
    """PlasticError for what the processes of a profile do not have.

    The neurons that come with Lava send spikes to the learning engine and neither y1 nor y2, so of
    ΔW = η m_i Σ ψ(u_i) x̄_j only x̄_j is there: what fits hw-2f are networks that do not learn.
    """
    if profile == "hw-2f" and rule.acts.learn:
        raise PlasticError(
            "the profile hw-2f has Lava's own neurons only, which send spikes and no graded factor: of the three "
            f"factors of rule {rule.name!r} the post factor ψ(u_i) and the modulator m_i have no way to the synapse; "
            "take --profile sim-3f, or a rule that does not learn."
        )


def _ranges(run: FinishedRun, rate: float) -> list[Ranges]:
    """What the run's signals reach, in a run of the same network again."""
    config, ensemble = run.config, run.ensemble
    length = min(CALIBRATION, max(1, config.training.steps or 0))
    ranges = float_run(
        ensemble.settings, ensemble.presentation.tasks[0], config.seed, rate, length, ensemble.settings.batch
    )
    if not all(np.isfinite([one.weight, one.eligibility, one.modulator]).all() for one in ranges):
        raise PlasticError(f"the run {str(run.path)!r} diverges in single precision; lower --learning-rate ({rate}).")
    largest = [float(np.abs(run.final[f"layer{n}.weight"]).max()) for n in range(1, len(ranges) + 1)]
    return [replace(one, weight=max(one.weight, w)) for one, w in zip(ranges, largest, strict=True)]


def _displayed(report: Sequence[LayerReport]) -> list[dict[str, Any]]:
    return [vars(one) | {"expected": one.expected} for one in report]


@dataclass
class _Recorder:
    """An observer that keeps stimuli, and the spikes of every layer."""

    ensemble: Ensemble
    inputs: list[NDArray[np.uint8]] = field(default_factory=list)
    spikes: list[NDArray[np.uint8]] = field(default_factory=list)
    fixation: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    traces: Traces = field(default_factory=dict)

    def begin(self, step: int) -> tuple[Watch | None, Traces]:
        del step
        self.traces = {}
        return None, self.traces

    def end(self, step: int, stimulus: Stimulus) -> None:
        encoded = self.ensemble.encode(stimulus.inputs, "spikes", step - 1)
        self.inputs.append(encoded[0, :, 0].numpy().astype(np.uint8))
        layers = [torch.cat([part.spike for part in parts], dim=1) for _, parts in sorted(self.traces.items())]
        self.spikes.append(torch.cat([layer[0, :, 0].flatten(1) for layer in layers], dim=1).numpy().astype(np.uint8))
        self.fixation.append(1 if stimulus.fixation[0, 0] else -1)
        self.labels.append(int(stimulus.labels[0, 0]))


def _float(run: FinishedRun, weights: Weights, count: int, rate: float) -> tuple[Recording, FloatRun]:
    """The network learns in float64 from the stimuli of one stream, from these weights on."""
    (task, *_), seed = run.ensemble.presentation.tasks, run.config.seed
    ensemble = float_network(run.ensemble.settings, task, seed, rate, 1, torch.float64)
    for name, value in ensemble.parameters.items():
        value.copy_(torch.as_tensor(weights[name])[None])
    names = [f"layer{n}.weight" for n in range(1, len(ensemble.network.layers) + 1)]
    shapes = [(layer.positions, layer.neurons, layer.fan_in) for layer in ensemble.network.layers]

    def now() -> list[NDArray[np.float64]]:
        parameters = ensemble.parameters
        return [parameters[name][0].numpy().reshape(shape).copy() for name, shape in zip(names, shapes, strict=True)]

    initial, recorder = now(), _Recorder(ensemble)
    ensemble.train(count, recorder)
    stimuli = Recording(np.stack(recorder.inputs), np.array(recorder.fixation), np.array(recorder.labels))
    return stimuli, FloatRun(np.stack(recorder.spikes), initial, now())

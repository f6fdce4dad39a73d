"""The experiments of plastic.models.studies.synapse on one synapse of a chip, in its integers.

Rule, spike times and circuit are the same; x̄ takes a spike in when it is sent (trace_timing emitted). The learning rate
is chosen so that the largest change is half of what a weight can hold, and the scales from the same experiment in
floating point. Traces, tags, weights and modulators are rounded at random, as the chip does it, so each trial is
repeated, every time with other random numbers, and the outcome is the mean. What comes before a trial is given to a
chip that does not learn: it leaves nothing but what the circuit holds.

On Lava each repeat is a run of its own, with the emulator beside it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.backends import batched, first
from plastic.errors import PlasticError
from plastic.hardware.chip.observation import chip_observations
from plastic.hardware.chip.options import circuit_of
from plastic.hardware.compiler.options import Chip, Quantised, Ranges
from plastic.hardware.compiler.quantiser import quantise
from plastic.hardware.emulator.emulator import Emulator, Stimulated
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.lava.shim import load_lava
from plastic.hardware.program.circuit import STEP
from plastic.hardware.program.spec import Program, Rounding
from plastic.models.backends.refusals import refusal
from plastic.models.neuron.constants import SpikingStep
from plastic.models.studies.synapse import (
    NETWORK,
    PROBED,
    STATISTICS,
    STRONG,
    TARGET,
    Outcome,
    Trains,
    Trial,
    probe_rule,
    start_parameters,
    trials,
    warm_up,
)  # fmt: skip
from plastic.rules.rule import Rule

REPEATS = 16  # of a point; on Lava 1, which takes a second
LARGEST = 0.65  # thresholds that the largest change is
State = dict[str, NDArray[np.int64]]
Whole = NDArray[np.integer[Any]]


def probe_on_chip(
    rule: Rule, backend: str, protocol: str, points: int, step: SpikingStep, repeats: int | None = None,
    rounding: Rounding = "stochastic", beside_lava: bool = False,
) -> tuple[str, list[Outcome], dict[str, float]]:  # fmt: skip
    """As plastic.models.studies.synapse.probe_rule, in float units, and what they were on the chip: learning_rate,
    weight_step and membrane and trace decay, as it has them."""
    varied, planned = trials(protocol, points)
    if (reason := refusal(rule, backend, 1, protocol=True)) is not None:
        raise PlasticError(reason)
    if rule.stepwise:
        raise PlasticError(
            f"rule {rule.name!r} as it is set has a third factor in every time step, which on a chip leaves no "
            f"eligibility in a tag to be shown; take --backend {first(batched)}."
        )
    repeats = repeats or (1 if beside_lava else REPEATS)
    quantised, learning_rate = _quantised(rule, protocol, points, step, rounding)
    chip = _ProbedChip(quantised.program, start_parameters(rule)[1], learning_rate, range(repeats), beside_lava)
    (report,) = quantised.report
    constants = {
        "learning_rate": learning_rate,
        "weight_step": report.weight_step,
        "membrane_decay": report.membrane_decay,
        "trace_decay": report.trace_decay,
        "repeats": repeats,
    }
    return varied, chip.run(planned), constants


def probe_on_lava(
    rule: Rule, backend: str, protocol: str, points: int, step: SpikingStep, repeats: int | None = None
) -> tuple[str, list[Outcome], dict[str, float]]:
    """The same, each test on Lava too; PlasticError where a bit of it differs."""
    load_lava()
    return probe_on_chip(rule, backend, protocol, points, step, repeats, beside_lava=True)


def integer_program(
    rule: Rule, protocol: str, points: int, step: SpikingStep, rounding: Rounding
) -> tuple[Program, float]:
    """What the chip runs, and the learning rate that it was made for."""
    quantised, learning_rate = _quantised(rule, protocol, points, step, rounding)
    return quantised.program, learning_rate


def _quantised(
    rule: Rule, protocol: str, points: int, step: SpikingStep, rounding: Rounding
) -> tuple[Quantised, float]:
    """The program of the neuron, and its learning rate; PlasticError for a rule that no chip can have."""
    circuit_of(rule, NETWORK, 1.0, STATISTICS)
    step = dataclasses.replace(step, threshold=1.0, trace_timing="emitted")
    time_steps = len(trials(protocol, points)[1][0].test)
    _, floats = probe_rule(rule, first(batched), protocol, points, step)
    change, eligibility, modulator = (
        max(abs(getattr(one, name)) for one in floats) for name in ("weight_change", "eligibility", "modulator")
    )
    learning_rate = LARGEST / change if change > 0 else 1.0
    compiled = circuit_of(rule, NETWORK, learning_rate, STATISTICS)
    fixed = dataclasses.replace(compiled, circuit=dataclasses.replace(compiled.circuit, learned=()))
    parameters = {name: value[0].numpy() for name, value in start_parameters(rule)[0].items()}
    ranges = Ranges(STRONG, max(eligibility, 1e-6), max(modulator, 1e-6))
    chip = Chip(rounding)
    return quantise(rule, NETWORK, step, time_steps, learning_rate, parameters, [ranges], fixed, chip), learning_rate


@dataclass
class _ProbedChip:
    """The neuron on a chip."""

    program: Program
    circuit: list[str]  # names of the circuit's weights
    learning_rate: float
    seeds: range  # one for each repeat
    beside_lava: bool  # whether Lava does each test, too

    def run(self, planned: list[Trial]) -> list[Outcome]:
        resting = Emulator(self._without_learning())
        for spikes, fixation in zip(*warm_up(self.program.time_steps), strict=True):
            self._present(resting, spikes, fixation)
        warm = dict(resting.circuit.state)
        return [self._trial(one, warm) for one in planned]

    def _without_learning(self) -> Program:
        layers = tuple(dataclasses.replace(layer, plasticity=None) for layer in self.program.layers)
        return dataclasses.replace(self.program, layers=layers)

    def _trial(self, trial: Trial, warm: State) -> Outcome:
        before = Emulator(self._without_learning(), state=self._driven(warm, 1.0))
        self._present(before, trial.context, trial.fixation)
        state = {name: value[0] for name, value in self._driven(before.circuit.state, trial.circuit).items()}
        program = dataclasses.replace(self.program, state=state)
        chips = Emulator(program, self.seeds)
        first = chips.weights[0].astype(np.int64)
        done = chips.stimulus(np.repeat(trial.test[None].astype(np.uint8), len(self.seeds), 0))
        tags = chips.tags
        sent = self._learn(chips, done, trial.fixation)
        if self.beside_lava:
            self._on_lava(program, trial, done, tags[0], sent, chips.weights[0])
        return self._outcome(trial, chips, done, tags, sent, chips.weights[0] - first)

    def _driven(self, state: Mapping[str, NDArray[np.int64]], strength: float) -> State:
        """With the weights of the circuit times `strength`; state and result have a leading axis of chips."""
        weights = {name: self.program.state[name] for name in self.circuit if name in self.program.state}
        return dict(state) | {k: np.round(v[None] * strength).astype(np.int64) for k, v in weights.items()}

    def _present(self, chip: Emulator, spikes: Trains, fixation: float) -> None:
        self._learn(chip, chip.stimulus(spikes[None].astype(np.uint8)), fixation)

    @staticmethod
    def _learn(chips: Emulator, done: Stimulated, fixation: float) -> NDArray[np.int32]:
        count = (chips.chips, 1)
        return chips.learn(done, np.full(chips.chips, int(fixation)), np.tile(np.array(TARGET, np.int64), count))

    def _on_lava(
        self, program: Program, trial: Trial, done: Stimulated, tag: Whole, sent: Whole, weight: Whole
    ) -> None:
        """The same test in Lava; PlasticError where a bit of it differs from the emulator's."""
        spikes, fixation = trial.test[None].astype(np.int32), np.array([int(trial.fixation)])
        for chip, seed in enumerate(self.seeds):
            (observed,) = run_fixed(program, spikes, fixation, np.array([TARGET], np.int64), seed=seed, tags=True)
            pairs = [(done.spikes[0][chip], observed.spikes), (tag[chip], observed.tags[0])]
            pairs += [(sent[chip], observed.modulators), (weight[chip], observed.weights[0])]
            if not all(np.array_equal(a, b) for a, b in pairs):
                raise PlasticError(
                    f"Lava and the emulator differ at {trial.x}; this is a fault of plastic or another version of "
                    "Lava than 0.10.0: see `plastic doctor`."
                )

    def _outcome(
        self,
        trial: Trial,
        chips: Emulator,
        done: Stimulated,
        tags: Sequence[Whole],
        sent: NDArray[np.int32],
        change: Whole,
    ) -> Outcome:
        """Means over the repeats, in float units."""
        (scale,) = self.program.scales
        values = [value[:1] if np.ndim(value) else value for value in chips.circuit.values]
        (observed,) = chip_observations(NETWORK, self.program, values, done, tags, sent)
        third, changed = observed.third.current, change[:, 0, 0, PROBED] / (scale["weight"] * self.learning_rate)
        return Outcome(
            trial.x, trial.fixation, float(tags[0][:, 0, 0, PROBED].mean() / scale["tag"]),
            torch.as_tensor(third.gate).flatten()[0].item(), third.dendrite.flatten()[0].item(),
            float(sent[:, 0].mean() / STEP / scale["modulator"]), float(changed.mean()), float(changed.std()),
        )  # fmt: skip

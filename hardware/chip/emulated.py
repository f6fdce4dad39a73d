"""One network on the integer emulator, one stream: it learns by its own engine, in the integers of a chip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.hardware.chip.observation import chip_observations, chip_traces
from plastic.hardware.chip.options import circuit_of, hardware_of, take_threads
from plastic.hardware.chip.report import FloatNetwork, write_report
from plastic.hardware.compiler.calibration import float_run
from plastic.hardware.compiler.options import Quantised
from plastic.hardware.compiler.quantiser import check_fits, quantise
from plastic.hardware.emulator.emulator import Emulator, Stimulated
from plastic.hardware.program.arithmetic import ONE
from plastic.models.backends import Members
from plastic.models.learning.learner import Observation, Watch
from plastic.models.learning.observer import Observer
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.neuron.constants import Traces
from plastic.models.presentation import Presentation, Presented
from plastic.models.settings import Settings

Whole = NDArray[np.int64]


@dataclass(frozen=True)
class ChipStimulus:
    """A stimulus as a chip gets it: spikes (time, inputs), fixation ±1 (1,), one-hot target (1, classes)."""

    spikes: NDArray[Any]
    fixation: Whole
    target: Whole

    @classmethod
    def of(cls, presented: Presented) -> ChipStimulus:
        stimulus, classes = presented.stimulus, presented.target.shape[-1]
        fixation = np.where(stimulus.fixation[0], 1, -1)
        return cls(presented.inputs[0, :, 0].numpy(), fixation, np.eye(classes, dtype=np.int64)[stimulus.labels[0]])


@dataclass
class EmulatedChip:
    """A quantised network on the emulator (plastic.models.backends.Simulator)."""

    settings: Settings
    network: Network
    presentation: Presentation
    quantised: Quantised
    initial: Parameters  # floats that it was made of
    emulator: Emulator
    parameters: Parameters  # in float units, as they are on the chip now
    sent: NDArray[np.int32] = field(default_factory=lambda: np.zeros((1, 0), np.int32))  # modulators of the last one
    features_by: str = ""

    @property
    def rounds(self) -> bool:
        """Whether the change of a weight is η m_i e_ij, rounded once; where all steps change it, each is rounded."""
        return not (hardware_of(self.settings).chip.eligibility == "none" or self.settings.rule.stepwise)

    def run(self, stimuli: Iterable[Presented], observer: Observer) -> None:
        for presented in stimuli:
            watch, traces = observer.begin(presented.number)
            observed = watch is not None or traces is not None
            if observed:
                self.read_back()  # the weights before they change
            _, observations = self.advance(ChipStimulus.of(presented), watch is not None, traces)
            if observed:
                show(watch, observations)
                self.read_back()
            observer.end(presented.number, presented.stimulus)
        self.read_back()

    def advance(
        self, given: ChipStimulus, observed: bool, traces: Traces | None
    ) -> tuple[Stimulated, list[Observation]]:
        """One stimulus: what the emulator did and, if observed, what there is to see of each layer."""
        program, before = self.emulator.program, self.emulator.steps
        done = self.emulator.stimulus(given.spikes[None], traces is not None, given.fixation, given.target)
        tags = self.emulator.tags if observed else []
        self.sent = self.emulator.learn(done, given.fixation, given.target)
        if traces is not None:
            seed = self.presentation.seeds[0]
            traces.update(chip_traces(self.network, program, given.spikes, done, seed, before))
        if not observed:
            return done, []
        return done, chip_observations(self.network, program, self.emulator.circuit.values, done, tags, self.sent)

    def read_back(self) -> None:
        """The parameters, in float units, as they are on the chip now."""
        held = {name: value / ONE for name, value in self.emulator.circuit.state.items()}
        scales = self.emulator.program.scales
        for index, (weight, scale) in enumerate(zip(self.emulator.weights, scales, strict=True)):
            parameter = self.parameters[f"{layer_name(index)}.weight"]
            parameter.copy_(torch.from_numpy(weight[0] / scale["weight"]).view(parameter.shape))
        copy_known(self.parameters, held)

    def features(self, member: int, inputs: Tensor) -> list[Tensor]:
        """On the chip as it is now, without learning; the parameters are read back with it."""
        del member
        self.read_back()
        spikes = inputs[0].numpy().transpose(1, 0, 2)
        return [torch.from_numpy(layer.mean(1, dtype=np.float64))[None] for layer in self.emulator.features(spikes)]

    def snapshot(self) -> dict[str, Tensor]:
        saved = {f"weight/{i}": torch.from_numpy(w.astype(np.int16)) for i, w in enumerate(self.emulator.weights)}
        return saved | {f"state/{k}": torch.from_numpy(np.array(v)) for k, v in self.emulator.circuit.state.items()}

    def restore(self, saved: dict[str, Tensor], learned: int) -> None:
        program, length = self.quantised.program, self.settings.spike_input.time_steps + 1
        weights = [saved[f"weight/{i}"].numpy() for i in range(len(self.network.layers))]
        state = {k.removeprefix("state/"): v.numpy() for k, v in saved.items() if k.startswith("state/")}
        self.emulator = Emulator(program, [self.presentation.seeds[0]], weights, state, learned * length)
        self.read_back()

    def write_report(self, folder: Path) -> None:
        """What the network lost when it became integers: quantisation.json and .png."""
        examples = self.presentation.tasks[0].test.inputs[:64]
        inputs = self.presentation.encode(examples[None], "probe-test", 0)
        floats = FloatNetwork(self.settings, self.network, self.initial)
        write_report(folder, self.quantised, floats, inputs[0], self.emulator.weights)


def show(watch: Watch | None, observations: list[Observation]) -> None:
    """Every layer to the watch, if there is one."""
    if watch is not None:
        for index, observation in enumerate(observations):
            watch(index, observation)


def copy_known(parameters: Parameters, held: dict[str, NDArray[Any]]) -> None:
    """Into the parameters of these names; others are states of the circuit."""
    for name, value in held.items():
        if name in parameters:
            parameters[name].copy_(torch.from_numpy(value))


def floats_of(parameters: Parameters) -> dict[str, NDArray[np.float64]]:
    """Of the one network, as numpy."""
    return {name: value[0].double().numpy() for name, value in parameters.items()}


def build(settings: Settings, network: Network, members: Members) -> EmulatedChip:
    """A network as a program on the emulator; PlasticError for what does not fit a chip, with the limit."""
    hardware, rule, presentation = hardware_of(settings), settings.rule, members.presentation
    take_threads(hardware)
    rate, parameters = members.learning_rates[0], {k: v.clone() for k, v in members.parameters.items()}
    compiled = circuit_of(rule, network, rate, settings.statistics_time_constant)
    check_fits(network, settings.step, hardware.chip)
    ranges = hardware.ranges or float_run(
        settings, presentation.tasks[0], presentation.seeds[0], rate, *hardware.calibration
    )
    quantised = quantise(
        rule, network, settings.step, settings.spike_input.time_steps, rate, floats_of(parameters), list(ranges),
        compiled, hardware.chip,
    )  # fmt: skip
    emulator = Emulator(quantised.program, [presentation.seeds[0]])
    initial = {k: v.clone() for k, v in parameters.items()}
    chip = EmulatedChip(settings, network, presentation, quantised, initial, emulator, parameters)
    chip.read_back()
    return chip

"""The backends loihi and lava behind the interface that the trainer knows: one stream, one chip.

loihi: the integer emulator. lava, fixed point: Lava's processes, with the emulator beside them as a
witness: the first bit that differs ends the run. lava, floating point: the canonical step on Lava.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.hardware.chip.observation import chip_observations, chip_traces
from plastic.hardware.chip.report import write_report
from plastic.hardware.chip.witness import Course, fixed_course, float_course
from plastic.hardware.compiler.calibration import float_run
from plastic.hardware.compiler.circuit import Compiled, compile_circuit
from plastic.hardware.compiler.options import Chip, Quantised, Ranges
from plastic.hardware.compiler.quantiser import check_fits, quantise
from plastic.hardware.compiler.tag_leak import float_refusal
from plastic.hardware.emulator.emulator import Emulator, Stimulated
from plastic.hardware.lava.floating import float_circuit
from plastic.hardware.lava.shim import load_lava
from plastic.hardware.program.arithmetic import ONE
from plastic.hardware.program.spec import Eligibility, Rounding
from plastic.models.backends.snntorch import SnnTorchSimulator
from plastic.models.learning.learner import Observation, Watch
from plastic.models.network.layer import Network
from plastic.models.network.parameters import specification
from plastic.models.neuron.constants import Traces
from plastic.models.runs.simulate import make_settings, make_task
from plastic.models.training.ensemble import PROBE_BATCH, Ensemble
from plastic.models.training.observer import Look, Observer
from plastic.models.training.settings import Settings
from plastic.rules.rule import Rule
from plastic.rules.statistics import decay_per_stimulus
from plastic.stimuli.stream import Stimulus
from plastic.stimuli.task import Examples, Task

CALIBRATION, FEWEST = (600, 4), 50  # stimuli and streams of the float run that the scales are chosen from; of a run
# that is shorter, as many as it has, but that many at least
Precision = Literal["fixed", "float"]


@dataclass(frozen=True)
class Hardware:
    """What is asked of the chip, beside the settings of any run."""

    chip: Chip = field(default_factory=Chip)
    precision: Precision = "fixed"  # of Lava
    ranges: tuple[Ranges, ...] | None = None  # None: of a float run
    calibration: tuple[int, int] = CALIBRATION  # stimuli and streams of that run


def circuit_of(rule: Rule, network: Network, learning_rate: float, statistics_time_constant: float = 100.0) -> Compiled:
    """The rule's circuit for a network; PlasticError where a chip cannot have it."""
    decay = decay_per_stimulus(statistics_time_constant) if rule.reads_statistics else None
    specified = specification(network, rule, [1.0] * len(network.layers))
    return compile_circuit(rule, network, specified, learning_rate, decay)


def make_chip(config: Config) -> ChipEnsemble:
    """The network of a resolved config of a chip, before its first stimulus."""
    given = config.chip
    numba.set_num_threads(min(config.threads, cast(Any, numba.config).NUMBA_NUM_THREADS))
    stimuli, streams = CALIBRATION  # no further than the chip itself will get
    calibration = min(stimuli, max(FEWEST, -(-(config.training.steps or 0) // streams))), streams
    chip = Chip(cast(Rounding, given.rounding), given.weight_bits, eligibility=cast(Eligibility, given.eligibility))
    hardware = Hardware(chip, cast(Precision, given.precision), calibration=calibration)
    rate = config.training.learning_rate or 0.0
    return ChipEnsemble(make_settings(config), [make_task(config)], [config.seed], [rate], hardware)


class ChipEnsemble(Ensemble):
    """One network that learns on one chip; settings.backend is loihi or lava."""

    def __init__(
        self, settings: Settings, tasks: Sequence[Task], seeds: Sequence[int], learning_rates: Sequence[float],
        hardware: Hardware | None = None,
    ) -> None:  # fmt: skip
        self.hardware = hardware or Hardware()
        self._check(settings, len(tasks))
        super().__init__(settings, tasks, seeds, learning_rates)
        assert settings.spiking is not None
        self.step_constants = settings.spiking
        self.compiled = circuit_of(settings.rule, self.network, self.learning_rate, settings.statistics_time_constant)
        self.quantised: Quantised | None = None
        if self.floats:
            self.circuit = float_circuit(
                self.compiled,
                self.network,
                settings.spike_input.time_steps,
                self.learning_rate,
                self.float_parameters(),
            )
        else:
            check_fits(self.network, settings.spiking, self.hardware.chip)
            self.quantised = self._quantise()
            self._initial = {name: value.clone() for name, value in self.learner.parameters.items()}
            self.emulator = Emulator(self.quantised.program, [self.seeds[0]])
            self._sync()

    @property
    def floats(self) -> bool:
        return self.settings.backend == "lava" and self.hardware.precision == "float"

    @property
    def rounds(self) -> bool:
        """Whether the change of a weight is η m_i e_ij, rounded once; where all steps change it, each is rounded."""
        at_once = self.hardware.chip.eligibility == "none" or self.settings.rule.stepwise
        return not self.floats and not at_once

    def _check(self, settings: Settings, members: int) -> None:
        if members > 1 or settings.batch > 1:
            raise PlasticError(f"the backend {settings.backend} runs one chip with one stream; leave --batch out.")
        if settings.optimizer != "sgd":
            raise PlasticError(
                f"--optimizer {settings.optimizer} keeps a running mean per synapse, and a synapse of the chip has "
                "only its tag; take --optimizer sgd."
            )
        if settings.weight_bound < float("inf"):
            raise PlasticError("weights of a chip are bounded by their 8 bits; leave --weight-bound out.")
        floating = settings.backend == "lava" and self.hardware.precision == "float"
        if floating and self.hardware.chip.eligibility == "none":
            raise PlasticError("--eligibility none is a mapping to integers; take --precision fixed.")
        if floating and (reason := float_refusal(settings.rule)) is not None:
            raise PlasticError(reason)
        if settings.backend == "lava":
            load_lava()

    def _quantise(self) -> Quantised:
        settings, given = self.settings, self.hardware.ranges
        assert settings.spiking is not None
        stimuli, streams = self.hardware.calibration
        ranges = list(given) if given is not None else float_run(
            settings, self.tasks[0], self.seeds[0], self.learning_rate, stimuli, streams
        )  # fmt: skip
        return quantise(
            settings.rule, self.network, settings.spiking, settings.spike_input.time_steps, self.learning_rate,
            self.float_parameters(), ranges, self.compiled, self.hardware.chip,
        )  # fmt: skip

    def float_parameters(self) -> dict[str, NDArray[np.float64]]:
        return {name: value[0].double().numpy() for name, value in self.learner.parameters.items()}

    @torch.inference_mode()
    def train(self, steps: int, observer: Observer | None = None) -> None:
        """`steps` stimuli: respond, then learn."""
        observer = observer or Look()
        if steps < 1:
            return
        if self.settings.backend == "loihi":
            for step in range(self.learned + 1, self.learned + steps + 1):
                self._emulate(step, observer)
        elif self.learned:
            raise PlasticError("a run on Lava cannot be taken up again: its processes are gone; start it anew.")
        elif self.floats:
            self._on_lava(steps, observer, partial(float_course, self))
        else:
            self._on_lava(steps, observer, partial(fixed_course, self))
        self._sync()

    def _next(self, count: int) -> tuple[Stimulus, NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The next stimulus with its spikes (time, inputs), fixation (1,) and target (1, classes)."""
        stimulus = self.stream.next()
        spikes = self.encode(stimulus.inputs, "spikes", count)[0, :, 0].numpy()
        fixation = np.where(stimulus.fixation[0], 1, -1)
        return stimulus, spikes, fixation, np.eye(self.network.classes, dtype=np.int64)[stimulus.labels[0]]

    def _emulate(self, step: int, observer: Observer) -> None:
        watch, traces = observer.begin(step)
        stimulus, spikes, fixation, target = self._next(self.learned)
        if watch is not None or traces is not None:
            self._sync()  # the weights before they change
        _, seen = self.advance(spikes, fixation, target, watch is not None, traces)
        self.learned += 1
        if watch is not None or traces is not None:
            _show(watch, seen)
            self._sync()
        observer.end(step, stimulus)

    def advance(
        self, spikes: NDArray[Any], fixation: NDArray[Any], target: NDArray[Any], observed: bool, traces: Traces | None
    ) -> tuple[Stimulated, list[Observation]]:
        """One stimulus on the emulator."""
        program, before = self.emulator.program, self.emulator.steps
        done = self.emulator.stimulus(spikes[None], traces is not None, fixation, target)
        tags = self.emulator.tags if observed else []
        self.sent = self.emulator.learn(done, fixation, target)
        if traces is not None:
            traces.update(chip_traces(self.network, program, spikes, done, self.seeds[0], before))
        values = self.emulator.circuit.values
        seen = chip_observations(self.network, program, values, done, tags, self.sent) if observed else []
        return done, seen

    def _on_lava(self, steps: int, observer: Observer, course: Callable[..., Course]) -> None:
        """All stimuli drawn beforehand, in one run of Lava."""
        stimuli, spikes, fixations, targets = zip(*(self._next(k) for k in range(steps)), strict=True)
        given = (np.stack(spikes), np.concatenate(fixations), np.concatenate(targets))
        looks: list[Any] = []

        def begin(k: int) -> tuple[bool, Traces | None]:
            looks[:] = observer.begin(k + 1)
            return looks[0] is not None, looks[1]

        for k, (seen, weights) in enumerate(course(given, begin)):
            self.learned += 1
            _show(looks[0], seen)
            self._sync()
            for parameter, weight in zip(self._weights(), weights, strict=False):
                parameter.copy_(torch.from_numpy(weight).view(parameter.shape))
            observer.end(k + 1, stimuli[k])

    def _weights(self) -> list[Tensor]:
        return [self.learner.parameters[f"layer{i + 1}.weight"] for i in range(len(self.network.layers))]

    def _sync(self) -> None:
        """The learner's parameters, in float units, as they are on the chip now."""
        if self.floats:
            held = self.circuit.state
        else:
            held = {name: value / ONE for name, value in self.emulator.circuit.state.items()}
            scales = self.emulator.program.scales
            for parameter, weight, scale in zip(self._weights(), self.emulator.weights, scales, strict=True):
                parameter.copy_(torch.from_numpy(weight[0] / scale["weight"]).view(parameter.shape))
        for name, value in held.items():
            if name in self.learner.parameters:
                self.learner.parameters[name].copy_(torch.from_numpy(value))

    @torch.inference_mode()
    def features(self, member: int, examples: Examples, purpose: str) -> list[NDArray[Any]]:
        """As of Ensemble; on the chip as it is now, without learning."""
        if self.floats:
            return super().features(member, examples, purpose)
        collected: list[list[NDArray[Any]]] = [[] for _ in self.network.layers]
        for start in range(0, len(examples), PROBE_BATCH):
            inputs = examples.inputs[start : start + PROBE_BATCH]
            spikes = self.encode(inputs[None], purpose, start)[0].numpy().transpose(1, 0, 2)
            for layer, seen in enumerate(self.emulator.features(spikes)):
                collected[layer].append(seen.mean(1, dtype=np.float64))
        return [np.concatenate(values) for values in collected]

    def write_more(self, folder: Path) -> None:
        """What the network lost when it became integers: quantisation.json and .png."""
        if self.quantised is None:
            return
        examples = self.tasks[0].test.inputs[:64]
        spikes = self.encode(examples[None], "probe-test", 0)[0].numpy().transpose(1, 0, 2)
        simulator = SnnTorchSimulator(self.network, self.settings.rule, self.step_constants)
        write_report(folder, self.quantised, simulator, self._initial, spikes, self.emulator.weights)

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that changes with training; of Lava nothing, whose runs cannot be taken up again."""
        if self.settings.backend == "lava":
            return {"step": torch.tensor(self.learned)}
        saved = {f"weight/{i}": torch.from_numpy(w.astype(np.int16)) for i, w in enumerate(self.emulator.weights)}
        saved |= {f"state/{k}": torch.from_numpy(np.array(v)) for k, v in self.emulator.circuit.state.items()}
        return saved | {"step": torch.tensor(self.learned)}

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Go on from a snapshot of an ensemble with the same settings."""
        if self.settings.backend == "lava":
            raise PlasticError("a run on Lava cannot be taken up again: its processes are gone; start it anew.")
        assert self.quantised is not None
        self.learned = int(saved["step"])
        program, length = self.quantised.program, self.settings.spike_input.time_steps + 1
        weights = [saved[f"weight/{i}"].numpy() for i in range(len(self.network.layers))]
        state = {k.removeprefix("state/"): v.numpy() for k, v in saved.items() if k.startswith("state/")}
        self.emulator = Emulator(program, [self.seeds[0]], weights, state, self.learned * length)
        while self.stream.count < self.learned:
            self.stream.next()
        self._sync()


def _show(watch: Watch | None, seen: list[Observation]) -> None:
    if watch is not None:
        for index, observation in enumerate(seen):
            watch(index, observation)

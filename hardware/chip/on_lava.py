"""One network on Lava, one stream: its fixed-point processes with the emulator beside them, or its floating-point ones.

In fixed point the first bit that is not the emulator's ends the run. A run on Lava cannot be taken up again.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.errors import PlasticError
from plastic.hardware.chip.emulated import ChipStimulus, EmulatedChip, copy_known, floats_of, show
from plastic.hardware.chip.emulated import build as build_emulated
from plastic.hardware.chip.observation import float_stimulus, observations
from plastic.hardware.chip.options import circuit_of, hardware_of
from plastic.hardware.compiler.circuit import CompiledRule
from plastic.hardware.compiler.options import Quantised
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.lava.floating import FloatCircuit, float_circuit, run_float
from plastic.models.backends import Members, Simulator
from plastic.models.backends.twin import batched_twin
from plastic.models.learning.learner import Observation
from plastic.models.learning.observer import Observer
from plastic.models.network.layer import Network
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.neuron.constants import Traces
from plastic.models.presentation import Presented
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble

Given = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]  # spikes, fixations and targets of all stimuli


def stacked(stimuli: Iterable[Presented]) -> tuple[list[Presented], list[ChipStimulus], Given]:
    """All stimuli, drawn before the run begins, without their inputs; as a chip gets them; and as whole arrays."""
    presented, given = [], []
    for one in stimuli:
        presented.append(one.without_inputs())
        given.append(ChipStimulus.of(one))
    arrays = np.stack([g.spikes for g in given]), np.concatenate([g.fixation for g in given])
    return presented, given, (*arrays, np.concatenate([g.target for g in given]))


@dataclass
class LavaChip:
    """A quantised network on Lava's fixed-point processes (plastic.models.backends.Simulator)."""

    emulated: EmulatedChip
    features_by: str = ""

    @property
    def quantised(self) -> Quantised:
        return self.emulated.quantised

    @property
    def rounds(self) -> bool:
        return self.emulated.rounds

    @property
    def parameters(self) -> Parameters:
        return self.emulated.parameters

    def run(self, stimuli: Iterable[Presented], observer: Observer) -> None:
        presented, given, arrays = stacked(stimuli)
        chip = self.emulated
        refuse_to_go_on(presented)
        watch, traces = observer.begin(presented[0].number)
        for k, lava in enumerate(run_fixed(chip.emulator.program, *arrays, seed=chip.presentation.seeds[0])):
            done, observed = chip.advance(given[k], watch is not None, traces)
            emulated = np.concatenate(done.spikes, axis=2)[0]
            pairs = [(emulated, lava.spikes), (chip.sent[0], lava.modulators)]
            pairs += [(a[0], b) for a, b in zip(chip.emulator.weights, lava.weights, strict=True)]
            if not all(np.array_equal(a, b) for a, b in pairs):
                raise PlasticError(
                    f"Lava and the emulator differ in stimulus {k + 1}; this is a fault of plastic or another "
                    "version of Lava than 0.10.0: see `plastic doctor`."
                )
            show(watch, observed)
            chip.read_back()
            observer.end(presented[k].number, presented[k].stimulus)
            if k + 1 < len(presented):
                watch, traces = observer.begin(presented[k + 1].number)

    def features(self, member: int, inputs: Tensor) -> list[Tensor]:
        return self.emulated.features(member, inputs)

    def snapshot(self) -> dict[str, Tensor]:
        """Nothing: a run on Lava cannot be taken up again."""
        return {}

    def restore(self, saved: dict[str, Tensor], learned: int) -> None:
        del saved, learned
        raise gone()

    def write_report(self, folder: Path) -> None:
        self.emulated.write_report(folder)


@dataclass
class FloatLavaChip:
    """A network on Lava's floating-point processes (plastic.models.backends.Simulator); they get a copy of the circuit,
    and the one here goes with them."""

    settings: Settings
    network: Network
    compiled: CompiledRule
    circuit: FloatCircuit
    learning_rate: float
    parameters: Parameters
    twin: Simulator  # with the same weights, for features
    features_by: str
    rounds: bool = False

    def run(self, stimuli: Iterable[Presented], observer: Observer) -> None:
        presented, given, arrays = stacked(stimuli)
        refuse_to_go_on(presented)
        run = run_float(
            self.network, self.settings.step, self.settings.rule.mask, self.circuit, floats_of(self.parameters), *arrays
        )
        watch, traces = observer.begin(presented[0].number)
        for k, lava in enumerate(run):
            sent = self._modulators(given[k], lava.spikes)
            if watch is not None or traces is not None:
                show(watch, self._observations(given[k].spikes, lava.spikes, sent, traces))
            copy_known(self.parameters, self.circuit.state)
            for index, weight in enumerate(lava.weights):
                parameter = self.parameters[f"{layer_name(index)}.weight"]
                parameter.copy_(torch.from_numpy(weight).view(parameter.shape))
            observer.end(presented[k].number, presented[k].stimulus)
            if k + 1 < len(presented):
                watch, traces = observer.begin(presented[k + 1].number)

    def _modulators(self, given: ChipStimulus, fired: NDArray[Any]) -> NDArray[Any]:
        """What the circuit sends for a stimulus, per learning rate: (units,)."""
        circuit, one = self.circuit, (given.fixation, given.target)
        if circuit.steps is not None:
            circuit.begin(*one)
            for now, spikes in zip(given.spikes, fired, strict=True):
                circuit.step(now[None], spikes[None])
        sent: NDArray[Any] = circuit.end(fired.sum(0)[None], self._arrived(given.spikes, fired), *one)[0]
        return sent / self.learning_rate

    def _arrived(self, spikes: NDArray[Any], fired: NDArray[Any]) -> NDArray[np.int64]:
        """Spikes that arrived at each layer: those of the last step do not."""
        own = [fired[:-1, part].sum() for part in self._parts()]
        return np.array([[spikes[:-1].sum(), *own[:-1]]]).astype(np.int64)

    def _parts(self) -> Iterator[slice]:
        """The units of each layer."""
        starts = np.cumsum([0] + [layer.units for layer in self.network.layers])
        return (slice(a, b) for a, b in itertools.pairwise(starts))

    def _observations(
        self, spikes: NDArray[Any], fired: NDArray[Any], sent: NDArray[Any], traces: Traces | None
    ) -> list[Observation]:
        """From the canonical step with the weights that Lava had."""
        weights, gates = floats_of(self.parameters), self.circuit.gates
        eligibilities, signals = float_stimulus(
            self.network, self.settings.rule, self.settings.step, weights, spikes, gates
        )
        if traces is not None:
            traces.update(signals)
        parts = list(self._parts())
        activity, modulators = [fired[:, part].mean(0) for part in parts], [sent[part] for part in parts]
        return observations(
            self.network, self.compiled.circuit, self.circuit.values, activity, eligibilities, modulators
        )

    def features(self, member: int, inputs: Tensor) -> list[Tensor]:
        return self.twin.features(member, inputs)

    def snapshot(self) -> dict[str, Tensor]:
        """Nothing: a run on Lava cannot be taken up again."""
        return {}

    def restore(self, saved: dict[str, Tensor], learned: int) -> None:
        del saved, learned
        raise gone()

    def write_report(self, folder: Path) -> None:
        """Nothing beside what all runs have."""


def quantised_of(ensemble: Ensemble) -> Quantised:
    """The integers of a network on a chip; PlasticError for one in floats."""
    if not isinstance(ensemble.simulator, EmulatedChip | LavaChip):
        raise PlasticError(f"the network on {ensemble.settings.backend} is one in floats; take one on a chip.")
    return ensemble.simulator.quantised


def gone() -> PlasticError:
    return PlasticError("a run on Lava cannot be taken up again: its processes are gone; start it anew.")


def refuse_to_go_on(presented: list[Presented]) -> None:
    """PlasticError where the first stimulus is not the first of the run."""
    if presented[0].number > 1:
        raise gone()


def build(settings: Settings, network: Network, members: Members) -> LavaChip | FloatLavaChip:
    """A network for Lava's processes, which begin with the run."""
    if not hardware_of(settings).floats:
        return LavaChip(build_emulated(settings, network, members))
    rate, parameters = members.learning_rates[0], {k: v.clone() for k, v in members.parameters.items()}
    compiled = circuit_of(settings.rule, network, rate, settings.statistics_time_constant)
    circuit = float_circuit(compiled, network, settings.spike_input.time_steps, rate, floats_of(parameters))
    same = Members(members.presentation, members.learning_rates, parameters)
    name, twin = batched_twin(settings, network, same)
    chip = FloatLavaChip(settings, network, compiled, circuit, rate, parameters, twin, name)
    copy_known(parameters, circuit.state)
    return chip

"""A simulation to step, train, look into and save: what commands, sweeps and a user's script share."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from plastic import neurons, rules
from plastic.backends import capabilities
from plastic.config.defaults import resolve
from plastic.config.file import read_config
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.loading import Kind
from plastic.models.learning.learner import Observation
from plastic.models.network.limits import there
from plastic.models.network.mixed import label
from plastic.models.runs.build import make_ensemble
from plastic.models.runs.end import STATE, write_end
from plastic.models.runs.log import Measured, RunLog
from plastic.models.runs.recorder import memory_recorder
from plastic.models.runs.values import config_of
from plastic.models.runs.views import LayerStep, Weights
from plastic.models.settings import laid_out
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.recording import Recorder
from plastic.networks import network as described
from plastic.neurons import Neuron
from plastic.rules.rule import Rule
from plastic.runs.folder import Arrays, RunFolder, read_arrays
from plastic.stimuli.task import Task
from plastic.terminal.console import Console
from plastic.terminal.report import LiveDisplay
from plastic.traces.memory import MemoryWriter
from plastic.traces.opened import open_run
from plastic.traces.spec import Record

if TYPE_CHECKING:
    import xarray

Array = NDArray[Any]


class Simulation:
    """A network and its task, on one backend; or several side by side, one for each of several seeds.

    Arrays of one network have no axis of members; those of several have it first. Nothing is written before `save`.

    Attributes: `metrics`, rows of {"step", "loss", "open_gates", "activity", …}, a number for each layer, about a
    hundred for each `train`; `config`, all settings, of the first member.
    """

    metrics: list[dict[str, Any]]

    def __init__(
        self, network: described.Network, task: Task, *, rule: Rule | str = Config.rule,
        neuron: Neuron | str | None = None, backend: str = "", learning_rate: float | None = None,
        seed: int | Sequence[int] = 0, **settings: Any,
    ) -> None:  # fmt: skip
        """network: a plastic.Network, your own or one that plastic.tree, plastic.dense or plastic.convolutional make of
        the task; rule: of the layers that have none of their own, a value, a name, or a file as "FILE.py:CLASS";
        neuron: of spiking networks, likewise (plastic.neurons.ALIF(…)); backend: by name, or the usual one; settings:
        any others of `plastic simulate`, by name (batch=1, optimizer="adam", membrane_decay=0.8, …).

        Raises PlasticError for settings that cannot be, or that no run folder could say.
        """
        seeds = [seed] if isinstance(seed, int) else list(seed)
        configs = [config_of(network, task, rule, neuron, backend, learning_rate, one, settings) for one in seeds]
        self._begin(configs, isinstance(seed, int))

    @classmethod
    def of(cls, config: Config | Sequence[Config]) -> Simulation:
        """Of a config, or of several that differ in seed, data and learning rate alone, side by side; resolved here."""
        made = cls.__new__(cls)
        alone = isinstance(config, Config)
        made._begin([resolve(one) for one in ([config] if isinstance(config, Config) else config)], alone)
        return made

    def _begin(self, configs: list[Config], alone: bool) -> None:
        take_threads(configs[0])
        self.config, self.configs, self._alone = configs[0], configs, alone
        self.ensemble: Ensemble = make_ensemble(configs)
        self.metrics = []
        self._seconds, self._memory, self._recorder = 0.0, list[MemoryWriter](), list[Recorder]()

    def __repr__(self) -> str:
        members = "" if self._alone else f" × {len(self.configs)}"
        network = self.ensemble.network
        rule = self.rule if network.plain else self.label
        layers = " → ".join(str(layer.units) for layer in network.layers)
        return f"<Simulation of {rule!s} on {self.config.backend}: {layers} units{members}, {self.learned} stimuli>"

    @property
    def network(self) -> described.Network:
        """As it was given; `ensemble.network` has the sizes that it is computed with."""
        return self.ensemble.settings.layout or laid_out(self.ensemble.settings, self.ensemble.tasks[0])

    @property
    def rule(self) -> Rule:
        """Of the layers that have none of their own."""
        return self.ensemble.settings.rule

    @property
    def label(self) -> str:
        """The rules by name, bottom up."""
        return label(self.ensemble.network, self.rule)

    @property
    def learned(self) -> int:
        """Stimuli so far, of every stream."""
        return self.ensemble.learned

    def train(self, stimuli: int, progress: bool = True) -> None:
        """Respond to so many stimuli and learn from each; progress is shown in a terminal and in a notebook.

        Raises PlasticError where the network diverges.
        """
        end, started = self.learned + stimuli, time.perf_counter()
        unit = "spikes/step" if capabilities(self.config.backend).spikes else "a.u."
        recorder = self._recorder[0] if self._recorder else None
        try:
            with LiveDisplay(Console(stderr=True), f"{self.label} on {self.config.backend}", unit) as display:
                show = display.update if progress else _nothing
                self.ensemble.train(stimuli, RunLog(self.ensemble, end, _InMemory(self.metrics), recorder, show))
        finally:
            self._seconds += time.perf_counter() - started

    def step(self) -> list[LayerStep]:
        """One stimulus of every stream: respond, then learn. What each layer did, bottom up."""
        found: list[LayerStep] = []
        recorder = self._recorder[0] if self._recorder else None
        self.ensemble.train(1, _Looking(found, self.ensemble, self._alone, recorder))
        return found

    @property
    def weights(self) -> Weights:
        """All weights as they are now, by name: "layer1" (or "layer1.weight") for a layer's, (neurons, inputs), with
        an axis of positions first where each has its own; "layer1.W_pred", … for those of its circuit; "readout"."""
        return Weights({k: v[0] if self._alone else v for k, v in self.ensemble.parameters.items()})

    def record(self, what: str | Record) -> None:
        """Record signals from now on, in memory: "modulator[layer=2]; weight,eligibility[post=3] every 5", as --record
        does. `traces` has them; what was recorded before is dropped.

        Raises PlasticError for signals, layers or neurons that there are not.
        """
        record = what if isinstance(what, Record) else Record.parse(what)
        self.config = dataclasses.replace(self.config, record=str(record))
        self._memory, self._recorder = [], []
        if record.clauses:
            recorder, writer = memory_recorder(self.ensemble, self.config, record)
            self._memory, self._recorder = [writer], [recorder]

    @property
    def traces(self) -> xarray.Dataset:
        """All that was recorded, of the first member, as plastic.open_run gives it; PlasticError if nothing was."""
        if not self._memory or not self._memory[0].taken:
            raise PlasticError('nothing was recorded; say what to record before you train: record("weight; gate").')
        return self._memory[0].dataset(self.learned)

    def probe(self) -> Any:
        """Test accuracy of linear probes of the kind that the setting `probe` names: for each layer a dict, latent
        level → accuracy (`class` among them); of several networks a list of such lists."""
        found = [self.ensemble.probe(member) for member in range(len(self.configs))]
        return found[0] if self._alone else found

    def readout(self) -> Any:
        """Test accuracy of the network's own readout, for rules that train one by their error, else None; of several
        networks a list."""
        found = [self.ensemble.readout(member) for member in range(len(self.configs))]
        return found[0] if self._alone else found

    def save(self, path: str | Path) -> Path:
        """A run folder like that of `plastic simulate`: config, metrics, weights, state, traces, picture, result.

        Raises PlasticError for several networks, one that has not learned, a rule or neuron that is known in this
        process alone, and a folder that is not empty.
        """
        if not self._alone:
            raise PlasticError("a run folder holds one network; save simulations of one seed each.")
        if not self.learned:
            raise PlasticError("there is nothing to save yet; train first.")
        declared: list[tuple[Kind, Any]] = [(rules.KIND, type(one)) for one in self.ensemble.network.rules(self.rule)]
        for kind, cls in (*declared, (neurons.KIND, neurons.neuron_class(self.config.spiking.neuron))):
            if not kind.lasts(cls):
                raise PlasticError(
                    f"{kind.word} {cls.name!r} is a class of this script, which a run folder cannot name; put it into "
                    f'a file and give {kind.word}="FILE.py:CLASS".'
                )
        training = dataclasses.replace(self.config.training, steps=self.learned)
        config = dataclasses.replace(self.config, training=training)
        untrained, trained = Measured.of(make_ensemble(self.configs[0])), Measured.of(self.ensemble)
        folder = RunFolder.create(Path(path), config)
        for row in ({"step": 0, **untrained.row}, *self.metrics, {"step": self.learned, **trained.row}):
            folder.append_metrics(row)
        for writer in self._memory:
            writer.write(folder.path, self.learned)
        write_end(self.ensemble, config, folder, untrained, trained, self._seconds)
        return folder.path


def load(path: str | Path) -> Simulation:
    """The simulation of a run folder that has ended, to be looked into and gone on with.

    Raises PlasticError if the folder is no run, has not ended, or has no state to go on from.
    """
    folder = Path(path)
    run = open_run(folder)
    if run.result is None:
        raise PlasticError(f"the run {str(folder)!r} has not ended; go on with: plastic simulate --resume {folder}.")
    made = Simulation.of(read_config(folder / "config.toml"))
    if not (folder / STATE).is_file():
        raise PlasticError(
            f"the run {str(folder)!r} has no {STATE}, without which it cannot go on: it ran on Lava or was made by an "
            "older plastic; look at it by plastic.open_run."
        )
    try:
        made.ensemble.restore({k: torch.as_tensor(v) for k, v in read_arrays(folder / STATE).items()})
    except (KeyError, RuntimeError, OSError, ValueError) as error:
        raise PlasticError(f"the {STATE} of {str(folder)!r} does not fit its config.toml ({error}).") from None
    made.metrics = [row for row in run.metrics if "loss" in row]
    return made


class _Looking:
    """An observer of one stimulus that keeps what each layer did, and lets a recorder record."""

    def __init__(
        self, found: list[LayerStep], ensemble: Ensemble, alone: bool, recorder: Recorder | None
    ) -> None:  # fmt: skip
        self.found, self.alone, self.recorder = found, alone, recorder
        self.there = [there(ensemble.network, seed) for seed in ensemble.seeds]

    def begin(self, step: int) -> Any:
        record, traces = self.recorder.begin(step) if self.recorder is not None else (None, None)

        def watch(index: int, observed: Observation) -> None:
            present = [one[index] for one in self.there if index in one]
            self.found.append(LayerStep.of(observed, self.alone, np.stack(present) if present else None))
            if record is not None:
                record(index, observed)

        return watch, traces

    def end(self, step: int, stimulus: Any) -> None:
        if self.recorder is not None:
            self.recorder.end(step, stimulus)


@dataclasses.dataclass
class _InMemory:
    """Notes of a simulation that writes nothing."""

    rows: list[dict[str, Any]]

    def append_metrics(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def write_checkpoint(self, arrays: Arrays) -> None:
        """A checkpoint is what `save` writes."""


def take_threads(config: Config) -> None:
    """As many as the settings say, for torch and for the linear algebra beneath the probes."""
    torch.set_num_threads(config.threads)
    threadpool_limits(config.threads)
    keep_freed_memory()


def _nothing(row: dict[str, Any]) -> None:
    del row

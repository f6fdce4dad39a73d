"""What a run notes while it trains: metrics, probes, records and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from plastic.errors import PlasticError
from plastic.models.learning.learner import Watch
from plastic.models.learning.observer import together
from plastic.models.neuron.constants import Traces
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.metrics import RECENT, Recent, layer_metrics, remember
from plastic.models.training.recording import Recorder
from plastic.runs.folder import Arrays
from plastic.stimuli.stream import Stimulus

Report = Callable[[dict[str, Any]], None]
DISPLAYS = 100  # metrics rows per run


@dataclass(frozen=True)
class Measured:
    """Test accuracies of a network, in one moment."""

    probes: list[dict[str, float]]  # of linear probes, by layer: latent level → accuracy
    readout: float | None  # of its own readout; None where it has none

    @classmethod
    def of(cls, ensemble: Ensemble, levels: Collection[str] | None = None) -> Measured:
        """Of the first member; levels: that probes read, where not all."""
        return cls(ensemble.probe(levels=levels), ensemble.readout())

    @property
    def classes(self) -> list[float]:
        """Accuracy of the class, by layer."""
        return [layer["class"] for layer in self.probes]

    @property
    def row(self) -> dict[str, Any]:
        """The part of a row of metrics that is of it."""
        readout = {} if self.readout is None else {"readout_accuracy": self.readout}
        return {"probe_accuracy": self.classes, **readout}


@runtime_checkable
class Notes(Protocol):
    """Where a run notes what it does: its folder, or a list."""

    def append_metrics(self, row: dict[str, Any]) -> None: ...

    def write_checkpoint(self, arrays: Arrays) -> None: ...


class RunLog:
    """An observer that collects, notes and reports what a run does while it trains to stimulus `steps`.

    probed: stimuli after which the network is probed and a checkpoint is written.
    """

    def __init__(
        self, ensemble: Ensemble, steps: int, notes: Notes, recorder: Recorder | None = None,
        report: Report = lambda row: None, probed: Collection[int] = (),
    ) -> None:  # fmt: skip
        self.ensemble, self.steps, self.notes = ensemble, steps, notes
        self.recorder, self.report, self.probed = recorder, report, probed
        self.every = max(1, steps // DISPLAYS)
        self.collected: dict[str, list[float | None]] = {}
        self.recent: Recent | None = {} if ensemble.settings.batch == 1 else None  # since the last checkpoint
        self.learned = 0  # stimuli

    def begin(self, step: int) -> tuple[Watch | None, Traces | None]:
        self.collected = {}
        record, traces = self.recorder.begin(step) if self.recorder is not None else (None, None)
        soon = self.recent is not None and -step % self.every < RECENT
        keep = remember(self.recent) if soon and self.recent is not None else None
        measure = layer_metrics(self.collected, self.recent) if step % self.every == 0 else None
        return together(record, keep, measure), traces

    def end(self, step: int, stimulus: Stimulus) -> None:
        self.learned = step
        if self.recorder is not None:
            self.recorder.end(step, stimulus)
        row: dict[str, Any] = {"step": step, **self.collected}
        if step % self.every == 0 or step in self.probed or step == self.steps:
            check_finite(self.ensemble, row, step)
        if step in self.probed:
            row |= Measured.of(self.ensemble, {"class"}).row
        if len(row) > 1:
            self.notes.append_metrics(row)
            self.report(row | {"steps": self.steps})
        if self.recorder is not None and (step in self.probed or step == self.steps):
            self.recorder.writer.flush()
        if step in self.probed and self.ensemble.settings.share.size == 1:
            saved = {k: v.cpu().numpy() for k, v in self.ensemble.snapshot().items()}
            self.notes.write_checkpoint(saved)
        if step in self.probed and self.recent is not None:
            self.recent.clear()


def check_finite(ensemble: Ensemble, row: dict[str, Any], step: int) -> None:
    """PlasticError for a network that diverged. A spiking one falls silent, so its weights are looked at too."""
    observed = [value for key in ("loss", "activity") for value in row.get(key, []) if value is not None]
    weights = ensemble.parameters.values()
    if not (all(map(math.isfinite, observed)) and all(bool(w.isfinite().all()) for w in weights)):
        raise PlasticError(
            f"the network diverged by stimulus {step}: its weights or activity are not finite; lower --learning-rate "
            f"(now {ensemble.learning_rate})."
        )

"""One run from its config to its folder: build, probe untrained, train, probe, draw."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from plastic.config.defaults import resolve
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.models.runs.end import write_end
from plastic.models.runs.log import Measured, Report, RunLog
from plastic.models.runs.recorder import folder_recorder
from plastic.models.runs.simulation import Simulation
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.recording import Recorder
from plastic.runs.folder import CHECKPOINT, RunFolder, free_folder


def simulate(
    config: Config, out: str | Path | None = None, report: Report | None = None, resume: str | Path | None = None
) -> dict[str, Any]:  # fmt: skip
    """Run a config and write its folder; with `resume`, go on with the killed run of that folder.

    `report` gets a dict per display step: step, steps, and the metrics of metrics.jsonl.
    Returns rule, backend, seed, probe (its kind), probe_accuracy and untrained_accuracy (a list, one per layer),
    readout_accuracy (None where the rule trains no readout), chance, wall_seconds, run (the folder), and the probes of
    all latents.
    Where torchrun started several processes, they share the streams (plastic.models.learning.processes); the
    first one writes, reports and returns, the others return an empty dict. Metrics of a stimulus are
    those of the first process' streams.
    Raises PlasticError for settings that cannot be, before anything is written, and for runs that
    diverge.
    """
    config = resolve(config)
    ensemble = Simulation.of(config).ensemble
    recorder = folder_recorder(ensemble, config)
    share = ensemble.settings.share
    if share.size > 1 and resume is not None:
        raise PlasticError("a run that several processes share leaves no checkpoint; leave --resume out.")
    if share.rank > 0:
        ensemble.train(config.training.steps or 0)
        return {}
    untrained = Measured.of(ensemble)
    if resume is not None:
        folder = _taken_up(ensemble, Path(resume))
    else:
        folder = RunFolder.create(Path(out) if out else free_folder(config), config)
        folder.append_metrics({"step": 0, **untrained.row})
    started = time.perf_counter()
    trained = _train(ensemble, config, folder, recorder(folder.path, ensemble.learned), report or (lambda row: None))
    seconds = time.perf_counter() - started
    return write_end(ensemble, config, folder, untrained, trained, seconds)


def _taken_up(ensemble: Ensemble, path: Path) -> RunFolder:
    """The folder of a killed run; the ensemble is put where its checkpoint was written."""
    folder, saved = RunFolder.open(path)
    try:
        ensemble.restore({k: torch.as_tensor(v) for k, v in saved.items()})
    except (KeyError, RuntimeError) as error:
        raise PlasticError(
            f"the {CHECKPOINT} of {str(path)!r} does not fit its config.toml ({error}); start the run anew with "
            f"--config {path / 'config.toml'}."
        ) from None
    folder.drop_metrics_after(ensemble.stream.count)
    return folder


def _train(
    ensemble: Ensemble, config: Config, folder: RunFolder, recorder: Recorder | None, report: Report
) -> Measured:
    """Train to the end; returns the accuracies there. A new folder in which nothing was learned does not stay."""
    steps, probes, before = config.training.steps or 0, config.training.probes, ensemble.learned
    probed = {round(steps * k / (probes + 1)) for k in range(1, probes + 1)}
    log = RunLog(ensemble, steps, folder, recorder, report, probed)
    try:
        ensemble.train(steps - before, log)
        report({"step": steps, "steps": steps})
        trained = Measured.of(ensemble)
    except Exception as error:
        if not log.learned and not before:
            folder.discard()
        elif isinstance(error, PlasticError):
            raise PlasticError(f"{str(error)[:-1]}; the run folder {str(folder.path)!r} has what was before.") from None
        raise
    folder.append_metrics({"step": steps, **trained.row})
    return trained

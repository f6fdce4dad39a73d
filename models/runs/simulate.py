"""One run from its config to its folder: build, probe untrained, train, probe, draw."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from plastic.backends import batched, first
from plastic.config.defaults import resolve
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.recording import Recorder
from plastic.pictures.run import draw_run
from plastic.runs.folder import CHECKPOINT, RunFolder, free_folder
from plastic.traces.opened import open_run

Report = Callable[[dict[str, Any]], None]
DISPLAYS = 100  # metrics rows per run


def simulate(
    config: Config, out: str | Path | None = None, report: Report | None = None, resume: str | Path | None = None
) -> dict[str, Any]:  # fmt: skip
    """Run a config and write its folder; with `resume`, go on with the killed run of that folder.

    `report` gets a dict per display step: step, steps, and the metrics of metrics.jsonl.
    Returns rule, backend, seed, probe_accuracy and untrained_accuracy (a list, one per layer),
    chance, wall_seconds, run (the folder), and the probes of all latents.
    Where torchrun started several processes, they share the streams (plastic.models.learning.processes); the
    first one writes, reports and returns, the others return an empty dict. Metrics of a stimulus are
    those of the first process' streams.
    Raises PlasticError for settings that cannot be, before anything is written, and for runs that
    diverge.
    """
    config = resolve(config)
    torch.set_num_threads(config.threads)
    threadpool_limits(config.threads)  # of the linear algebra beneath the probes
    keep_freed_memory()
    ensemble = make_ensemble(config)
    make = make_recorder(ensemble, config)
    share = ensemble.settings.share
    if share.size > 1 and resume is not None:
        raise PlasticError("a run that several processes share leaves no checkpoint; leave --resume out.")
    if share.rank > 0:
        ensemble.train(config.training.steps or 0)
        return {}
    untrained = ensemble.probe()
    if resume is not None:
        folder = _taken_up(ensemble, Path(resume))
    else:
        folder = RunFolder.create(Path(out) if out else free_folder(config), config)
        folder.append_metrics({"step": 0, **_probe_row(untrained)})
    started = time.perf_counter()
    trained = _train(ensemble, config, folder, make(folder.path, ensemble.learned), report or (lambda row: None))
    result = {
        "rule": ensemble.settings.rule.name,
        "backend": config.backend,
        "seed": config.seed,
        **_probe_row(trained),
        "untrained_accuracy": [p["class"] for p in untrained],
        "chance": ensemble.tasks[0].chance,
        "wall_seconds": round(time.perf_counter() - started, 2),
        "run": str(folder.path),
        "latents": {"trained": trained, "untrained": untrained},
        **computed_by(ensemble),
    }
    _write_end(ensemble, config, folder, result)
    return result


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
) -> list[dict[str, float]]:
    """Train to the end; returns the probes there. A new folder in which nothing was learned does not stay."""
    steps, before = config.training.steps or 0, ensemble.learned
    log = RunLog(ensemble, config, folder, recorder, report)
    try:
        ensemble.train(steps - before, log)
        report({"step": steps, "steps": steps})
        trained = ensemble.probe()
    except Exception as error:
        if not log.learned and not before:
            folder.discard()
        elif isinstance(error, PlasticError):
            raise PlasticError(f"{str(error)[:-1]}; the run folder {str(folder.path)!r} has what was before.") from None
        raise
    folder.append_metrics({"step": steps, **_probe_row(trained)})
    return trained


def _write_end(ensemble: Ensemble, config: Config, folder: RunFolder, result: dict[str, Any]) -> None:
    """Weights, picture, and last the result: a folder with a result is whole."""
    parameters = {k: v[0].cpu().numpy() for k, v in ensemble.parameters.items()}
    folder.write_arrays("weights.safetensors", parameters)
    ensemble.simulator.write_report(folder.path)
    draw_run(folder.path / "picture.png", config, open_run(folder.path), result)
    folder.write_json("result.json", result)


def computed_by(ensemble: Ensemble) -> dict[str, dict[str, str]]:
    """What another backend computed for this one, by name; nothing where there is nothing."""
    other = {"features": ensemble.simulator.features_by} if ensemble.simulator.features_by else {}
    name = first(batched)
    if ensemble.settings.initial_rate > 0 and ensemble.settings.backend != name:
        other["initial rates"] = name
    return {"computed_by": other} if other else {}


def _probe_row(probes: list[dict[str, float]]) -> dict[str, Any]:
    return {"probe_accuracy": [p["class"] for p in probes]}



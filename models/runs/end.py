"""What the folder of a run gets when it has ended."""

from __future__ import annotations

from typing import Any

from plastic.backends import batched, first
from plastic.config.settings import Config
from plastic.models.network.mixed import label
from plastic.models.runs.log import Measured
from plastic.models.training.ensemble import Ensemble
from plastic.pictures.run import draw_run
from plastic.runs.folder import RunFolder
from plastic.traces.opened import open_run

WEIGHTS, STATE = "weights.safetensors", "state.safetensors"


def write_end(
    ensemble: Ensemble, config: Config, folder: RunFolder, untrained: Measured, trained: Measured, seconds: float
) -> dict[str, Any]:
    """Weights, state, picture, and last the result, which is returned: a folder with a result is whole."""
    task = ensemble.tasks[0]
    result = {
        "rule": label(ensemble.network, ensemble.settings.rule),
        "backend": config.backend,
        "seed": config.seed,
        "probe": ensemble.settings.probe,
        "probe_accuracy": trained.classes,
        "untrained_accuracy": untrained.classes,
        "readout_accuracy": trained.readout,
        "chance": task.chance,
        "train_size": len(task.train),
        "distinct_shown_at_most": task.shown_at_most((config.training.steps or 0) * ensemble.settings.batch),
        "wall_seconds": round(seconds, 2),
        "run": str(folder.path),
        "latents": {"trained": trained.probes, "untrained": untrained.probes},
        **computed_by(ensemble),
    }
    folder.write_arrays(WEIGHTS, {k: v[0].cpu().numpy() for k, v in ensemble.parameters.items()})
    if ensemble.settings.can.resumes and ensemble.settings.share.size == 1:
        folder.write_arrays(STATE, {k: v.cpu().numpy() for k, v in ensemble.snapshot().items()})
    ensemble.simulator.write_report(folder.path)
    draw_run(folder.path / "picture.png", config, open_run(folder.path), result)
    folder.write_json("result.json", result)
    return result


def computed_by(ensemble: Ensemble) -> dict[str, dict[str, str]]:
    """What another backend computed for this one, by name; nothing where there is nothing."""
    other = {"features": ensemble.simulator.features_by} if ensemble.simulator.features_by else {}
    name = first(batched)
    scaled = ensemble.settings.spiking is not None and ensemble.settings.initial_rate > 0
    if scaled and ensemble.settings.backend != name:
        other["initial rates"] = name
    return {"computed_by": other} if other else {}

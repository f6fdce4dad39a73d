"""One run from its config to its folder: build, probe untrained, train, probe, draw."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from threadpoolctl import threadpool_limits

from plastic.backends import batched, capabilities, first, fitting
from plastic.config.defaults import resolve
from plastic.config.settings import EVENTS, IMAGES, Config
from plastic.errors import PlasticError
from plastic.models.backends import backend_of
from plastic.models.learning.learner import Watch
from plastic.models.learning.observer import together
from plastic.models.learning.processes import share_of_this_process
from plastic.models.neuron.constants import SpikingStep, Traces, TraceTiming
from plastic.models.settings import Settings, SpikeInput
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.metrics import RECENT, Recent, layer_metrics, remember
from plastic.models.training.recording import Recorder, layer_sizes
from plastic.pictures.run import draw_run
from plastic.rules import load_rule
from plastic.runs.folder import CHECKPOINT, RunFolder, free_folder
from plastic.stimuli import Task, digits, events, images, rhm
from plastic.stimuli.stream import Stimulus
from plastic.stimuli.tasks import LEVELS
from plastic.traces.opened import open_run, run_attributes
from plastic.traces.plan import make_plan
from plastic.traces.spec import Record
from plastic.traces.writer import TraceWriter

Report = Callable[[dict[str, Any]], None]
DISPLAYS = 100  # metrics rows per run


def make_task(config: Config) -> Task:
    """The stimuli of a resolved config."""
    stimuli, path = config.stimuli, config.stimuli.data_path or None
    drawn: dict[str, Any] = {
        "pairing": stimuli.pairing, "train": stimuli.train_size, "test": stimuli.test_size, "seed": config.seed,
    }  # fmt: skip
    if stimuli.data == "digits":
        return digits(**drawn)
    if stimuli.data in IMAGES:
        return images(stimuli.data, path, **drawn)
    if stimuli.data in EVENTS:
        return events(stimuli.data, path, time_steps=config.spiking.time_steps, **drawn)
    return rhm(
        stimuli.levels or LEVELS, symbols=stimuli.symbols, synonyms=stimuli.synonyms, classes=stimuli.classes,
        branching=stimuli.branching, input_format=stimuli.input_format, **drawn,
    )  # fmt: skip


def choose_device(name: str) -> torch.device:
    """The device; PlasticError if a GPU is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise PlasticError("there is no CUDA device that torch can use; take --device cpu or see `plastic doctor`.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def make_settings(config: Config) -> Settings:
    """What the trainer needs of a resolved config; PlasticError for a mask that would mask nothing."""
    rule = load_rule(config.rule, config.options())
    if not rule.learns and rule.mask != "sample":
        raise PlasticError(f"rule {rule.name!r} changes no weights, so --mask {rule.mask} means nothing; leave it out.")
    network, spiking, training, can = config.network, config.spiking, config.training, capabilities(config.backend)
    assert network.topology is not None
    assert network.depth is not None
    assert network.width is not None
    assert training.batch is not None
    step = SpikingStep(
        spiking.membrane_decay, spiking.trace_decay, spiking.threshold, spiking.surrogate, spiking.slope,
        spiking.learning_period, cast(TraceTiming, spiking.trace_timing),
    )  # fmt: skip
    return Settings(
        rule=rule,
        widths=(network.width,) * network.depth,
        topology=network.topology,
        shared=network.weights == "shared",
        activation=network.activation,
        spiking=step if can.spikes else None,
        backend=config.backend,
        spike_input=SpikeInput(spiking.time_steps, spiking.coding, spiking.input_rate),
        initial_rate=spiking.initial_rate or 0.0,
        batch=training.batch,
        fixation_probability=config.stimuli.fixation_probability,
        fixation_error=config.stimuli.fixation_error,
        optimizer=training.optimizer or "sgd",
        weight_bound=training.weight_bound,
        recompute_context=training.context == "recomputed",
        statistics=training.statistics,
        statistics_time_constant=training.statistics_time_constant,
        device=choose_device(config.device if "cuda" in can.devices else "cpu"),
        dtype=torch.float64 if config.dtype == "float64" else torch.float32,
        share=share_of_this_process(),
        options=backend_of(config.backend).options(config),
    )


def show_equations(config: Config) -> str:
    """The neurons, synapses and third factor of a run in its backend's language; nothing is run."""
    if not capabilities(config.backend).equations:
        theirs = " or ".join(fitting(lambda can: can.equations))
        raise PlasticError(
            f"--show-equations prints the equations of {theirs}, and {config.backend} has none: add --backend {theirs}."
        )
    return backend_of(config.backend).equations(make_settings(config))


def make_recorder(ensemble: Ensemble, config: Config) -> Callable[[Path, int], Recorder | None]:
    """What records a run in a folder from a stimulus on; PlasticError for a record spec that does not fit."""
    record, steps = Record.parse(config.record or "none"), config.training.steps or 0
    settings, spiking = ensemble.settings, ensemble.settings.spiking is not None
    time_steps = settings.spike_input.time_steps if spiking else 1
    sizes = layer_sizes(ensemble)
    plan = make_plan(record, sizes, settings.batch // settings.share.size, steps, time_steps)
    attributes = run_attributes(config, settings.rule, plan, sizes)

    def recorder(folder: Path, done: int) -> Recorder | None:
        if not record.clauses:
            return None
        if done:
            return Recorder(ensemble, TraceWriter.resume(folder, plan, spiking, done))
        return Recorder(ensemble, TraceWriter.create(folder, plan, spiking, attributes))

    return recorder


def make_ensemble(config: Config) -> Ensemble:
    """The network of a resolved config, before its first stimulus."""
    rate = config.training.learning_rate or 0.0
    return Ensemble(make_settings(config), [make_task(config)], [config.seed], [rate])


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


class RunLog:
    """An observer that collects, writes and reports what a run does while it trains."""

    def __init__(
        self, ensemble: Ensemble, config: Config, folder: RunFolder, recorder: Recorder | None, report: Report
    ) -> None:
        assert config.training.steps is not None
        self.ensemble, self.config, self.folder, self.recorder, self.report = (
            ensemble, config, folder, recorder, report,
        )  # fmt: skip
        self.steps, probes = config.training.steps, config.training.probes
        self.every = max(1, self.steps // DISPLAYS)
        self.probed = {round(self.steps * k / (probes + 1)) for k in range(1, probes + 1)}
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
            _check_finite(self.ensemble, row, step, self.config)
        if step in self.probed:
            row |= _probe_row(self.ensemble.probe())
        if len(row) > 1:
            self.folder.append_metrics(row)
            self.report(row | {"steps": self.steps})
        if self.recorder is not None and (step in self.probed or step == self.steps):
            self.recorder.writer.flush()
        if step in self.probed and self.ensemble.settings.share.size == 1:
            saved = {k: v.cpu().numpy() for k, v in self.ensemble.snapshot().items()}
            self.folder.write_checkpoint(saved)
        if step in self.probed and self.recent is not None:
            self.recent.clear()


def _check_finite(ensemble: Ensemble, row: dict[str, Any], step: int, config: Config) -> None:
    """PlasticError for a network that diverged. A spiking one falls silent, so its weights are looked at too."""
    seen = [value for key in ("loss", "activity") for value in row.get(key, []) if value is not None]
    weights = ensemble.parameters.values()
    if not (all(map(math.isfinite, seen)) and all(bool(w.isfinite().all()) for w in weights)):
        raise PlasticError(
            f"the network diverged by stimulus {step}: its weights or activity are not finite; lower --learning-rate "
            f"(now {config.training.learning_rate})."
        )

"""What records a simulation: a record spec, for its network, into a run folder or into memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plastic.config.settings import Config
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.recording import Recorder, layer_sizes
from plastic.traces.memory import HORIZON, MemoryWriter
from plastic.traces.opened import run_attributes
from plastic.traces.plan import Plan, make_plan
from plastic.traces.spec import Record
from plastic.traces.writer import TraceWriter


@dataclass(frozen=True)
class Planned:
    """A record spec as it fits a network; attributes: what its dataset says of itself."""

    plan: Plan
    spiking: bool
    attributes: dict[str, Any]

    @classmethod
    def of(cls, ensemble: Ensemble, config: Config, record: Record, steps: int) -> Planned:
        """For a run of so many stimuli; PlasticError for a record spec that does not fit."""
        settings = ensemble.settings
        time_steps = settings.spike_input.time_steps if settings.spiking is not None else 1
        sizes = layer_sizes(ensemble)
        rules = ensemble.network.rules(settings.rule)
        plan = make_plan(record, sizes, settings.batch // settings.share.size, steps, time_steps)
        return cls(
            plan,
            settings.spiking is not None,
            run_attributes(config, rules, plan, sizes),
        )


def folder_recorder(ensemble: Ensemble, config: Config) -> Callable[[Path, int], Recorder | None]:
    """What records a run in a folder from a stimulus on; PlasticError for a record spec that does not fit."""
    record = Record.parse(config.record or "none")
    planned = Planned.of(ensemble, config, record, config.training.steps or 0)

    def recorder(folder: Path, done: int) -> Recorder | None:
        if not record.clauses:
            return None
        if done:
            return Recorder(ensemble, TraceWriter.resume(folder, planned.plan, planned.spiking, done))
        return Recorder(ensemble, TraceWriter.create(folder, planned.plan, planned.spiking, planned.attributes))

    return recorder


def memory_recorder(ensemble: Ensemble, config: Config, record: Record) -> tuple[Recorder, MemoryWriter]:
    """What records in memory, without an end; PlasticError for a record spec that does not fit."""
    planned = Planned.of(ensemble, config, record, HORIZON)
    writer = MemoryWriter(planned.plan, planned.spiking, planned.attributes)
    return Recorder(ensemble, writer), writer

"""Train one group of members side by side, and measure each of them."""

from __future__ import annotations

import time
from typing import Any

from threadpoolctl import threadpool_limits

from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.experiments.sweeps.measures import AS, MEASURES
from plastic.experiments.sweeps.spec import Group, Member, changed_settings
from plastic.experiments.sweeps.store import Row
from plastic.models.runs.simulation import Simulation
from plastic.models.training.ensemble import Ensemble


def group_as_data(group: Group) -> list[dict[str, Any]]:
    """A group as plain data, to send it to another process or machine."""
    return [{"arm": m.arm, "said": dict(m.said), "measures": list(m.measures)} for m in group]


def group_of_data(data: list[dict[str, Any]]) -> Group:
    """The inverse of `group_as_data`."""
    return tuple(Member.of(m["arm"], m["said"], tuple(m["measures"])) for m in data)


def run_group_data(data: list[dict[str, Any]]) -> list[Row]:
    """`run_group` of what `group_as_data` made."""
    return run_group(group_of_data(data))


def run_group(group: Group) -> list[Row]:
    """One row per member: key, arm, settings, and the measures along the course of training.

    A network that diverges gets a row that says so, in place of measures. Linear algebra runs on as
    many threads as the settings say, so that the numbers do not depend on the machine's cores.
    """
    config = group[0].config
    with threadpool_limits(config.threads):
        started = time.perf_counter()
        ensemble = Simulation.of([member.config for member in group]).ensemble
        curves: list[list[Row]] = [[] for _ in group]
        failed: dict[int, str] = {}
        training_seconds = 0.0
        for stop in checkpoints(config):
            began = time.perf_counter()
            if ensemble.settings.rule.acts.learn:
                ensemble.train(stop - ensemble.learned)
            training_seconds += time.perf_counter() - began
            for index, member in enumerate(group):
                if index not in failed:
                    try:
                        curves[index].append({"step": stop, **measured(ensemble, index, member)})
                    except PlasticError as error:
                        failed[index] = str(error)
        each = round((time.perf_counter() - started) / len(group), 3)
    rows: list[Row] = []
    for index, member in enumerate(group):
        outcome: Row = {"failed": failed[index]} if index in failed else {"course": curves[index]}
        settings = {"rule": member.config.rule, "backend": member.config.backend, **changed_settings(member.config)}
        settings["seed"] = member.config.seed
        settings["probe"] = member.config.training.probe
        seconds = {"all": each, "training": round(training_seconds / len(group), 3)}
        outcome["distinct_shown_at_most"] = ensemble.tasks[index].shown_at_most(config.training.presentations)
        rows.append({"key": member.key, "arm": member.arm, "settings": settings, **outcome, "seconds": seconds})
    return rows


def checkpoints(config: Config) -> list[int]:
    """Steps after which a member is measured: `probes` times along the way, and at the end."""
    steps, probes = config.training.steps or 0, config.training.probes
    return sorted({round(steps * k / (probes + 1)) for k in range(1, probes + 2)} | ({0} if probes else set()))


def measured(ensemble: Ensemble, index: int, member: Member) -> Row:
    """All measures of one member, by name; PlasticError where it diverged. A spiking network then falls silent,
    which is a finite activity, so its weights are looked at."""
    if not all(bool(v[index].isfinite().all()) for v in ensemble.parameters.values()):
        raise PlasticError("the network diverged: its weights are not finite; lower --learning-rate.")
    return {AS.get(name, name): MEASURES[name](ensemble, index, member.config) for name in member.measures}

"""What each arm of a sweep is given, presentations (batch × stimuli) and tuning, and whether all are given the same."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

from plastic.config.flat import flattened
from plastic.config.settings import Config
from plastic.experiments.sweeps.spec import Sweep
from plastic.rules import rule_class

TASK = ("data", "levels", "symbols", "classes", "synonyms", "branching", "width")  # arms are compared on the same
By = dict[tuple[str, ...], dict[str, set[int]]]  # presentations by comparison, task, and arm


def presentations(config: Config) -> int:
    """Stimuli that are shown in all; 0 for a rule that does not learn."""
    return config.training.presentations if rule_class(config.rule).acts.learn else 0


def task_of(config: Config) -> str:
    """What the arms that are compared have in common, as text; in what the sweeps vary, first."""
    flat = flattened(config)
    return f"L={flat['levels']}, m={flat['synonyms']}, " + ", ".join(f"{name}={flat[name]}" for name in TASK)


def budgets(sweep: Sweep) -> list[dict[str, Any]]:
    """A row for every arm and every batch and number of stimuli that it has: on which tasks, and presentations."""
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for member in sweep.members():
        training, s, given = member.config.training, member.config.stimuli, presentations(member.config)
        batch, stimuli = (training.batch or 1, training.steps or 0) if given else (0, 0)
        row = {"arm": member.arm, "tasks": [], "batch": batch, "stimuli": stimuli, "presentations": given}
        tasks = found.setdefault((member.arm, batch, stimuli), row)["tasks"]
        if (task := f"L={s.levels}, m={s.synonyms}") not in tasks:
            tasks.append(task)
    return list(found.values())


def unequal(sweep: Sweep) -> list[str]:
    """What is not equal, a sentence each; empty where every comparison is equal.

    Arms that learn and have the same `compare` are compared: those of one grid at each of its points, and all of the
    sweep on one task, of which there must be a number of presentations that every arm has.
    """
    points: By = defaultdict(lambda: defaultdict(set))
    tasks: By = defaultdict(lambda: defaultdict(set))
    for grid in sweep.grids:
        arms = [arm for arm in sweep.arms if not grid.arms or arm.name in grid.arms]
        for arm, point in itertools.product(arms, grid.points()):
            config = sweep.member(arm, point).config
            if given := presentations(config):
                compare, task = arm.compare, task_of(config)
                points[compare, task, f"{grid} {point}"][arm.name].add(given)
                tasks[compare, task][arm.name].add(given)
    found = {place[:2] for place, own in points.items() if len(set().union(*own.values())) > 1}
    found |= {place for place, own in tasks.items() if not set.intersection(*own.values())}
    return [_said(place, own) for place, own in tasks.items() if place in found]


def _said(place: tuple[str, ...], arms: dict[str, set[int]]) -> str:
    each = ", ".join(f"{arm} {' and '.join(str(given) for given in sorted(own))}" for arm, own in arms.items())
    return f"{', '.join(place[1].split(', ')[:2])}: presentations differ: {each}"


def budget_content(sweep: Sweep) -> dict[str, Any]:
    """What stands beside the numbers of a figure: the budget of every arm, its tuning, and what is not equal."""
    return {
        "budgets": budgets(sweep),
        "tuning": {arm.name: arm.tuning for arm in sweep.arms},
        "comparisons": {arm.name: arm.compare for arm in sweep.arms if arm.compare},
        "unequal_budgets": unequal(sweep),
    }

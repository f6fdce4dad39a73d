"""A second pass of a sweep: train sizes between those where the error crosses the threshold.

The first pass finds for every grammar the two sizes of the grid around its P*; `refine = K` in a [[grid]] adds K sizes
between them, evenly in log P, for all grammars of that arm, so that their curves stay comparable. The sizes follow from
the file and the first pass alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from plastic.config.settings import Config
from plastic.experiments.sweeps.p_star import crossing
from plastic.experiments.sweeps.spec import Grid, Member, Sweep
from plastic.experiments.sweeps.store import Row

NOT_OF_A_CURVE = ("train_size", "seed")  # what differs along a curve, and between those that are refined together


def top_error(row: Row) -> float:
    """Test error of the class probe on the top layer at the end of training."""
    return 1 - float(row["course"][-1]["probe"][-1]["class"])


def threshold(config: Config) -> float:
    """A tenth of chance error."""
    return (1 - 1 / config.stimuli.classes) / 10


def second_pass(sweep: Sweep, rows: Sequence[Row]) -> Sweep | None:
    """The sweep of the sizes that its `refine` asks for; None where there is none to add.

    `rows` are those of the first pass. A curve whose networks are not all there is left as it is.
    """
    found = {row["key"]: row for row in rows if "course" in row}
    added = [grid for grid in sweep.grids if grid.refine for grid in _denser(sweep, grid, found)]
    return replace(sweep, grids=tuple(added)) if added else None


def _denser(sweep: Sweep, grid: Grid, rows: dict[str, Row]) -> list[Grid]:
    """One grid of new sizes for every arm and every combination of the other settings."""
    added = []
    names = [name for name in grid.settings if name not in NOT_OF_A_CURVE]
    for arm in grid.arms or [arm.name for arm in sweep.arms]:
        for point in itertools.product(*(grid.settings[name] for name in names)):
            one = {**grid.settings, **{name: (value,) for name, value in zip(names, point, strict=True)}}
            if sizes := _sizes(replace(sweep, grids=(Grid(one, (arm,)),)).members(), rows, grid.refine):
                added.append(Grid({**one, "train_size": tuple(sizes)}, (arm,)))
    return added


def _sizes(members: Sequence[Member], rows: dict[str, Row], count: int) -> list[int]:
    """The sizes to add for these members, which differ in train size and seed."""
    curves: dict[Any, dict[int, float]] = {}
    for member in members:
        if member.key not in rows:
            return []
        size = member.config.stimuli.train_size
        assert size is not None
        curves.setdefault(member.config.seed, {})[size] = top_error(rows[member.key])
    added: set[int] = set()
    for curve in curves.values():
        sizes = sorted(curve)
        star = crossing(sizes, [curve[p] for p in sizes], threshold(members[0].config))
        if star.side == 0:
            above = next(k for k, p in enumerate(sizes) if p >= star.size)
            below, ratio = sizes[above - 1], sizes[above] / sizes[above - 1]
            added |= {round(below * ratio ** (k / (count + 1))) for k in range(1, count + 1)} - set(sizes)
    return sorted(added)

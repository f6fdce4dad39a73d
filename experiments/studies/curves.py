"""Rows of a sweep put together: by task and arm, and averaged over seeds along the course of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plastic.experiments.sweeps.store import Row


def by_task(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    """Rows by m, P and then arm."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        s = row["settings"]
        task = f"m={s.get('synonyms', 4)}, P={s['train_size']}"
        found.setdefault(task, {}).setdefault(row["arm"], []).append(row)
    return found


def curve(rows: Sequence[Row], value: Callable[[Row], Any]) -> list[Any]:
    """Mean over seeds of a (nested) list of numbers at every point of the course; None counts as not a number."""
    points = [[value(point) for point in row["course"]] for row in rows]
    mean = np.mean(np.array(points, dtype=float), axis=0)
    return _plain(np.round(mean, 5).tolist())


def _plain(value: Any) -> Any:
    """Not-a-number as None, which JSON has."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if value != value else value

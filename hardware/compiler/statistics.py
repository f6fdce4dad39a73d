"""Slow traces of one stream as part of the circuit: weighted running moments, as in
plastic.models.learning.statistics.

D. H. D. West, "Updating mean and variance estimates: an improved method", Communications of the ACM 22, 1979.
"""

from __future__ import annotations

from typing import Protocol

from plastic.hardware.compiler.tracer import Namespace as xp
from plastic.hardware.compiler.tracer import Shape, Traced
from plastic.rules.statistics import Known, Moments, Statistics


class Holding(Protocol):
    """Where states are declared and kept."""

    def state(self, name: str, shape: Shape) -> Traced: ...

    def keep(self, name: str, value: Traced) -> None: ...


def slow_statistics(
    work: Holding, name: str, asked: Moments, activity: Traced, context: Traced, fixation: Traced, decay: float
) -> Known:
    """The statistics that the rule reads, after this stimulus: its weight is 1, or 0 where it does not count.

    A pair of views there is from the second stimulus on, and for some rules at fixations only.
    """
    begun = work.state(f"{name}.begun", (1, 1))
    work.keep(f"{name}.begun", fixation * 0.0 + 1.0)
    new = begun * (fixation > 0) if asked.over == "fixations" else begun
    kept = decay * work.state(f"{name}.weight", (1, 1))
    total = kept + new
    squares = decay**2 * work.state(f"{name}.squares", (1, 1)) + new
    work.keep(f"{name}.weight", total)
    work.keep(f"{name}.squares", squares)
    count = total / (squares / total)  # a quotient by zero is 0
    spread = total - squares / total
    known = count > 1 + 1e-6
    spread = xp.where(known, spread, spread * 0.0 + 1.0)
    mean: dict[str, Traced] = {}
    off: dict[str, Traced] = {}
    responses = {"activity": activity, "context": context}
    for key, x in responses.items():
        old = work.state(f"{name}.{key}.mean", (1, x.shape[-1]))
        off[key] = (x - old) * new
        mean[key] = old + off[key] * (new / total)
        work.keep(f"{name}.{key}.mean", mean[key])

    def moment(key: str, change: Traced) -> Traced:
        scatter = decay * work.state(f"{name}.{key}", change.shape) + change * (kept * new / total)
        work.keep(f"{name}.{key}", scatter)
        return (scatter / spread) * known

    def covariance(one: str, other: str) -> Traced:
        return moment(f"{one}.{other}", off[one].mT @ off[other])

    def statistics(one: str) -> Statistics:
        joint = covariance(one, one) if asked.covariance else None
        return Statistics(count, mean[one], moment(f"{one}.scatter", off[one] * off[one]), responses[one], joint)

    now, before = statistics("activity"), statistics("context")
    return Known(now, before, covariance("activity", "context") if asked.cross else None)

"""Which rule runs on which backend, and why not where it does not."""

from __future__ import annotations

import dataclasses

from plastic.config.settings import CHIPS, ONLINE
from plastic.rules import parsed
from plastic.rules.rule import Rule


def refusal(
    rule: Rule, backend: str, streams: int, statistics: str | None = None, protocol: bool = False
) -> str | None:  # fmt: skip
    """Why the rule cannot run on this backend with so many streams, as one sentence; None if it can.

    `statistics`: batch or traces; without it, batch on the backends that run several streams. `protocol`: of an
    experiment on one synapse, which never has more streams.
    """
    statistics = statistics or ("traces" if backend in ONLINE else "batch")
    if streams < 2 and rule.reads_statistics and statistics == "batch":
        return (
            f"rule {rule.name!r} averages over streams, and {backend} was given {streams}; raise --batch, or take "
            "--statistics traces."
        )
    if streams < rule.smallest_batch:
        return (
            f"rule {rule.name!r} compares streams, so it needs {rule.smallest_batch} of them and {backend} was given "
            f"{streams}; {_remedy(rule, backend, protocol)}."
        )
    if backend == "rate" and rule.stepwise:
        return (
            f"rule {rule.name!r} as it is set has a third factor in every time step, and rates have one step; take "
            "--backend snntorch."
        )
    if backend != "rate" and (rule.normalised_input or rule.presentation != "single"):
        return (
            f"rule {rule.name!r} needs inputs that spikes are not (normalised, or two stimuli in one); take "
            "--backend rate."
        )
    return None


def _remedy(rule: Rule, backend: str, protocol: bool) -> str:
    """More streams, or options with which the rule makes do with one, where the backend has what they need."""
    ways = [] if protocol else ["raise --batch, on the backend rate or snntorch"]
    alone = dataclasses.replace(rule, **parsed(type(rule), rule.one_stream))
    if rule.one_stream and not (backend in CHIPS and (alone.memory_slots or "above" in rule.reads)):
        ways.append("take --rule-options " + " ".join(f"{key}={value}" for key, value in rule.one_stream.items()))
    return ", or ".join(ways) or "take another rule or backend"

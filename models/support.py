"""Which rule runs on which backend, and why not where it does not."""

from __future__ import annotations

from plastic.rules.rule import Rule

ELEMENTARY = frozenset({"error", "target", "above", "top_context"})  # signals that the reference computes


def refusal(rule: Rule, backend: str, streams: int) -> str | None:
    """Why the rule cannot run on this backend with so many streams, as one sentence; None if it can."""
    if streams < rule.smallest_batch:
        return (
            f"rule {rule.name!r} averages over streams or compares them, so it needs {rule.smallest_batch} of them "
            f"and {backend} was given {streams}; raise --batch, on the backend rate or snntorch."
        )
    if backend == "rate":
        return None
    if rule.normalised_input or rule.presentation != "single":
        return (
            f"rule {rule.name!r} needs inputs that spikes are not (normalised, or two stimuli in one); take "
            "--backend rate."
        )
    if backend == "brian2" and "input_activity" in rule.reads:
        return f"rule {rule.name!r} reads the activity of a layer's inputs, which brian2 does not count; take snntorch."
    missing = sorted(rule.reads - ELEMENTARY)
    if backend == "reference" and (missing or ("above" in rule.reads and "error" not in rule.reads)):
        return (
            f"rule {rule.name!r} reads signals that the backend reference does not compute "
            f"({', '.join(missing) or 'a loss at the top layer'}); take --backend snntorch or rate."
        )
    return None

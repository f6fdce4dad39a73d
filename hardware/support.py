"""Which rule a chip can run, and why not where it cannot."""

from __future__ import annotations

from plastic.errors import PlasticError
from plastic.hardware.backend import circuit_of
from plastic.models.support import refusal
from plastic.models.topology import tree
from plastic.rules.rule import Rule


def chip_refusal(rule: Rule, backend: str) -> str | None:
    """Why the rule cannot run on this backend, as one sentence; None if it can. On a small tree of local weights."""
    if (reason := refusal(rule, backend, 1)) is not None:
        return reason
    try:
        circuit_of(rule, tree(4, 8, 2, (6, 5), 8, shared=False), 0.1)
    except PlasticError as error:
        return str(error)
    return None

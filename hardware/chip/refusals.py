"""Which rule a chip can run, and why not where it cannot."""

from __future__ import annotations

from plastic.errors import PlasticError
from plastic.hardware.chip.ensemble import circuit_of
from plastic.models.backends.refusals import refusal
from plastic.models.network.layer import tree
from plastic.rules import load_rule, rule_class
from plastic.rules.rule import Rule


def chip_options(name: str) -> dict[str, str] | None:
    """The fewest options with which a rule that is installed fits a chip: none, those for one stream, one credited
    stimulus, or both; None where it does not fit with any of them."""
    rule = rule_class(name)
    current = {"sides": "current"} if "current" in rule.sides_supported else {}
    for options in ({}, dict(rule.one_stream), current, dict(rule.one_stream) | current):
        if chip_refusal(load_rule(name, options), "loihi") is None:
            return options
    return None


def chip_refusal(rule: Rule, backend: str) -> str | None:
    """Why the rule cannot run on this backend, as one sentence; None if it can. On a small tree of local weights."""
    if (reason := refusal(rule, backend, 1)) is not None:
        return reason
    try:
        circuit_of(rule, tree(4, 8, 2, (6, 5), 8, shared=False), 0.1)
    except PlasticError as error:
        return str(error)
    return None

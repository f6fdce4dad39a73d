"""Which rule a chip can run, and why not where it cannot."""

from __future__ import annotations

from plastic.errors import PlasticError
from plastic.hardware.chip.options import circuit_of
from plastic.models.network.layer import Network, tree
from plastic.rules import load_rule, rule_class
from plastic.rules.rule import Rule


def chip_options(name: str) -> dict[str, str] | None:
    """The fewest options with which a rule that is installed fits a chip: none, those for one stream, one credited
    stimulus, or both; None where it does not fit with any of them."""
    rule = rule_class(name)
    current = {"sides": "current"} if "current" in rule.acts.sides else {}
    for options in ({}, dict(rule.reads.one_stream), current, dict(rule.reads.one_stream) | current):
        if chip_refusal(load_rule(name, options)) is None:
            return options
    return None


def chip_refusal(rule: Rule, network: Network | None = None) -> str | None:
    """Why the rule's circuit does not fit a chip, as one sentence; None if it does. Without a network: on a small tree
    of local weights."""
    try:
        circuit_of(rule, network or tree(4, 8, 2, (6, 5), 8, shared=False), 0.1)
    except PlasticError as error:
        return str(error)
    return None

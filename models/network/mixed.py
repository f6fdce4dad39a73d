"""Which rules can learn the layers of one network, and what they have in common."""

from __future__ import annotations

from plastic.errors import PlasticError
from plastic.models.network.layer import Network
from plastic.rules.declaration import Presentation
from plastic.rules.rule import Rule


def presentation(network: Network, run: Rule) -> Presentation:
    """How all of them are presented stimuli; a fixed layer takes any."""
    learning = [rule for rule in network.rules(run) if rule.acts.learn]
    return (learning or network.rules(run))[0].reads.presentation


def signals(network: Network, run: Rule) -> frozenset[str]:
    """The optional signals that some of them read."""
    return frozenset().union(*(rule.reads.signals for rule in network.rules(run)))


def label(network: Network, run: Rule) -> str:
    """Their names, in the order of the layers."""
    return " + ".join(dict.fromkeys(rule.name for rule in network.rules(run)))


def check_rules(network: Network, run: Rule) -> None:
    """PlasticError for rules that cannot be in one network, and why."""
    rules = network.rules(run)
    if all(rule == rules[0] for rule in rules):
        return
    for number, rule in enumerate(rules, 1):
        if "above" in rule.reads.signals:
            _check_chain(number, rule, rules[number:])
    _check_presentation(network, run)
    readers = [(number, rule) for number, rule in enumerate(rules, 1) if "error" in rule.reads.signals]
    ways = {(rule.stepwise, rule.readout_decay if rule.stepwise else 0.0): (n, rule.name) for n, rule in readers}
    if len(ways) > 1:
        (one, first), (other, second), *_ = ways.values()
        raise PlasticError(
            f"layers {one} and {other} read the output error in two ways, rule {first!r} and rule {second!r}: at a "
            "stimulus' end, in every step, or of a readout that leaks otherwise; a network has one readout, so take "
            "the same way for both."
        )


def _check_chain(number: int, rule: Rule, above: tuple[Rule, ...]) -> None:
    for higher, other in enumerate(above, number + 1):
        if type(other) is not type(rule):
            other_rule = f"has rule {other.name!r}, which sends nothing"
            sends = other_rule if other.acts.learn else "is fixed and sends nothing"
            raise PlasticError(
                f"layer {number} has rule {rule.name!r}, which reads what the layer above sends down, and layer "
                f"{higher} {sends} of that kind; give all layers above it {rule.name!r} too, or layer {number} a rule "
                "that needs no layer above."
            )


def _check_presentation(network: Network, run: Rule) -> None:
    usual = presentation(network, run)
    for number, rule in enumerate(network.rules(run), 1):
        if rule.acts.learn and rule.reads.presentation != usual:
            raise PlasticError(
                f"layer {number} has rule {rule.name!r}, which is shown stimuli another way "
                f"({rule.reads.presentation}) than the rules of other layers ({usual}), and all layers see the same; "
                "take rules of one kind."
            )

"""What a rule keeps of a layer, among all that a learner keeps from stimulus to stimulus, by name."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from plastic.models.network.layer import Network
from plastic.models.network.parameters import layer_name, layer_shape
from plastic.rules.rule import Rule, State


def state_prefix(rule: Rule, index: int) -> str:
    """How the names of a layer's rule state begin, in checkpoints too."""
    return f"{layer_name(index)}.step." if rule.stepwise else f"{layer_name(index)}."


def rule_state(
    network: Network, rule: Rule, index: int, fixation: Tensor, decay: float | None, state: Mapping[str, Tensor]
) -> State:
    """By the rule's own names, zero at the beginning: (members, *declared shape).

    rule: of the run; fixation: (members, batch, 1), in the type of all; decay: of slow traces; state: of the learner.
    """
    members, streams, _ = fixation.shape
    own = network.layers[index].rule_of(rule)
    prefix, declared = state_prefix(own, index), own.state(layer_shape(network, rule, index, streams, decay))
    kept = {}
    if own.stepwise:
        kept = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    for name, shape in declared.items():
        found = state.get(f"{prefix}{name}")
        kept[name] = fixation.new_zeros(members, *shape) if found is None else found
    return kept

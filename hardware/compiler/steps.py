"""The circuit of one step: what a rule's `step` says of a layer in every step of a stimulus, written down.

g of the step, from the layer's spikes, the fraction of its inputs that arrive, its held context and, of a readout that
sees the top layer's spikes, the error; times the modulator of the stimulus, which is known before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from plastic.backends import batched, first
from plastic.errors import PlasticError
from plastic.hardware.compiler.tracer import given, made
from plastic.hardware.program.circuit import STEP_STATE, SUMMED_ERROR
from plastic.models.network.layer import Layer, Network
from plastic.rules.expressions import softmax, through
from plastic.rules.rule import Moment, Rule, Shape
from plastic.rules.tracing import Traced


class Writing(Protocol):
    """Where states are declared."""

    def state(self, name: str, shape: Shape) -> Traced: ...


@dataclass
class Steps:
    """What is written down of a step. learned: circuit weights, whose changes are summed up over the steps and made
    when the stimulus ends; kept: signals held until the next step."""

    modulators: list[Traced] = field(default_factory=list)
    weights: list[Traced] = field(default_factory=list)  # g: what the rule says of the step
    learned: list[tuple[str, Traced, Traced]] = field(default_factory=list)
    kept: list[tuple[str, Traced]] = field(default_factory=list)

    def roots(self) -> list[Traced]:
        """All that it needs."""
        pairs = [x for _, post, pre in self.learned for x in (post, pre)]
        return [*self.modulators, *pairs, *(value for _, value in self.kept)]


def check_steps(rule: Rule) -> None:
    """PlasticError for what no synapse of a chip can do, which has one tag."""
    decays = [decay for decay in rule.eligibility_decays if decay > 0]
    if len(decays) > 1:
        raise PlasticError(
            f"rule {rule.name!r} as it is set filters the eligibility of every synapse from step to step {len(decays)} "
            f"times (by {', '.join(f'{decay:.3g}' for decay in decays)}), and a synapse of the chip has one tag, which "
            f"filters once; take --backend {first(batched)}."
        )


def write_steps(
    work: Writing, rule: Rule, network: Network, held: list[Traced], weights: list[dict[str, Traced]], target: Traced,
    fixation: Traced, above: list[Any], rate: float, readout: Shape, traced: Callable[..., Traced],
) -> Steps:  # fmt: skip
    """The step circuit of a network; traced(rule, moment, memory, weights) calls the rule's step; rate: of learning;
    readout: shape of its weights."""
    steps = Steps()
    spikes = [given("input", f"spike{i}", (1, layer.units)) for i, layer in enumerate(network.layers, 1)]
    error = _error(work, steps, rule, spikes[-1], target, rate, readout) if "error" in rule.reads.signals else None
    for index, layer in enumerate(network.layers):
        response, memory = summarised(rule, layer, spikes[index]), dict[str, Any]()
        arriving = given("input", f"arriving{index + 1}", (1, 1))
        now = Moment(response, arriving, held[index], fixation, error, above[index])
        g = traced(rule, now, memory, weights[index])
        if memory:
            raise PlasticError(
                f"rule {rule.name!r} remembers {', '.join(sorted(memory))} from step to step, and a chip's circuit "
                f"holds nothing of a layer but its context; take --backend {first(batched)}."
            )
        steps.weights.append(_of_units(rule, layer, g))
        steps.modulators.append(given("input", f"modulator{index + 1}", (1, layer.units)) * steps.weights[-1])
    return steps


def summarised(rule: Rule, layer: Layer, z: Traced) -> Traced:
    """What the circuit sees of a layer: all units, or their mean over positions."""
    if rule.summary == "flat" or layer.positions == 1:
        return z
    return made("pool", (1, layer.neurons), z, layer.positions) / layer.positions


def _of_units(rule: Rule, layer: Layer, g: Traced) -> Traced:
    """For every unit: the neurons of all positions alike, where the circuit sees their mean."""
    if rule.summary == "flat" or layer.positions == 1 or g.shape[-1] != layer.neurons:
        return g
    return made("spread", (1, layer.units), g, layer.positions)


def _error(work: Writing, steps: Steps, rule: Rule, top: Traced, target: Traced, rate: float, readout: Shape) -> Traced:
    """softmax(y) − target of y ← κ y + W_out s, and the readout's delta rule −Σ_t e[t] (κ * s)[t]."""
    weight = work.state("readout.weight", readout)
    output = _leaking(work, steps, "output", rule.readout_decay, through(weight, top))
    trace = _leaking(work, steps, "seen", rule.readout_decay, top)
    error = softmax(output) - target
    steps.learned.append(("readout.weight", error * -rate, trace))
    steps.kept.append((SUMMED_ERROR, work.state(SUMMED_ERROR, error.shape) + error))
    return error


def _leaking(work: Writing, steps: Steps, name: str, decay: float, value: Traced) -> Traced:
    """x ← κ x + value; at κ = 0 nothing is held."""
    if decay == 0:
        return value
    held = work.state(f"{STEP_STATE}{name}", value.shape) * decay + value
    steps.kept.append((f"{STEP_STATE}{name}", held))
    return held

"""A user's rules in one file: a chain of feedback through plastic weights of its own, with two signals read, and
one that no built-in rule reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plastic import LayerShape, Modulator, Product, Reads, Rule, Signals, Synapses, ThirdFactor
from plastic.rules.expressions import through
from plastic.rules.rule import Summary


@dataclass(frozen=True)
class LearnedFeedback(Rule):
    """Feedback alignment along the chain, plus a lateral term that follows activity."""

    name = "own"
    modulator = "broadcast"
    reads = Reads(frozenset({"error", "target", "above"}))

    summary: Summary = "flat"

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        lateral = Synapses((layer.units, layer.units), 0.1 / layer.units**0.5)
        return {"B": Synapses(layer.above, 0.3, plastic=False), "C": lateral}

    def third_factor(self, signals: Signals, weights: Mapping[str, Any]) -> ThirdFactor:
        assert signals.above is not None
        dendrite = signals.above.down(weights["B"]) - 0.1 * through(weights["C"], signals.activity)
        learn = {"C": Product(signals.fixation, signals.activity, signals.context)}
        return ThirdFactor(Modulator(1.0, dendrite), learn=learn)


@dataclass(frozen=True)
class InputGated(Rule):
    """Towards the held response or away from it, the more the more input there is."""

    name = "own-input"
    modulator = "scalar"
    reads = Reads(frozenset({"input_activity"}))

    summary: Summary = "flat"

    def third_factor(self, signals: Signals, weights: Mapping[str, Any]) -> ThirdFactor:
        del weights
        return ThirdFactor(Modulator(signals.fixation * signals.input_activity, signals.context))

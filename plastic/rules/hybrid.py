"""A hybrid: a layerwise self-supervised third factor, and a little of the output error broadcast beside it.

    ΔW_ij = η · [m_i(self) + ε · m_i(error)] · ψ(u_i) · x̄_j

Both parts are rules of their own, as `self=vicreg error=dfa epsilon=0.1`, with options after a colon
(`self=clapp:margin=2`). The broadcast is limited by the choice of its rule and by `broadcast`: all K
numbers (`error=dfa`), their signs (`error=sdfa`), or one scalar aᵀe with a fixed random a (`broadcast =
scalar`), which reaches neuron i through (B a)_i. It is local like its parts: a layer hears itself and a
broadcast, and nothing of the layer above. With ε = 0 it is the first rule alone.

Named as the next step by A. Delrocq, W. S. Zihan, G. Bellec, W. Gerstner (2026); error part: A. Nøkland,
"Direct feedback alignment provides learning in deep neural networks", NeurIPS 2016, equation 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Acts, Ledger, Reads, Sides
from plastic.rules.dfa import DFA
from plastic.rules.expressions import cross_entropy, through
from plastic.rules.returned import keeps_state, third_factor_of
from plastic.rules.rule import (
    Array,
    LayerShape,
    Modulator,
    Product,
    Rule,
    Shape,
    Signals,
    State,
    Summary,
    Synapses,
    ThirdFactor,
)

OF_ERROR = "_error"  # ends the names of the error part's circuit weights
Broadcast = Literal["vector", "scalar"]


@dataclass(frozen=True)
class Hybrid(Rule):
    """A layerwise self-supervised rule that hears a little of the output error."""

    name = "hybrid"
    modulator = "broadcast"
    about = About(
        title="Self-supervised, with a little broadcast error",
        family="layerwise self-supervised and direct feedback",
        equation="ΔW_ij = η · [m_i(self) + ε · m_i(error)] · ψ(u_i) · x̄_j",
        third="m_i(self) + ε · m_i(error); by default m_i(vicreg) − ε · (B e)_i",
        ledger=Ledger(
            layer_scalars="those of the self-supervised rule: y (saccade), gates, layer sums",
            broadcast="K = number of classes; with error=sdfa K signs; with broadcast=scalar one number",
            memory="c held for one stimulus; eligibility until the error is known; with sides=both also ψ and x̄",
            batch_statistics="those of the self-supervised rule: of vicreg z̄, σ² and C, a matrix of lateral weights",
            stored_traces="those of the self-supervised rule: of vicreg 3 per neuron and C per pair, online",
        ),
        defaults_source="the parts' own; ε = 0.1 and a ~ N(0, 1/K): ours",
        probeable=("error", "variance"),
        citation=DFA.about.citation,
    )
    reads = Reads(signals=frozenset({"error", "target"}))
    acts = Acts(sides=("current", "both"))

    sides: Sides = "both"  # of the self-supervised part; the error credits the present stimulus
    summary: Summary = "flat"
    self: str = "vicreg"  # RULE or RULE:KEY=VALUE:…
    error: str = "dfa"
    epsilon: float = 0.1
    broadcast: Broadcast = "vector"

    def __post_init__(self) -> None:
        if self.broadcast not in get_args(Broadcast):
            raise PlasticError(f"rule 'hybrid' does not take broadcast={self.broadcast!r}; choose vector or scalar.")
        own, error = self.parts
        reads = replace(own.reads, signals=own.reads.signals | error.reads.signals, one_stream={})
        vars(self).update(reads=reads, acts=own.acts)  # of this pair, before those of the class
        super().__post_init__()

    @cached_property
    def parts(self) -> tuple[Rule, Rule]:
        """The self-supervised rule and the direct-feedback one; PlasticError for rules that are not these."""
        shared = {"mask": self.mask, "summary": self.summary}
        own, error = _part(self.self, shared), _part(self.error, shared)
        if own.reads.signals & {"error", "target"} or own.reads.presentation != "single" or own.acts.layers != "all":
            raise PlasticError(f"self={self.self} of rule 'hybrid' is no layerwise self-supervised rule; take vicreg.")
        if "error" not in error.reads.signals or "above" in error.reads.signals or keeps_state(error):
            raise PlasticError(f"error={self.error} of rule 'hybrid' broadcasts no error; take dfa, sdfa or drtp.")
        for part in (own, error):
            if part.stepwise:
                raise PlasticError(
                    f"rule {part.name!r} as a part of 'hybrid' has a third factor in every step; take another."
                )
        if self.sides not in own.acts.sides:
            raise PlasticError(f"self={self.self} of rule 'hybrid' does not credit both sides; add sides=current.")
        return replace(own, sides=self.sides), error

    @property
    def smallest_batch(self) -> int:
        return self.parts[0].smallest_batch

    @property
    def memory_slots(self) -> int:
        return self.parts[0].memory_slots

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        own, error = (part.circuit(layer) for part in self.parts)
        one = {"a": Synapses((1, layer.classes), layer.classes**-0.5, plastic=False)}
        of_error = error | (one if self.broadcast == "scalar" else {})
        return own | {f"{name}{OF_ERROR}": synapses for name, synapses in of_error.items()}

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return self.parts[0].state(layer)

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        own, error = self.parts
        first = {name: weight for name, weight in weights.items() if not name.endswith(OF_ERROR)}
        second = {name.removesuffix(OF_ERROR): weight for name, weight in weights.items() if name.endswith(OF_ERROR)}
        third, state = third_factor_of(own, signals, state, first, shapes=False)
        heard = self._scalar(signals, second["a"]) if self.broadcast == "scalar" else signals
        feedback, _ = third_factor_of(error, heard, {}, second, shapes=False)
        current = Modulator(1.0, third.current.value + self.epsilon * feedback.current.value)
        learn: dict[str, Product] = {**third.learn, **{f"{k}{OF_ERROR}": v for k, v in feedback.learn.items()}}
        loss = None
        if third.loss is not None:
            loss = third.loss + self.epsilon * cross_entropy(signals.error, signals.target)
        own_signals = {**third.signals, **feedback.signals}
        return ThirdFactor(current, third.context, learn, loss, own_signals), state

    def _scalar(self, signals: Signals, a: Array) -> Signals:
        """The signals with a (aᵀe) and a (aᵀtarget) in the place of error and target."""
        error, target = (through(a.mT, through(a, x)) for x in (signals.error, signals.target))
        return replace(signals, error=error, target=target)


def _part(spec: str, shared: Mapping[str, str]) -> Rule:
    """RULE or RULE:KEY=VALUE:…, with the options that it shares with the whole."""
    from plastic.rules import load_rule, split_options

    name, options = split_options(spec)
    if name == Hybrid.name:
        raise PlasticError("rule 'hybrid' is not a part of itself; take two other rules.")
    return load_rule(name, {**shared, **options})

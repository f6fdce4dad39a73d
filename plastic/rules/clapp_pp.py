"""CLAPP++: CLAPP with a choice of loss, and of what is predicted from.

    L     = f(z⁺ᵀ B c) + f(−z⁻ᵀ B c)
    ΔW_ij = η · γ · (B c)_i · ψ(u_i) · x̄_j,     γ⁺ = −f′(z⁺ᵀBc),  γ⁻ = f′(−z⁻ᵀBc)
    ΔB_ij = η · γ · z_i · c_j

`f` = hinge: max(0, 1 − u); softplus: log(1 + e^(1−u)); linear: −u. `feedback` = lateral: c is the
layer's own held response; dfb: that of the top layer, sent straight back (the self-supervised
cousin of DFA); both: the two losses added, each with a B of its own. c is never credited.
`negatives` = batch: at a fixation of stream b z⁺ is its response and z⁻ that of stream b+1, as in
the authors' code (the next sample of the batch); a saccade is somebody's negative at most.
saccade: z is z⁺ at a fixation and z⁻ at a saccade, so that the gate takes one stimulus only.

Z. Wu, A. Delrocq, W. Gerstner, G. Bellec, "Can local learning match self-supervised
backpropagation?", arXiv 2601.21683.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Ledger, ModulatorKind, Reads
from plastic.rules.dfa_product import DFAProduct
from plastic.rules.expressions import dot, from_stream, is_positive, rectify, sigmoid, softplus, through
from plastic.rules.rule import Array, LayerShape, Modulator, Product, Rule, Signals, Summary, Synapses, ThirdFactor

CHOICES = {
    "feedback": ("lateral", "dfb", "both"),
    "f": ("hinge", "softplus", "linear"),
    "negatives": ("batch", "saccade"),
}


@dataclass(frozen=True)
class CLAPPpp(Rule):
    """Gated prediction of the present response from the held one of this layer, or of the top."""

    name = "clapp++"
    modulator: ClassVar[ModulatorKind] = "scalar"  # a rule made from this one has another
    about = About(
        title="CLAPP++, lateral prediction and direct feedback",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · γ · (B c)_i · ψ(u_i) · x̄_j,  γ⁺ = −f′(zᵀBc), γ⁻ = f′(−zᵀBc)",
        third="γ · (B c)_i",
        ledger=Ledger(
            layer_scalars="y (saccade) and f′, which needs the layer sum zᵀ B c",
            broadcast="with dfb or both: the activity of the top layer, through a learned B",
            memory="c held for one stimulus",
            batch_statistics="with negatives=batch: the prediction of one other stream",
        ),
        defaults_source=("hinge, one negative, c detached: the authors' code; B ~ N(0, 0.01/n) as for clapp: ours"),
        probeable=(
            *("gate_positive", "gate_negative", "B"),
            *("gate_positive_top", "gate_negative_top", "B_top"),
        ),
        citation=DFAProduct.about.citation,
    )
    reads = Reads(
        signals=frozenset({"top_context"}),
        one_stream={"negatives": "saccade"},
    )

    summary: Summary = "flat"  # B joins the positions (the paper's two-dimensional dependence)
    feedback: str = "lateral"
    f: str = "hinge"
    negatives: str = "batch"

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, choices in CHOICES.items():
            if (value := getattr(self, option)) not in choices:
                raise PlasticError(
                    f"rule {self.name!r} has no {option} {value!r}; choose one of: {', '.join(choices)}."
                )

    @property
    def smallest_batch(self) -> int:
        return 2 if self.negatives == "batch" else 1

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        lateral = {"B": Synapses((layer.units, layer.units), 0.1 / layer.units**0.5)}
        top = {"B_top": Synapses((layer.units, layer.top_units), 0.1 / layer.top_units**0.5)}
        return (lateral if self.feedback != "dfb" else {}) | (top if self.feedback != "lateral" else {})

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        contexts = {"B": signals.context, "B_top": signals.top_context}
        parts = [self._part(signals, name, weight, contexts[name]) for name, weight in weights.items()]
        opened = is_positive(sum(part.current.gate for part in parts))
        dendrite = sum(part.current.dendrite for part in parts)
        learn = {name: product for part in parts for name, product in part.learn.items()}
        loss = sum(part.loss for part in parts if part.loss is not None)
        gates = {name: gate for part in parts for name, gate in part.signals.items()}
        return ThirdFactor(Modulator(opened, dendrite), None, learn, loss, gates)

    def _part(self, signals: Signals, name: str, weight: Array, c: Array) -> ThirdFactor:
        """The loss with one context. `gate` is how much is open, `dendrite` the whole modulator."""
        z, y = signals.activity, signals.fixation
        prediction = through(weight, c)
        other = z if self.negatives == "saccade" else from_stream(z, 1)
        u_positive, u_negative = dot(z, prediction), -dot(other, prediction)
        here = is_positive(y)
        apart = is_positive(-y) if self.negatives == "saccade" else here
        gate_positive, gate_negative = here * self._slope(u_positive), apart * self._slope(u_negative)
        away, away_gate = gate_negative * prediction, gate_negative
        if self.negatives == "batch":  # the negative of stream b is credited in stream b + 1
            away, away_gate = from_stream(away, -1), from_stream(away_gate, -1)
        current = Modulator(gate_positive + away_gate, gate_positive * prediction - away)
        learn = {name: Product(1.0, gate_positive * z - gate_negative * other, c)}
        loss = here * self._f(u_positive) + apart * self._f(u_negative)
        suffix = name.removeprefix("B")
        gates = {f"gate_positive{suffix}": gate_positive, f"gate_negative{suffix}": gate_negative}
        return ThirdFactor(current, None, learn, loss, gates)

    def _f(self, u: Array) -> Array:
        return {"hinge": lambda: rectify(1 - u), "softplus": lambda: softplus(1 - u), "linear": lambda: -u}[self.f]()

    def _slope(self, u: Array) -> Array:
        """−f′(u)."""
        if self.f == "linear":
            return u * 0 + 1
        return is_positive(1 - u) if self.f == "hinge" else sigmoid(1 - u)

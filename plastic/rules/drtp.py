"""DRTP: direct random target projection.

    ΔW_ij = −η · (B y)_i · ψ(u_i) · x̄_j,        B fixed and random, y the one-hot target

The target takes the place of the error, so a hidden layer need not wait for the output; only the
readout learns from its error, by the delta rule. As in the authors' code B y stands where the
gradient would, so each class pushes its neurons by a fixed random pattern, and without end: units
should saturate (tanh, as in the paper).

C. Frenkel, M. Lefebvre, D. Bol, "Learning without feedback: fixed random learning signals allow
for feedforward training of deep neural networks", Frontiers in Neuroscience 15, 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plastic.rules.declaration import Ledger
from plastic.rules.dfa import DFA
from plastic.rules.expressions import cross_entropy, through
from plastic.rules.rule import Array, Modulator, Signals, ThirdFactor
from plastic.rules.sdfa import SDFA


@dataclass(frozen=True)
class DRTP(DFA):
    """The target broadcast to every layer through fixed random weights."""

    name = "drtp"
    about = replace(
        DFA.about,
        title="Direct random target projection",
        equation="ΔW_ij = −η · (B y)_i · ψ(u_i) · x̄_j",
        third="−(B y)_i",
        ledger=Ledger(broadcast="K = number of classes: the label, through a fixed random B"),
        defaults_source=(
            "B ~ N(0, 1/K) as for dfa: ours, the authors draw it Kaiming-uniform; take tanh units as the paper does, "
            "rectified ones grow without end"
        ),
        citation=SDFA.about.citation,
    )

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        loss = cross_entropy(signals.error, signals.target)  # shown, not used by the hidden layers
        assert signals.target is not None
        modulator = Modulator(1.0, through(weights["B"], -signals.target))
        return ThirdFactor(modulator, loss=loss, signals={"error": signals.error})

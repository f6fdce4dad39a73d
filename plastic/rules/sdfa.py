"""sDFA: direct feedback alignment with the sign of the error alone.

    e     = softmax(W_out z_top) − target
    ΔW_ij = −η · (B sgn e)_i · ψ(u_i) · x̄_j,        B fixed and random

Of the K numbers of the broadcast only the signs are sent: the right class is −1, the others +1. They
do not shrink as the error does, so units should saturate (tanh, as in the paper).

C. Frenkel, M. Lefebvre, D. Bol, "Learning without feedback: fixed random learning signals allow
for feedforward training of deep neural networks", Frontiers in Neuroscience 15, 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from array_api_compat import array_namespace

from plastic.rules.declaration import Ledger
from plastic.rules.dfa import DFA
from plastic.rules.expressions import cross_entropy, through
from plastic.rules.rule import Array, Modulator, Signals, ThirdFactor


@dataclass(frozen=True)
class SDFA(DFA):
    """Sign of the output error broadcast to every layer through fixed random weights."""

    name = "sdfa"
    about = replace(
        DFA.about,
        title="Error-sign direct feedback alignment",
        equation="ΔW_ij = −η · (B sgn e)_i · ψ(u_i) · x̄_j",
        third="−(B sgn e)_i",
        ledger=Ledger(
            broadcast="K = number of classes, of each the sign, through a fixed random B",
            memory="eligibility held until the output error is known",
        ),
        defaults_source=(
            "B ~ N(0, 1/K) as for dfa: ours; take tanh units as the paper does, rectified ones grow without end"
        ),
        citation="""@article{frenkel2021learning,
  title = {Learning without feedback: Fixed random learning signals allow for feedforward training of deep
           neural networks},
  author = {Frenkel, Charlotte and Lefebvre, Martin and Bol, David},
  journal = {Frontiers in Neuroscience},
  volume = {15},
  pages = {629892},
  year = {2021}
}""",
    )

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        xp: Any = array_namespace(signals.error)
        feedback = Modulator(1.0, through(weights["B"], -xp.sign(signals.error)))
        loss = cross_entropy(signals.error, signals.target)
        return ThirdFactor(feedback, loss=loss, signals={"error": signals.error})

"""No learning: random features, the control that every figure needs.

    ΔW_ij = 0

Every layer keeps its initial weights. What a linear probe reads from it is what depth and random
mixing give for free; Tang 2022 (Front. Comput. Neurosci.) finds 47–61 % on STL-10 and CIFAR-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plastic.rules.declaration import About, Acts, Ledger
from plastic.rules.rule import Array, Modulator, Rule, Signals, ThirdFactor


@dataclass(frozen=True)
class NoLearning(Rule):
    """The weights stay where they were drawn."""

    name = "none"
    about = About(
        title="No learning (random features)",
        family="control",
        equation="ΔW_ij = 0",
        third="0",
        ledger=Ledger(),
        defaults_source="none needed",
        citation="""@article{tang2022biologically,
  title = {Biologically plausible training mechanisms for self-supervised learning in deep networks},
  author = {Tang, Mufeng and Yang, Yibo and Amit, Yali},
  journal = {Frontiers in Computational Neuroscience},
  volume = {16},
  doi = {10.3389/fncom.2022.789253},
  year = {2022}
}""",
    )
    acts = Acts(layers="none")

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        del weights
        return ThirdFactor(Modulator(0.0, signals.activity))

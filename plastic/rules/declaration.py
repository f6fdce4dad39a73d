"""What a rule declares beside its equation's code: what describes it, what it reads, when it acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from plastic.rules.statistics import Moments

ModulatorKind = Literal["none", "scalar", "broadcast"]
Sides = Literal["current", "both"]
Presentation = Literal["single", "pair", "labelled"]

READABLE = frozenset(
    {
        "error",
        "target",
        "above",
        "above_before",
        "product",
        "top_context",
        "input_activity",
    }
)  # the optional signals, by the names that a rule gives in `Reads.signals`


@dataclass(frozen=True)
class Ledger:
    """What is not local in a rule, each in a few words; "no" where it is local."""

    weight_transport: str = "no"
    layer_scalars: str = "no"
    broadcast: str = "no"
    memory: str = "one stimulus"
    second_pass: str = "no"
    batch_statistics: str = "no"
    stored_traces: str = "1 per neuron"

    def nonlocal_parts(self) -> dict[str, str]:
        return {k: v for k, v in vars(self).items() if v not in ("no", "one stimulus", "1 per neuron")}


@dataclass(frozen=True)
class About:
    """What describes a rule, for people."""

    title: str = ""
    family: str = "user"
    equation: str = ""
    third: str = ""  # the third factor, as a formula; the two others:
    pre: str = "x̄_j"
    post: str = "ψ(u_i)"
    ledger: Ledger = Ledger()
    defaults_source: str = ""
    probeable: tuple[str, ...] = ()  # own signals, beside those every rule has
    citation: str = ""  # BibTeX


@dataclass(frozen=True)
class Reads:
    """What a rule reads beside its layer's response, the held one and y.

    `presentation`: the network sees one stimulus after the other (single); each stimulus together
    with the one before, their inputs added up as when both arrive through the same weights (pair);
    or each with the label of the stimulus before beside it, right after a fixation and wrong after
    a saccade (labelled).
    """

    signals: frozenset[str] = frozenset()  # the optional ones, of READABLE
    averages: Moments | None = None  # what it averages over stimuli
    presentation: Presentation = "single"
    normalised_input: bool = False  # layers read x / RMS(x), so only its direction; the first that of a pair
    one_stream: Mapping[str, str] = field(default_factory=dict)  # options with which a rule that compares streams
    # makes do with one


@dataclass(frozen=True)
class Acts:
    """When and where a rule changes weights."""

    layers: Literal["all", "last", "none"] = "all"  # whose weights learn
    sides: tuple[Sides, ...] = ("current",)  # which stimuli it can credit
    unfiltered: Mapping[str, str] = field(default_factory=dict)  # options with which a stepwise rule filters no
    # eligibility

    @property
    def learn(self) -> bool:
        """Whether any layer's weights learn."""
        return self.layers != "none"


def grouped(body: Mapping[str, Any], about: About, reads: Reads, acts: Acts) -> tuple[About, Reads, Acts]:
    """The three values of a class, from those of its base, where its body declares their parts one by one.

    Rule files of plastic before these values said `equation = …`, `reads = frozenset(…)` or `learns = False`.
    """
    about, reads, acts = body.get("about", about), body.get("reads", reads), body.get("acts", acts)
    if not isinstance(reads, Reads):
        reads = Reads(frozenset(reads))
    described = {name: body[name] for name in vars(About()) if name in body}
    read = {name: body[name] for name in vars(Reads()) if name in body}
    acting = {
        new: body[old] for old, new in (("learning_layers", "layers"), ("sides_supported", "sides")) if old in body
    }
    if not body.get("learns", True):
        acting["layers"] = "none"
    if "unfiltered" in body:
        acting["unfiltered"] = body["unfiltered"]
    return replace(about, **described), replace(reads, **read), replace(acts, **acting)

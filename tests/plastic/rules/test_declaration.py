"""A rule's declaration: three values, or their parts one by one as rule files had them before."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar

import pytest

from plastic.rules import BUILT_IN, LPL, About, Acts, Ledger, Moments, Reads, Rule


@dataclass(frozen=True)
class PartByPart(Rule):
    name: ClassVar[str] = "part-by-part"
    title: ClassVar[str] = "A title"
    equation: ClassVar[str] = "ΔW_ij = η"
    third: ClassVar[str] = "1"
    ledger: ClassVar[Ledger] = Ledger(memory="two stimuli")
    probeable: ClassVar[tuple[str, ...]] = ("score",)
    reads: ClassVar[Any] = frozenset({"error", "target"})
    averages: ClassVar[Moments] = Moments(covariance=True)  # type: ignore[assignment, misc]
    presentation: ClassVar[str] = "pair"
    normalised_input: ClassVar[bool] = True
    one_stream: ClassVar[dict[str, str]] = {"negatives": "saccade"}
    learning_layers: ClassVar[str] = "last"
    sides_supported: ClassVar[tuple[str, ...]] = ("current", "both")
    unfiltered: ClassVar[dict[str, str]] = {"leak": "0"}


def test_parts_are_the_three_values() -> None:
    assert PartByPart.about == About(
        title="A title", equation="ΔW_ij = η", third="1", ledger=Ledger(memory="two stimuli"), probeable=("score",)
    )
    averages, one_stream = Moments(covariance=True), {"negatives": "saccade"}
    assert PartByPart.reads == Reads(frozenset({"error", "target"}), averages, "pair", True, one_stream)
    assert PartByPart.acts == Acts("last", ("current", "both"), {"leak": "0"})
    assert PartByPart().averages == averages
    assert PartByPart(sides="both").sides == "both"


def test_every_part_of_a_value_is_tried_above() -> None:
    for value, empty in ((PartByPart.reads, Reads()), (PartByPart.acts, Acts())):
        assert all(getattr(value, one.name) != getattr(empty, one.name) for one in fields(value))


def test_a_part_changes_that_of_the_base_alone() -> None:
    class Quiet(LPL):
        title = "Without learning"
        learns = False

    assert (Quiet.about.title, Quiet.about.citation) == ("Without learning", LPL.about.citation)
    assert (Quiet.acts.learn, Quiet.acts.sides) == (False, LPL.acts.sides)
    assert LPL.acts.learn
    assert LPL.about.title != Quiet.about.title
    assert Quiet.reads == LPL.reads


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.name)
def test_ours_declare_values(rule: type[Rule]) -> None:
    parts = {one.name for value in (About(), Reads(), Acts()) for one in fields(value)}
    assert set(vars(rule)) & (parts | {"learns", "learning_layers", "sides_supported"}) <= {"sides"}  # an option

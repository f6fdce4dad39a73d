"""The page of budgets is what the results say."""

from __future__ import annotations

import json
from pathlib import Path

from plastic.experiments.figures.budget_page import page, section, spaced

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def test_the_page_is_what_the_results_say() -> None:
    assert (RESULTS / "budgets.md").read_text(encoding="utf-8") == page(RESULTS)


def test_unequal_budgets_are_said_with_the_numbers() -> None:
    content = json.loads((RESULTS / "masking.json").read_text(encoding="utf-8"))
    assert content["unequal_budgets"] == []
    assert "unequal" not in section("masking", content)
    worse = {**content, "unequal_budgets": ["L=3, m=4: presentations differ: bp 1, dfa 2"]}
    assert "unequal budgets" in section("masking", worse)
    assert "- L=3, m=4: presentations differ: bp 1, dfa 2\n" in section("masking", worse)


def test_a_sweep_that_has_changed_since_is_said() -> None:
    content = json.loads((RESULTS / "masking.json").read_text(encoding="utf-8"))
    assert "has changed since" not in section("masking", content)
    content["budgets"][0]["stimuli"] += 1
    assert "has changed since" in section("masking", content)


def test_numbers_are_spaced() -> None:
    assert (spaced(12), spaced(1234567)) == ("12", "1 234 567")

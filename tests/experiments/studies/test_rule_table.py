"""The table of rules: every cell is measured by the command, once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plastic.errors import PlasticError
from plastic.experiments.studies import rule_table
from plastic.rules import all_rules

HAND = "tests/gradients/test_family_b.py::test_one_synapse_of_espp_by_hand"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on a few stimuli; gives the file of results."""
    page, results = tmp_path / "rules.md", tmp_path / "rules.json"
    page.write_text(f"above\n{rule_table.BEGIN}\nold\n{rule_table.END}\nbelow\n")
    monkeypatch.chdir(Path(__file__).parents[3])

    def command(*arguments: str) -> dict[str, Any]:
        steps = ["--rhm-steps", "3", "--digits-steps", "3", "--tests", HAND]
        rule_table.main([*steps, *arguments, "--results", str(results), "--page", str(page)])
        return json.loads(results.read_text())

    return command


def test_cells_are_measured_once_and_kept(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run("--only", "espp")
    assert first["errors"][HAND] == {"autograd": {}, "by hand": {"espp": {"largest": 0.0, "comparisons": 1}}}
    assert 0.1 < first["rules"]["espp"]["rhm"] < 0.6
    assert 0.5 < first["rules"]["espp"]["digits"] <= 1
    assert first["rules"]["espp"]["updates_per_second"] > 1
    assert list(first["rules"]) == ["espp"]
    assert (
        first["command"]
        == f"python -m plastic.experiments.studies.rule_table --rhm-steps 3 --digits-steps 3 --tests {HAND}"
    )

    monkeypatch.setattr(rule_table, "measured_errors", lambda tests: pytest.fail("measured already"))
    calls: list[str] = []

    def learned(rule: str, task: Any, *rest: Any) -> tuple[float, float]:
        calls.append(f"{rule} {task.name}")
        if calls == ["clapp rhm", "clapp digits"]:
            raise KeyboardInterrupt  # stopped in the middle
        return 0.5, 7.0

    monkeypatch.setattr(rule_table, "learned", learned)
    with pytest.raises(KeyboardInterrupt):
        run("--only", "espp", "clapp")
    again = run("--only", "espp", "clapp")
    assert calls == ["clapp rhm", "clapp digits", "clapp digits"]  # not espp, and clapp goes on where it was
    assert again["rules"]["espp"] == first["rules"]["espp"]
    assert again["rules"]["clapp"] == {"rhm": 0.5, "updates_per_second": 7.0, "digits": 0.5}
    assert "old" in (tmp_path / "rules.md").read_text()  # other rules are missing

    other = run("--only", "espp", "--rhm-steps", "4")
    assert other["rules"] == {"espp": {"rhm": 0.5, "updates_per_second": 7.0, "digits": 0.5}}


def test_the_page_gets_the_table_when_every_cell_is_there(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {rule: {"largest": 2e-15, "comparisons": 3} for rule in all_rules()}
    monkeypatch.setattr(rule_table, "measured_errors", lambda tests: {"autograd": found, "by hand": found})
    monkeypatch.setattr(rule_table, "learned", lambda *given: (0.25, 123.4))
    content = run()
    assert set(content["rules"]) == set(all_rules()) - {"lpl-spiking"}
    page = (tmp_path / "rules.md").read_text()
    assert page.startswith("above\n")
    assert page.endswith("\nbelow\n")
    assert "old" not in page
    assert "| `dfa` | 2e-15 (3) | 2e-15 (3) | 0.250 | 0.250 | 123 |" in page
    assert "| `lpl-spiking` | 2e-15" not in page
    assert "Not in the table: rule 'lpl-spiking'" in page


def test_a_rule_without_a_comparison_is_refused(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_table, "measured_errors", lambda tests: {"autograd": {}, "by hand": {}})
    monkeypatch.setattr(rule_table, "learned", lambda *given: (0.25, 123.4))
    with pytest.raises(PlasticError, match="'clapp' has no test that compares it with autograd"):
        run()
    with pytest.raises(PlasticError, match="unknown rule 'nope'"):
        run("--only", "nope")


def test_errors_of_several_tests_are_one_cell() -> None:
    one = {"autograd": {"bp": {"largest": 1e-15, "comparisons": 4}}, "by hand": {}}
    other = {"autograd": {"bp": {"largest": 3e-16, "comparisons": 2}}, "by hand": {}}
    assert rule_table.together([one, other], "autograd", "bp") == {"largest": 1e-15, "comparisons": 6}
    assert rule_table.together([one, other], "by hand", "bp") is None


def test_tests_that_fail_give_no_errors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(Path(__file__).parents[3])
    with pytest.raises(PlasticError, match=r"nowhere\.py fails"):
        rule_table.measured_errors("tests/gradients/nowhere.py")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PlasticError, match="in the checkout"):
        rule_table.measured_errors(HAND)


def test_the_published_table_is_that_of_its_results() -> None:
    folder = Path(__file__).parents[3] / "docs"
    known = json.loads((folder / "results" / "rule-table.json").read_text(encoding="utf-8"))
    page = (folder / "rules.md").read_text(encoding="utf-8")
    rows = {rule: known["rules"][rule] for rule in all_rules() if rule_table.on_rates(rule)}
    assert len(rows) > 20
    assert f"{rule_table.BEGIN}\n{rule_table.table(rows, known['errors'])}\n" in page


def test_the_page_tells_the_factors_as_they_are() -> None:
    """The part of the page that needs no measurement; studies.rule_table writes it anew."""
    page = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
    assert rule_table.factors() in page

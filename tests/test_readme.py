"""The README tells the truth: its table of rules, its example, its links and its commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plastic.cli import parse
from plastic.experiments.support_table import backends_page, support_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_what_the_backends_say() -> None:
    assert support_table() in README


def test_the_page_of_backends_is_what_they_say() -> None:
    assert (ROOT / "docs/backends.md").read_text(encoding="utf-8") == backends_page()


def test_the_example_rule_is_the_file() -> None:
    example = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "class Overlap" in block)
    assert example in (ROOT / "docs/examples/my_rule.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", README))
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


@pytest.mark.parametrize("command", re.findall(r"^plastic [^#\n]*[^#\s]", README, re.M))
def test_commands_are_understood(command: str) -> None:
    parse(command.split()[1:])

"""README and docs tell the truth: the table of rules, the example, links and commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from plastic.cli import parse
from plastic.experiments.studies.support_table import backends_page, support_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_what_the_backends_say() -> None:
    assert support_table() in README


def test_the_page_of_backends_is_what_they_say() -> None:
    assert (ROOT / "docs/backends.md").read_text(encoding="utf-8") == backends_page()


def test_the_example_rule_is_the_file() -> None:
    example = next(block for block in re.findall(r"```python\n(.*?)```", README, re.S) if "class Overlap" in block)
    assert example in (ROOT / "docs/examples/my_rule.py").read_text(encoding="utf-8")


PAGES = [Path("README.md"), *sorted(page.relative_to(ROOT) for page in (ROOT / "docs").rglob("*.md"))]
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}


@pytest.mark.parametrize(
    ("page", "target"), [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)]+)\)", TEXTS[page])]
)
def test_links_lead_somewhere(page: Path, target: str) -> None:
    file, _, heading = target.partition("#")
    if target.startswith("https://"):
        return
    path = (ROOT / page).parent / file
    assert path.exists()
    if heading:
        titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
        assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize(
    "command",
    [
        c
        for text in TEXTS.values()
        for c in re.findall(r"^plastic (?:[^\n]*\\\n)*[^\n]*", text, re.M)
        if "runs synaptic" not in c
    ],
)
def test_commands_are_understood(command: str) -> None:
    parse(shlex.split(command.replace("\\\n", " "), comments=True)[1:])

"""README and docs tell the truth: the table of rules, the examples, links, commands, and what is named in them."""

from __future__ import annotations

import importlib
import re
import shlex
from importlib.util import find_spec
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
def test_commands_are_understood(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "--network" in command:  # which is read with the command line
        monkeypatch.chdir(tmp_path)
        Path("net.py").write_text("import plastic\nNET = plastic.Network(plastic.Input(4), plastic.Layer(3))\n")
        Path("net.toml").write_text("[input]\nunits = 4\n[[layers]]\nneurons = 3\n")
    parse(shlex.split(command.replace("\\\n", " "), comments=True)[1:])


def test_paths_of_the_repository_are_there() -> None:
    folders = "plastic|models|hardware|experiments|tests|docs"
    found = {
        (page, path)
        for page, text in TEXTS.items()
        for path in re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./*-]*[\w*]", text)
    }
    assert len(found) > 40
    assert [one for one in found if not list(ROOT.glob(one[1].replace("NAME", "*")))] == []


def resolves(name: str) -> bool:
    """Whether it is a module, or what is in one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        module = ".".join(parts[:end])
        try:
            known = find_spec(module)
        except ModuleNotFoundError:  # of a module that has none in it
            continue
        if known is not None:
            found = importlib.import_module(module) if end < len(parts) else None
            for part in parts[end:]:
                if not hasattr(found, part):
                    return False
                found = getattr(found, part)
            return True
    return False


def test_names_of_python_are_there() -> None:
    found = {(page, name) for page, text in TEXTS.items() for name in re.findall(r"\bplastic(?:\.[A-Za-z]\w*)+", text)}
    assert {name for _, name in found} > {"plastic.Simulation", "plastic.experiments.studies.spiking"}
    assert not resolves("plastic.Simulator")
    assert not resolves("plastic.experiments.spiking")
    assert [one for one in found if not resolves(one[1])] == []


def test_modules_that_are_run_can_be_run() -> None:
    found = {(page, name) for page, text in TEXTS.items() for name in re.findall(r"python -m\s+(plastic[\w.]*)", text)}
    assert len(found) > 10
    for page, name in found:
        spec = find_spec(name)
        assert spec is not None, (page, name)
        assert spec.origin is not None
        assert '__name__ == "__main__"' in Path(spec.origin).read_text(encoding="utf-8"), (page, name)

"""What imports what, what is named where, and what is never called: read from the syntax of the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from plastic.rules import BUILT_IN

ROOT = Path(__file__).parents[1]
FOLDERS = ("plastic", "models", "hardware", "experiments")
ABOVE = {  # arrows go one way: a folder imports none of these
    "plastic": {"models", "hardware", "experiments"},
    "models": {"hardware", "experiments"},
    "hardware": {"experiments"},
    "experiments": set[str](),
}
EDGE = {ROOT / "plastic" / "cli.py", *(ROOT / "plastic" / "commands").glob("*.py")}  # the command line


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def package_of(path: Path) -> str:
    """Name of the package that holds the file, as it is installed."""
    parts = path.relative_to(ROOT).parts[:-1]
    return ".".join(parts if parts[0] == "plastic" else ("plastic", *parts))


def imported(code: str, package: str = "") -> Iterator[str]:
    """Full names of all modules (and of what may be one) that the code imports, anywhere in it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*kept, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("import_module", "__import__"):
                yield str(node.args[0].value)


def test_the_folders_are_there_and_hold_source() -> None:
    for folder in FOLDERS:
        assert (ROOT / folder / "__init__.py").is_file()
    assert len(sources("plastic", "models")) > 20


def test_imports_are_seen_in_every_form() -> None:
    code = (
        "import os.path\nfrom plastic import models\nfrom plastic.models.rate import X\nfrom ..models import y\n"
        "def f():\n    import importlib; importlib.import_module('hardware.x')\n"
    )
    found = set(imported(code, "plastic.stimuli"))
    assert {"os.path", "plastic.models", "plastic.models.rate", "plastic.models.y", "hardware.x"} <= found


@pytest.mark.parametrize("folder", FOLDERS)
def test_arrows_go_downward(folder: str) -> None:
    for path in sources(folder):
        if path in EDGE:
            continue
        modules = {name.split(".")[1] for name in imported(path.read_text(), package_of(path)) if "plastic." in name}
        assert not modules & ABOVE[folder], path


def test_the_command_line_reaches_down_only_where_it_simulates() -> None:
    """At its edge: within a function, so that the rest answers without torch."""
    below = ("plastic.models", "plastic.hardware", "plastic.experiments")
    for path in EDGE:
        tree = ast.parse(path.read_text())
        top = ast.unparse(ast.Module([node for node in tree.body if not isinstance(node, ast.ClassDef)], []))
        assert not {name for name in imported(top) if name.startswith(below)}, path
    everywhere = {name for path in EDGE for name in imported(path.read_text())}
    assert "plastic.models.runs.simulate" in everywhere


@pytest.mark.parametrize("path", sources(*FOLDERS, "tests"), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_folder_is_imported_by_its_bare_name(path: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(path.read_text(), package_of(path))}
    assert not roots & {"models", "hardware", "experiments"}


def words_outside_prose(code: str) -> list[str]:
    """Identifiers and string constants of the code; comments and docstrings are left out."""
    tree = ast.parse(code)
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    words: list[str] = []
    for node in ast.walk(tree):
        for name in ("id", "attr", "name", "arg", "module", "asname"):
            value = getattr(node, name, None)
            if isinstance(value, str):
                words.append(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            words.append(node.value)
    return words


def names_a_rule(text: str, name: str) -> bool:
    """Whether `name` occurs as a word; `clapp_step` and `CLAPPLayer` have the word, "ebpk" has not bp."""
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", text)
    return name.lower() in (part.lower() for part in parts)


# "none" is also a mask, a kind of modulator and snnTorch's word for no reset: its class stands for it
RULE_WORDS = sorted({rule.name for rule in BUILT_IN} - {"none"} | {rule.__name__ for rule in BUILT_IN})


def test_rule_names_are_seen_as_words() -> None:
    code = '"""clapp"""\n# dfa\ndef f(clapp_gate, x):\n    return DFA if x == "bp" else ("ebpk", NoLearning)\n'
    words = words_outside_prose(code)
    assert any(names_a_rule(word, "clapp") for word in words)
    assert any(names_a_rule(word, "dfa") for word in words)
    assert any(names_a_rule(word, "bp") for word in words)
    assert "NoLearning" in words
    assert not any(names_a_rule(word, "bp") for word in words_outside_prose('"""bp"""\nx = "ebpk"  # bp'))


@pytest.mark.parametrize("path", sources("models", "hardware"), ids=lambda path: str(path.relative_to(ROOT)))
def test_simulators_name_no_rule(path: Path) -> None:
    words = words_outside_prose(path.read_text())
    for name in RULE_WORDS:
        assert not [word for word in words if names_a_rule(word, name) or word == name], name
    modules = {f"plastic.rules.{rule.__module__.rpartition('.')[2]}" for rule in BUILT_IN}
    assert not modules & set(imported(path.read_text(), package_of(path)))


def test_a_rule_imports_no_backend() -> None:
    for path in sources("plastic/rules"):
        roots = {name.partition(".")[0] for name in imported(path.read_text(), package_of(path))}
        assert not roots & {"torch", "snntorch", "brian2", "lava", "jax"}, path


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {("torch", "load"), ("torch", "save"), ("np", "load"), ("numpy", "load"), ("yaml", "load")}


def unsafe(code: str) -> list[str]:
    """Whatever could run what it reads."""
    found = [name for name in imported(code) if name.partition(".")[0] in UNSAFE_MODULES]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name) and node.id in UNSAFE_CALLS:
            found.append(node.id)
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", "")
            found += [f"{owner}.{node.attr}"] if (owner, node.attr) in UNSAFE_METHODS else []
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            found.append(node.arg)
    found += [name for name in imported(code) if name in ("torch.load", "torch.save", "numpy.load", "yaml.load")]
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "def f():\n    eval('1')", "torch.load('x')", "g = exec",
        "from torch import load", "np.load(f, allow_pickle=True)", "subprocess.run('x', shell=True)",
    ],
)  # fmt: skip
def test_unsafe_calls_are_seen(code: str) -> None:
    assert unsafe(code)


@pytest.mark.parametrize("path", sources(*FOLDERS), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_runs_what_it_reads(path: Path) -> None:
    assert unsafe(path.read_text()) == []

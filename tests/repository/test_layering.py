"""What imports what, where what lies, what is named where, and what is never called: read from the source's syntax."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from plastic.rules import BUILT_IN

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
# Each with its rooms, lowest first: a room imports the rows above its own, never its own row's others. `x.*` is what
# lies in x, apart from x itself.
PACKAGES = {
    "plastic": """
        errors
        files backends pytest_options loading
        rules
        neurons
        stimuli traces.signals collapse probes
        traces.spec networks
        config
        runs terminal
        traces
        pictures doctor
        commands
        cli
    """,
    "models": """
        network neuron
        learning
        backends
        settings views
        presentation
        backends.*
        training
        runs
        studies
        export
    """,
    "hardware": """
        program
        compiler emulator
        lava
        chip
        bundle
    """,
    "experiments": """
        sweeps conformance
        studies
        figures
        benchmarks
    """,
}
ABOVE = {package: set(list(PACKAGES)[n + 1 :]) for n, package in enumerate(PACKAGES)}  # never imported
EDGE = {ROOT / "plastic" / "cli.py", *(ROOT / "plastic" / "commands").glob("*.py")}  # the command line
CROSSING = {"conformance", "end_to_end", "gradients", "helpers", "repository"}  # tests of what no one module does


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def package_of(path: Path) -> str:
    """Name of the package that holds the file, as it is installed."""
    parts = path.relative_to(ROOT).parts[:-1]
    return ".".join(parts if parts[0] == "plastic" else ("plastic", *parts))


def name_of(path: Path) -> str:
    """Name of the module, as it is installed."""
    return package_of(path) if path.stem == "__init__" else f"{package_of(path)}.{path.stem}"


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for path in sources(*PACKAGES)}


@cache
def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.Module, package: str = "") -> Iterator[str]:
    """Full names of all modules (and of what may be one) that the code imports, anywhere in it."""
    for node in ast.walk(tree):
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


def imports_of(path: Path) -> set[str]:
    return set(imported(syntax(path), package_of(path)))


def for_types(path: Path) -> set[str]:
    """What is imported only where types are checked."""
    blocks = [node.body for node in ast.walk(syntax(path)) if isinstance(node, ast.If)
              and getattr(node.test, "id", "") == "TYPE_CHECKING"]  # fmt: skip
    return {name for block in blocks for name in imported(ast.Module(block, []), package_of(path))}


def of_ours(path: Path) -> set[str]:
    """The modules of ours that a file imports when it runs: of `from package import module` the module alone."""
    found = {name for name in imports_of(path) - for_types(path) if name in modules()}
    passed_through = {name for name in found if any(other.startswith(f"{name}.") for other in found)}
    return found - {name for name in passed_through if modules()[name].stem == "__init__"} - {name_of(path)}


def rank(name: str) -> tuple[str, int, str]:
    """Of a module: its package, the row of its room, and the room; a package's own __init__ stands above all rooms."""
    package, _, rest = name.removeprefix("plastic.").partition(".")
    if package not in PACKAGES or package == "plastic":
        package, rest = "plastic", name.removeprefix("plastic").removeprefix(".")
    rows = [row.split() for row in PACKAGES[package].strip().splitlines()]
    if not rest:
        return package, len(rows), ""
    rooms = [
        (n, room)
        for n, row in enumerate(rows)
        for room in row
        if rest == room or rest.startswith(f"{room.removesuffix('.*')}.")
    ]
    assert rooms, f"{name} is in no room of PACKAGES"
    return package, *max(rooms, key=lambda found: len(found[1]))


def test_the_folders_are_there_and_hold_source() -> None:
    assert len(sources("plastic", "models")) > 20
    for package, rooms in PACKAGES.items():
        assert (ROOT / package / "__init__.py").is_file()
        for room in rooms.split():
            path = ROOT / package / room.removesuffix(".*").replace(".", "/")
            assert (path / "__init__.py").is_file() or path.with_suffix(".py").is_file(), path


def test_imports_are_seen_in_every_form() -> None:
    code = (
        "import os.path\nfrom plastic import models\nfrom plastic.models.rate import X\nfrom ..models import y\n"
        "def f():\n    import importlib; importlib.import_module('hardware.x')\n"
    )
    found = set(imported(ast.parse(code), "plastic.stimuli"))
    assert {"os.path", "plastic.models", "plastic.models.rate", "plastic.models.y", "hardware.x"} <= found


def test_arrows_go_downward() -> None:
    for package, above in ABOVE.items():
        for path in set(sources(package)) - EDGE:
            found = imports_of(path)
            if path == ROOT / "plastic" / "__init__.py":  # public names from below are imported when they are asked for
                found -= for_types(path)
            names = {name.split(".")[1] for name in found if name.startswith("plastic.")}
            assert not names & above, path


def test_rooms_are_ranked_by_their_longest_name() -> None:
    assert rank("plastic.traces.spec")[1:] == (5, "traces.spec")
    assert rank("plastic.traces.store")[2] == "traces"
    assert rank("plastic.models.backends.brian2.simulator") == ("models", 5, "backends.*")
    assert rank("plastic.models.backends") == ("models", 2, "backends")
    assert rank("plastic.models")[1] == 10
    assert rank("plastic")[1] == 12


def test_arrows_go_downward_within_the_packages() -> None:
    arrows = 0
    for name, path in modules().items():
        package, row, room = rank(name)
        for other in of_ours(path):
            its_package, its_row, its_room = rank(other)
            if package == its_package and room != its_room and other != "plastic":
                arrows += 1
                assert its_row < row, f"{name} imports {other}: {its_room} lies not below {room}"
    assert arrows > 200


def test_no_module_imports_one_that_imports_it() -> None:
    """Nor through others; a function's imports count too. The command line is left out: it is called by none."""
    graph = {name: of_ours(path) for name, path in modules().items() if path not in EDGE}
    graph["plastic.config.settings"].remove("plastic.config.fits")  # asked at the end of its check, in a function
    TopologicalSorter(graph).prepare()  # raises with the circle


def test_rooms_are_rooms() -> None:
    """Few modules lie flat, every folder says what lives in it, and the wheel holds every folder."""
    flat = [path for package in ("models", "hardware", "experiments") for path in (ROOT / package).glob("*.py")]
    assert len(flat) <= 30
    folders = {path.parent for path in sources(*PACKAGES)}
    for folder in folders:
        assert (folder / "__init__.py").is_file(), f"{folder} has no __init__.py"
        assert ast.get_docstring(syntax(folder / "__init__.py")), f"{folder}/__init__.py has no docstring"
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(name_of(folder / "__init__.py") for folder in folders)


def test_tests_mirror_the_source() -> None:
    """`tests/X/test_Y.py` tests the module or folder X/Y; what crosses modules lies in a folder of its own."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        inside = path.relative_to(ROOT / "tests")
        if inside.parts[0] in CROSSING:
            continue
        tested = ROOT / inside.with_name(path.name.removeprefix("test_"))
        assert tested.is_file() or tested.with_suffix("").is_dir(), f"{inside} is named after no module"
    assert CROSSING | set(PACKAGES) == {path.name for path in (ROOT / "tests").iterdir() if list(path.rglob("*.py"))}


def test_no_folder_is_imported_by_its_bare_name() -> None:
    for path in sources(*PACKAGES, "tests"):
        assert not {name.partition(".")[0] for name in imports_of(path)} & {"models", "hardware", "experiments"}, path


def test_the_command_line_reaches_down_only_where_it_simulates() -> None:
    """At its edge: within a function, so that the rest answers without torch."""
    below = ("plastic.models", "plastic.hardware", "plastic.experiments")
    for path in EDGE:
        top = ast.Module([node for node in syntax(path).body if not isinstance(node, ast.ClassDef)], [])
        assert not {name for name in imported(top) if name.startswith(below)}, path
    everywhere = {name for path in EDGE for name in imports_of(path)}
    assert "plastic.models.runs.simulate" in everywhere


def words_outside_prose(tree: ast.Module) -> set[str]:
    """Identifiers and string constants of the code; comments and docstrings are left out."""
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    words: set[str] = set()
    for node in ast.walk(tree):
        for name in ("id", "attr", "name", "arg", "module", "asname"):
            value = getattr(node, name, None)
            if isinstance(value, str):
                words.add(value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            words.add(node.value)
    return words


# "none" is also a mask, a kind of modulator and snnTorch's word for no reset: its class stands for it
RULE_WORDS = {rule.name for rule in BUILT_IN} - {"none"} | {rule.__name__ for rule in BUILT_IN}


def rules_named(text: str) -> set[str]:
    """Rules whose name occurs as a word; `clapp_step` and `CLAPPLayer` have the word, "ebpk" has not bp."""
    parts = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+", text)
    lower = {part.lower() for part in parts}
    return {name for name in RULE_WORDS if name == text or name.lower() in lower}


def test_rule_names_are_seen_as_words() -> None:
    code = '"""clapp"""\n# dfa\ndef f(clapp_gate, x):\n    return DFA if x == "bp" else ("ebpk", NoLearning)\n'
    found = {name for word in words_outside_prose(ast.parse(code)) for name in rules_named(word)}
    assert {"clapp", "CLAPP", "dfa", "DFA", "bp", "BP", "NoLearning"} == found
    prose = '"""bp"""\nx = "ebpk"  # bp'
    assert not any(rules_named(word) for word in words_outside_prose(ast.parse(prose)))


def test_simulators_name_no_rule() -> None:
    files = {f"plastic.rules.{rule.__module__.rpartition('.')[2]}" for rule in BUILT_IN}
    for path in sources("models", "hardware"):
        found = {word: named for word in words_outside_prose(syntax(path)) if (named := rules_named(word))}
        assert not found, path
        assert not files & imports_of(path), path


def test_a_rule_imports_no_backend() -> None:
    for path in sources("plastic/rules"):
        roots = {name.partition(".")[0] for name in imports_of(path)}
        assert not roots & {"torch", "snntorch", "brian2", "lava", "jax"}, path


UNSAFE_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_METHODS = {("torch", "load"), ("torch", "save"), ("np", "load"), ("numpy", "load"), ("yaml", "load")}


def unsafe(tree: ast.Module) -> list[str]:
    """Whatever could run what it reads."""
    found = [name for name in imported(tree) if name.partition(".")[0] in UNSAFE_MODULES]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in UNSAFE_CALLS:
            found.append(node.id)
        if isinstance(node, ast.Attribute):
            owner = getattr(node.value, "id", "")
            found += [f"{owner}.{node.attr}"] if (owner, node.attr) in UNSAFE_METHODS else []
        if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "shell"):
            found.append(node.arg)
    found += [name for name in imported(tree) if name in ("torch.load", "torch.save", "numpy.load", "yaml.load")]
    return found


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from joblib import load", "def f():\n    eval('1')", "torch.load('x')", "g = exec",
        "from torch import load", "np.load(f, allow_pickle=True)", "subprocess.run('x', shell=True)",
    ],
)  # fmt: skip
def test_unsafe_calls_are_seen(code: str) -> None:
    assert unsafe(ast.parse(code))


def test_nothing_runs_what_it_reads() -> None:
    assert {path: found for path in sources(*PACKAGES) if (found := unsafe(syntax(path)))} == {}

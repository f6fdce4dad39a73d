"""No code outside a backend's own folder knows it by name, but studies and benchmarks that are about it, and say so."""

from __future__ import annotations

import ast
from pathlib import Path

from plastic.backends import backends

ROOT = Path(__file__).parents[2]
OWN = ("models/backends/", "models/export/brian2/", "hardware/chip/", "hardware/lava/")
ABOUT = ("experiments/studies/", "experiments/benchmarks/")
FORMATS = "plastic/commands/export.py"  # --to brian2 and --to lava are formats of files


def literals(tree: ast.Module) -> set[str]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_backends_are_known_by_what_they_can_do() -> None:
    read, named = 0, {}
    for package in ("plastic", "models", "hardware", "experiments"):
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            if where.startswith(OWN) or where == FORMATS:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            read += 1
            about = (ast.get_docstring(tree) or "").lower() if where.startswith(ABOUT) else ""
            # "reference" is a word of other things as well
            if found := {name for name in literals(tree) & set(backends()) - {"reference"} if name not in about}:
                named[where] = found
    assert read > 200
    assert named == {}

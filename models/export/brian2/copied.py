"""Definitions of the body, copied as they are: those that a script uses, and what these use in turn."""

from __future__ import annotations

import ast
import sys
from importlib.resources import files

from plastic.models.export.brian2 import body

MODULES = ("arrays", "neurons", "learning", "data", "simulation")
OWN_IMPORTS = "import sys, numpy as np\nfrom pathlib import Path\nfrom brian2 import ms"


def names_in(text: str) -> frozenset[str]:
    """Every variable, function and class that a Python text speaks of."""
    return frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))


def read_module(module: str) -> str:
    return files(body).joinpath(f"{module}.py").read_text(encoding="utf-8")


def definitions(module: str) -> dict[str, str]:
    """The functions, classes and aliases at the top of a module of the body, each with the text that says it."""
    text, found = read_module(module), {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Assign):
            name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else node.name
            found[name] = "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
    return found


def copied(text: str) -> dict[str, list[str]]:
    """By module, the definitions that a text uses, and those that they use."""
    modules = {module: definitions(module) for module in MODULES}
    everything = {name: source for found in modules.values() for name, source in found.items()}
    used, new = set[str](), names_in(text) & everything.keys()
    while new:
        used |= new
        new = frozenset[str]().union(*(names_in(everything[name]) for name in new)) & everything.keys() - used
    return {module: [found[name] for name in found if name in used] for module, found in modules.items()}


def imports_for(text: str) -> str:
    """The import statements that a whole script needs: those of the body and OWN_IMPORTS, less what it does not use."""
    used, modules, parts = names_in(text), set[str](), dict[str, set[str]]()
    for node in ast.parse("\n".join([OWN_IMPORTS, *map(read_module, MODULES)])).body:
        names = {ast.unparse(a) for a in getattr(node, "names", ()) if (a.asname or a.name) in used}
        if isinstance(node, ast.Import):
            modules |= names
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("plastic.") and names:
            parts[node.module] = parts.get(node.module, set()) | names
    lines = [f"import {name}" for name in sorted(modules)]
    lines += [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(parts.items())]
    standard = [line for line in lines if line.split()[1].partition(".")[0] in sys.stdlib_module_names]
    return "\n".join([*standard, "", *(line for line in lines if line not in standard)])

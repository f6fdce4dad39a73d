"""Every rule measured in the same way: the table of docs/rules.md.

    python -m plastic.experiments.rule_table              # from the checkout; every cell
    python -m plastic.experiments.rule_table --only clapp lpl

Errors: the largest that the tests of the rules find (`pytest tests/rules --measured`). RHM: linear
probe of the top layer after training on v = n_c = 8, m = 4, L = 3, P = 2048; digits: the same on
scikit-learn's. Each with the rule's defaults, Adam 1e-3, batch 128, seed 0. Updates per second of
processor time, one thread: one update is all weights of all layers after a batch of 128 stimuli.
A rule that is measured already is taken from docs/results/rule-table.json; --again measures it anew.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from plastic.data.digits import digits_task
from plastic.data.rhm import RandomHierarchyModel
from plastic.data.strings import rhm_task
from plastic.data.task import Task
from plastic.errors import PlasticError
from plastic.experiments.results import write_result
from plastic.models.allocator import keep_freed_memory
from plastic.models.settings import Settings
from plastic.models.support import refusal
from plastic.models.training import Ensemble
from plastic.rules import all_rules, load_rule

SATURATING = ("sdfa", "drtp")  # their targets never come to rest: tanh units, as in their papers
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Arguments:
    """Errors, probes and speed of every rule."""

    only: tuple[str, ...] = ()
    """Rules to measure (default all)."""
    again: bool = False
    """Measure also what was measured before."""
    rhm_steps: int = 3000
    """Stimuli per stream on the Random Hierarchy Model."""
    digits_steps: int = 1000
    """Stimuli per stream on the digits."""
    errors: Path | None = None
    """Errors that pytest has measured already, instead of running it."""
    results: Path = Path("docs/results/rule-table.json")
    """Where the numbers are kept."""
    page: Path = Path("docs/rules.md")
    """Page whose table is replaced."""


def measured_errors() -> dict[str, Any]:
    """Largest relative errors to autograd and to hand calculations, as the tests find them."""
    if not Path("tests/rules").is_dir():
        raise PlasticError("the errors are measured by the tests of the rules: run this in the checkout of plastic.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "errors.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/rules"]
        chosen = ["--ignore=tests/rules/test_learning.py", "--measured", str(path)]
        if subprocess.run([*command, *chosen], check=False).returncode:
            raise PlasticError("tests of the rules fail, so there is nothing to put into the table; see above.")
        errors: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return errors


def learned(rule: str, task: Task, topology: str, depth: int, steps: int) -> tuple[float, float]:
    """Probe accuracy of the top layer after training, and updates per second of processor time."""
    activation = "tanh" if rule in SATURATING else "relu"
    settings = Settings(load_rule(rule), (128,) * depth, topology=topology, activation=activation)
    ensemble = Ensemble(settings, [task], [0], [1e-3])
    started = time.process_time()
    ensemble.train(steps if settings.rule.learns else min(steps, 200))
    speed = ensemble.learned / (time.process_time() - started)
    return ensemble.probe()[-1]["class"], speed


def measure(rule: str, arguments: Arguments) -> dict[str, Any]:
    """Probes and speed of one rule."""
    strings = rhm_task(RandomHierarchyModel(8, 8, 4, 3, 2, 0), 2048, seed=0)
    rhm, speed = learned(rule, strings, "tree", 3, arguments.rhm_steps)
    digits, _ = learned(rule, digits_task(1437), "dense", 2, arguments.digits_steps)
    return {"rhm": round(rhm, 4), "digits": round(digits, 4), "updates_per_second": round(speed, 1)}


def table(rows: dict[str, dict[str, Any]], errors: dict[str, Any]) -> str:
    """Markdown, one row per rule."""
    lines = [
        "| rule | autograd error | hand check | RHM probe | digits probe | updates/s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for rule, row in rows.items():
        cells = [_error(errors[kind].get(rule)) for kind in ("autograd", "by hand")]
        cells += [f"{row['rhm']:.3f}", f"{row['digits']:.3f}", f"{row['updates_per_second']:.0f}"]
        lines.append(f"| `{rule}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _error(found: dict[str, Any] | None) -> str:
    if found is None:
        raise PlasticError("a rule has no test that compares it with autograd, or none by hand; write one.")
    return f"{found['largest']:.0e} ({found['comparisons']})" if found["largest"] else f"0 ({found['comparisons']})"


def factors() -> str:
    """Markdown: every rule's third factor and what is not local in it."""
    lines = ["| rule | family | third factor m_i | kind | not local |", "|---|---|---|---|---|"]
    for name, rule in all_rules().items():
        parts = [f"{key.replace('_', ' ')}: {value}" for key, value in rule.ledger.nonlocal_parts().items()]
        cells = (f"`{name}`", rule.family, rule.third, rule.modulator, "; ".join(parts) or "nothing")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def replace_table(page: Path, content: str) -> None:
    """Put the table between the marks of the page."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise PlasticError(f"{str(page)!r} has no marks {BEGIN} and {END} to put the table between; add them.")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n{content}\n{END}{tail}", encoding="utf-8")


def main() -> None:
    arguments = tyro.cli(Arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    known: dict[str, Any] = {}
    if arguments.results.exists():
        known = json.loads(arguments.results.read_text(encoding="utf-8"))
    rows = {} if arguments.again and not arguments.only else dict(known.get("rules", {}))
    command = "python -m plastic.experiments.rule_table"
    elsewhere = {name: reason for name, rule in all_rules().items() if (reason := refusal(rule(), "rate", 128))}
    for rule in [name for name in arguments.only or all_rules() if name not in elsewhere]:
        if rule not in rows or arguments.again:
            rows[rule] = measure(rule, arguments)
            print(rule, rows[rule], flush=True)
            write_result(arguments.results, command, known | {"rules": rows})
    rows = {rule: rows[rule] for rule in all_rules() if rule in rows}
    apart = "".join(f"\n\nNot in the table: {reason}" for reason in elsewhere.values())
    if arguments.errors is not None:  # what `pytest tests/rules --measured FILE` wrote
        errors = json.loads(arguments.errors.read_text(encoding="utf-8"))
    else:
        errors = measured_errors()
    write_result(arguments.results, command, {"rules": rows, "errors": errors})
    replace_table(arguments.page, f"{table(rows, errors)}{apart}\n\n{factors()}")


if __name__ == "__main__":
    main()

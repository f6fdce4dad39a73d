"""Every rule measured in the same way: the table of docs/rules.md.

    python -m plastic.experiments.studies.rule_table              # from the checkout; every cell that is missing
    python -m plastic.experiments.studies.rule_table --only clapp lpl --again

Errors: the largest that the tests of the rules find, which are run (`pytest --measured`). RHM: linear
probe of the top layer after training on v = n_c = 8, m = 4, L = 3, P = 2048; digits: the same on
scikit-learn's. Each with the rule's defaults, Adam 1e-3, batch 128, seed 0. Updates per second of
processor time, one thread: one update is all weights of all layers after a batch of 128 stimuli.
Every cell is written to docs/results/rule-table.json when it is measured, so a command that was stopped
goes on where it was; --again measures what is there already.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
import tyro

from plastic.backends import first, rates
from plastic.errors import PlasticError
from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.files import write_file
from plastic.models.backends.refusals import refusal
from plastic.models.settings import Settings
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.rules import all_rules, load_rule
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task

SATURATING = ("sdfa", "drtp")  # their targets never come to rest: tanh units, as in their papers
Errors: TypeAlias = dict[str, dict[str, dict[str, Any]]]  # by kind and rule: largest, comparisons
GRADIENTS = ("family_a", "family_b", "clapp_bp_dfa", "images", "hybrid")
TESTS = tuple(f"tests/gradients/test_{name}.py" for name in GRADIENTS)
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
    tests: tuple[str, ...] = TESTS
    """Tests that compare updates with autograd and with hand calculations."""
    results: Path = Path("docs/results/rule-table.json")
    """Where the numbers are kept."""
    page: Path = Path("docs/rules.md")
    """Page whose table is replaced."""


def measured_errors(tests: str) -> Errors:
    """Errors to autograd and to hand calculations of every rule, as these tests find them."""
    if not Path("tests/gradients").is_dir():
        raise PlasticError("the errors are measured by the tests of the rules: run this in the checkout of plastic.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "errors.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--measured", str(path), tests]
        if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
            raise PlasticError(f"{tests} fails, so there is nothing to put into the table; see above.")
        errors: Errors = json.loads(path.read_text(encoding="utf-8"))
    return errors


def together(errors: Iterable[Errors], kind: str, rule: str) -> dict[str, Any] | None:
    """The largest error and how many comparisons there were, over all tests."""
    found = [one[kind][rule] for one in errors if rule in one[kind]]
    if not found:
        return None
    return {"largest": max(one["largest"] for one in found), "comparisons": sum(one["comparisons"] for one in found)}


def learned(rule: str, task: Task, topology: str, depth: int, steps: int) -> tuple[float, float]:
    """Probe accuracy of the top layer after training, and updates per second of processor time."""
    activation = "tanh" if rule in SATURATING else "relu"
    settings = Settings(load_rule(rule), (128,) * depth, topology=topology, activation=activation)
    ensemble = Ensemble(settings, [task], [0], [1e-3])
    started = time.process_time()
    ensemble.train(steps if settings.rule.acts.learn else min(steps, 200))
    speed = ensemble.learned / (time.process_time() - started)
    return ensemble.probe()[-1]["class"], speed


def measure(rule: str, steps: dict[str, int]) -> Iterator[dict[str, float]]:
    """Cells of one rule: its probe on the Random Hierarchy Model and its speed, then its probe on the digits."""
    if "rhm" in steps:
        strings = rhm_task(RandomHierarchyModel(8, 8, 4, 3, 2, 0), 2048, seed=0)
        rhm, speed = learned(rule, strings, "tree", 3, steps["rhm"])
        yield {"rhm": round(rhm, 4), "updates_per_second": round(speed, 1)}
    if "digits" in steps:
        digits, _ = learned(rule, digits_task(1437), "dense", 2, steps["digits"])
        yield {"digits": round(digits, 4)}


def table(rows: dict[str, dict[str, Any]], errors: dict[str, Errors]) -> str:
    """Markdown, one row per rule."""
    kind = Settings.probe
    lines = [
        f"| rule | autograd error | hand check | RHM {kind} probe | digits {kind} probe | updates/s |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for rule, row in rows.items():
        cells = [_error(rule, together(errors.values(), kind, rule)) for kind in ("autograd", "by hand")]
        cells += [f"{row['rhm']:.3f}", f"{row['digits']:.3f}", f"{row['updates_per_second']:.0f}"]
        lines.append(f"| `{rule}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _error(rule: str, found: dict[str, Any] | None) -> str:
    if found is None:
        raise PlasticError(f"rule {rule!r} has no test that compares it with autograd, or none by hand; write one.")
    return f"{found['largest']:.0e} ({found['comparisons']})" if found["largest"] else f"0 ({found['comparisons']})"


def factors() -> str:
    """Markdown: every rule's third factor and what is not local in it."""
    lines = ["| rule | family | third factor m_i | kind | not local |", "|---|---|---|---|---|"]
    for name, rule in all_rules().items():
        parts = [f"{key.replace('_', ' ')}: {value}" for key, value in rule.about.ledger.nonlocal_parts().items()]
        cells = (f"`{name}`", rule.about.family, rule.about.third, rule.modulator, "; ".join(parts) or "nothing")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def replace_table(page: Path, content: str) -> None:
    """Put the table between the marks of the page."""
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise PlasticError(f"{str(page)!r} has no marks {BEGIN} and {END} to put the table between; add them.")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    write_file(page, f"{head}{BEGIN}\n{content}\n{END}{tail}")


def complete(known: dict[str, Any], arguments: Arguments) -> Iterator[dict[str, Any]]:
    """What is known with the cells that were missing, after each that was measured."""
    steps, again = {"rhm": arguments.rhm_steps, "digits": arguments.digits_steps}, arguments.again
    how = {"steps": steps, "probe": Settings.probe}
    rules = known.get("rules", {}) if how.items() <= known.items() else {}  # other steps or probes are another table
    errors = {tests: found for tests, found in known.get("errors", {}).items() if tests in arguments.tests}
    now = {**how, "rules": rules, "errors": errors}
    for tests in arguments.tests:
        if again or tests not in errors:
            errors[tests] = measured_errors(tests)
            yield now
    for rule in arguments.only or all_rules():
        missing = {data: n for data, n in steps.items() if again or data not in rules.get(rule, {})}
        for cells in measure(rule, missing) if on_rates(rule) else ():
            rules[rule] = rules.get(rule, {}) | cells
            print(rule, cells, file=sys.stderr, flush=True)
            yield now


def on_rates(rule: str) -> bool:
    return refusal(load_rule(rule), first(rates), 128) is None


def main(words: list[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=words)
    for rule in arguments.only:
        load_rule(rule)
    torch.set_num_threads(1)
    keep_freed_memory()
    known: dict[str, Any] = {}
    if arguments.results.exists():
        known = json.loads(arguments.results.read_text(encoding="utf-8"))
    command = command_of(
        "python -m plastic.experiments.studies.rule_table", arguments, ("only", "again", "results", "page")
    )
    for more in complete(known, arguments):
        known = more
        write_result(arguments.results, command, known)
    rows = {rule: known["rules"].get(rule, {}) for rule in all_rules() if on_rates(rule)}
    if missing := [rule for rule, row in rows.items() if not {"rhm", "digits"} <= row.keys()]:
        print(f"{arguments.page} stays as it is until these are measured: {', '.join(missing)}", file=sys.stderr)
        return
    reasons = [refusal(rule(), first(rates), 128) for rule in all_rules().values()]
    apart = "".join(f"\n\nNot in the table: {reason}" for reason in reasons if reason)
    replace_table(arguments.page, f"{table(rows, known['errors'])}{apart}\n\n{factors()}")


if __name__ == "__main__":
    main()

"""docs/results/budgets.md: what every arm of a published figure was given.

    python -m plastic.experiments.figures.budget_page

Read from the results themselves, beside what their sweeps say today; a test compares the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plastic.experiments.figures.make import FOLDER, NAMES
from plastic.experiments.sweeps.budget import budgets
from plastic.experiments.sweeps.spec import read_sweep
from plastic.files import write_file

RESULTS = Path("docs/results")
START = """# Budgets

How much each arm of a figure was shown (streams × stimuli per stream), and how it was tuned: the same number of
presentations for all arms of a comparison, which a test reads from the sweeps
(`tests/experiments/sweeps/test_budget.py`). Made by `python -m plastic.experiments.figures.budget_page` from the
results in this folder; a test compares it. Arms of different comparisons of one figure are told apart by "compared".
"""
STUDIES = """
## Studies

They train by one setting for every rule and are not sweeps: `foundation` and `foundation-width-256` 128 × 3 000 =
384 000 presentations, learning rate 1e-3 for all, none tuned; `rule-table` 128 × 3 000 on strings and 128 × 1 000 on
digits, learning rate 1e-3 for all, none tuned; `spiking-depth` 128 × 3 000, DFA with the best of three learning rates,
CLAPP's tuning not recorded.
"""


def spaced(number: int) -> str:
    """1 234 567."""
    return f"{number:,}".replace(",", " ")


def table(content: dict[str, Any]) -> Iterator[str]:
    """Markdown rows of one result."""
    yield "| arm | on | streams × stimuli | presentations | tuning | compared |"
    yield "|---|---|--:|--:|---|---|"
    for row in content["budgets"]:
        arm, given = row["arm"], row["presentations"]
        each = f"{spaced(row['batch'])} × {spaced(row['stimuli'])}" if given else "does not learn"
        compared = content["comparisons"].get(arm, "")
        yield (
            f"| {arm} | {'; '.join(row['tasks'])} | {each} | {spaced(given)} | {content['tuning'][arm]} | {compared} |"
        )


def section(name: str, content: dict[str, Any]) -> str:
    """Of one figure: what it was made with, and whether that is what its sweep says."""
    lines = [f"\n## `{name}`\n"]
    if content["unequal_budgets"]:
        lines += ["**Measured with unequal budgets, to be made anew:**\n"]
        lines += [f"- {line}" for line in content["unequal_budgets"]] + [""]
    sweep = read_sweep(FOLDER / NAMES[name][1])
    if content["budgets"] != budgets(sweep) or content["networks_in_all"] < len(sweep.members()):
        lines += [f"Its sweep has changed since (experiments/sweeps/{NAMES[name][1]}); this is what was measured.\n"]
    return "\n".join([*lines, *table(content)]) + "\n"


def page(folder: Path = RESULTS) -> str:
    """The whole page."""
    results = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES}
    return START + "".join(section(name, content) for name, content in results.items()) + STUDIES


if __name__ == "__main__":
    write_file(RESULTS / "budgets.md", page().encode())
    print(RESULTS / "budgets.md")

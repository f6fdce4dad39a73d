"""Train sizes that are added around P*: which, and that a sweep with them does not depend on how it came about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plastic.cli import main
from plastic.experiments.sweeps.refine import second_pass, threshold
from plastic.experiments.sweeps.run import RESULTS, run_sweep, with_second_pass
from plastic.experiments.sweeps.spec import Sweep, read_sweep
from plastic.experiments.sweeps.store import read_rows

SWEEP = """
name = "refined"
group = 4

[settings]
backend = "rate"
levels = 2
symbols = 6
classes = 4
synonyms = 3
width = 32
batch = 16
steps = 400
test_size = 18
probes = 0
learning_rate = 0.01

[[arm]]
name = "bp"
rule = "bp"

[[arm]]
name = "none"
rule = "none"

[[grid]]
train_size = [20, 50, 90]
refine = 2
seed = [0, 1]
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    (tmp_path / "refined.toml").write_text(SWEEP)
    return read_sweep(tmp_path / "refined.toml")


def rows_with(sweep: Sweep, errors: dict[tuple[str, int], list[float]]) -> list[dict[str, Any]]:
    """Rows of its networks with these errors, by arm and seed, at each train size."""
    sizes = [20, 50, 90]
    return [
        {"key": m.key, "course": [{"probe": [{"class": 1 - errors[m.arm, m.config.seed][sizes.index(size)]}]}]}
        for m in sweep.members()
        if (size := m.config.stimuli.train_size) is not None
    ]


def test_sizes_are_added_where_a_grammar_crosses_for_all_grammars(sweep: Sweep) -> None:
    """Chance error is 3/4, so the threshold is 0.075: one grammar crosses from 20 to 50, the other from 50 to 90."""
    assert threshold(sweep.members()[0].config) == pytest.approx(0.075)
    never = [0.7, 0.7, 0.7]
    errors = {("bp", 0): [0.5, 0.01, 0.0], ("bp", 1): [0.6, 0.3, 0.0], ("none", 0): never, ("none", 1): never}
    more = second_pass(sweep, rows_with(sweep, errors))
    assert more is not None
    found = {(m.arm, m.config.stimuli.train_size, m.config.seed) for m in more.members()}
    between = [20 * 2.5 ** (1 / 3), 20 * 2.5 ** (2 / 3), 50 * 1.8 ** (1 / 3), 50 * 1.8 ** (2 / 3)]
    assert found == {("bp", round(size), seed) for size in between for seed in (0, 1)}


def test_nothing_is_added_where_it_is_not_known(sweep: Sweep) -> None:
    never = [0.7, 0.7, 0.7]
    at_once = [0.01, 0.0, 0.0]
    outside = {("bp", 0): at_once, ("bp", 1): never, ("none", 0): never, ("none", 1): never}
    assert second_pass(sweep, rows_with(sweep, outside)) is None
    crossing = outside | {("bp", 0): [0.5, 0.01, 0.0]}
    rows = rows_with(sweep, crossing)
    assert second_pass(sweep, rows) is not None
    assert second_pass(sweep, rows[1:]) is None, "a network of that curve is missing"


def test_a_sweep_is_refined_and_goes_on_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "refined.toml"
    file.write_text(SWEEP)
    sweep, rows = run_sweep(file, out=tmp_path / "whole")
    added = {m.config.stimuli.train_size for m in sweep.members()} - {20, 50, 90}
    assert added, "it is not learned, so nothing is refined"
    assert len(rows) == len(sweep.members()) > 12
    lines = (tmp_path / "whole" / RESULTS).read_bytes().splitlines(keepends=True)
    for kept in (3, len(lines) - 1):  # killed in the first pass, and in the second
        out = tmp_path / f"killed-{kept}"
        out.mkdir()
        (out / RESULTS).write_bytes(b"".join(lines[:kept]))
        _, again = run_sweep(file, out=out, resume=True)
        assert [(row["key"], row["course"]) for row in again] == [(row["key"], row["course"]) for row in rows]
        assert len(read_rows(out / RESULTS)) == len(lines)
    partial, found = with_second_pass(read_sweep(file), tmp_path / "whole")
    assert partial == sweep
    assert found == rows


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("refine = 2", "refine = -1", "'refine' of a [[grid]]"),
        ("refine = 2", "refine = true", "'refine' of a [[grid]]"),
        ("[20, 50, 90]", "50", "not two values of train_size"),
    ],
)
def test_what_cannot_be_refined_is_refused(
    old: str, new: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in SWEEP
    (tmp_path / "refined.toml").write_text(SWEEP.replace(old, new))
    assert main(["sweep", str(tmp_path / "refined.toml")]) == 2
    assert message in capsys.readouterr().err

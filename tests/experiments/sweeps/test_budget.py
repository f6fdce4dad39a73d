"""Every arm of a comparison is given as much: read from the files of the sweeps, counted here once more by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from plastic.cli import main
from plastic.experiments.figures.make import FOLDER
from plastic.experiments.sweeps.budget import budget_content, budgets, unequal
from plastic.experiments.sweeps.spec import read_sweep

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILES = sorted(path.name for path in FOLDER.glob("*.toml"))
SMALL = """
name = "small"

[settings]
backend = "rate"
levels = 2
batch = 16
steps = 40

[[arm]]
name = "bp"
rule = "bp"
tuning = "learning rates 0.01 and 0.1 on seed 7"

[[arm]]
name = "clapp"
rule = "clapp"

[[arm]]
name = "none"
rule = "none"

[[grid]]
train_size = [40, 60]
seed = [0, 1]
"""


@pytest.mark.parametrize("file", FILES)
def test_every_comparison_is_equal(file: str) -> None:
    assert unequal(read_sweep(FOLDER / file)) == []


@pytest.mark.parametrize("file", FILES)
def test_the_tuning_of_every_arm_is_written_down(file: str) -> None:
    assert [arm.name for arm in read_sweep(FOLDER / file).arms if not arm.tuning.strip()] == []
    text = tomllib.loads((FOLDER / file).read_text(encoding="utf-8"))
    assert [arm["name"] for arm in text["arm"] if "tuning" not in arm] == [], "not even 'not recorded'"


def test_presentations_are_batch_times_stimuli(tmp_path: Path) -> None:
    """Of the efficiency sweep's two kinds of grid, worked out from its text."""
    table = tomllib.loads((FOLDER / "rhm_efficiency.toml").read_text(encoding="utf-8"))
    found = {(row["arm"], task): row["presentations"] for row in budgets(read_sweep(FOLDER / "rhm_efficiency.toml"))
             for task in row["tasks"]}  # fmt: skip
    arms = {arm["name"]: {**table["settings"], **arm} for arm in table["arm"]}
    for grid in table["grid"]:
        for name in grid["arms"]:
            said = {**arms[name], **grid}
            expected = 0 if name == "none" else said["batch"] * said["steps"]
            assert found[name, f"L={said['levels']}, m={said.get('synonyms', 4)}"] == expected
    assert len(set(found.values())) == 4


def changed(tmp_path: Path, old: str, new: str) -> list[str]:
    assert old in SMALL
    (tmp_path / "small.toml").write_text(SMALL.replace(old, new))
    return unequal(read_sweep(tmp_path / "small.toml"))


def test_what_is_unequal_is_found(tmp_path: Path) -> None:
    assert changed(tmp_path, "steps = 40", "steps = 50") == []
    said = ["L=2, m=4: presentations differ: bp 1280, clapp 640"]
    assert changed(tmp_path, 'rule = "bp"', 'rule = "bp"\nbatch = 32') == said
    assert changed(tmp_path, 'rule = "bp"', 'rule = "bp"\nbatch = 32\nsteps = 20') == []
    assert changed(tmp_path, 'rule = "none"', 'rule = "none"\nsteps = 4') == [], "it does not learn"


def test_arms_in_grids_of_their_own_are_compared_too(tmp_path: Path) -> None:
    """As clapp with batch 512 and 4000 stimuli was set beside bp with 128 and 2000."""
    grid = "\n[[grid]]\narms = [{}]\ntrain_size = 40\nseed = 0\n{}\n"
    start = SMALL[: SMALL.index("[[grid]]")]
    two = start + grid.format('"bp", "none"', "") + grid.format('"clapp"', "batch = 64\nsteps = 80")
    assert changed(tmp_path, SMALL, two) == ["L=2, m=4: presentations differ: bp 640, clapp 5120"]
    assert changed(tmp_path, SMALL, two.replace('rule = "clapp"', 'rule = "clapp"\ncompare = "large"')) == []
    both = start + grid.format('"bp", "clapp"', "") + grid.format('"clapp", "bp"', "steps = 80")
    assert changed(tmp_path, SMALL, both) == [], "each has both budgets"
    more = start + grid.format('"bp", "clapp"', "") + grid.format('"clapp"', "steps = 80")
    assert changed(tmp_path, SMALL, more) == [], "clapp alone is trained longer too, and compared where it is not"


def test_what_stands_beside_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    found = budget_content(read_sweep(tmp_path / "small.toml"))
    assert found["budgets"][0] == {
        "arm": "bp", "tasks": ["L=2, m=4"], "batch": 16, "stimuli": 40, "presentations": 640,
    }  # fmt: skip
    assert [row["presentations"] for row in found["budgets"]] == [640, 640, 0]
    assert found["tuning"] == {
        "bp": "learning rates 0.01 and 0.1 on seed 7", "clapp": "not recorded", "none": "not recorded",
    }  # fmt: skip


@pytest.mark.parametrize("line", ["tuning = 3", 'tuning = ""', "compare = true"])
def test_what_is_no_text_is_refused(line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.toml").write_text(SMALL.replace('rule = "clapp"', f'rule = "clapp"\n{line}'))
    assert main(["sweep", str(tmp_path / "small.toml")]) == 2
    assert "of the arm 'clapp'" in capsys.readouterr().err


def test_tuning_and_comparison_are_no_part_of_a_network(tmp_path: Path) -> None:
    """Results that are there already stay, when a file says more of how it was tuned."""
    (tmp_path / "a.toml").write_text(SMALL)
    (tmp_path / "b.toml").write_text(SMALL.replace('rule = "clapp"', 'rule = "clapp"\ntuning = "x"\ncompare = "y"'))
    keys = [[m.key for m in read_sweep(tmp_path / f).members()] for f in ("a.toml", "b.toml")]
    assert keys[0] == keys[1]

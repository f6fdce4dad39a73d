"""docs/architecture.md tells the truth: every room is in its tree, and a stimulus passes the files that it names."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

import plastic
from plastic.models.backends import Backend

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = ("plastic", "models", "hardware", "experiments")
STEP = re.compile(r"^\d\. `([\w/]+\.py)`", re.M)
ENTRY = {"models/runs/simulation.py", "models/training/ensemble.py"}  # which begin every walk


def test_every_room_is_in_the_tree() -> None:
    tree = re.search(r"```\n(plastic/ .*?)```", TEXT, re.S)
    assert tree is not None
    parts = re.split(r"^(?=\w+/ )", tree[1], flags=re.M)[1:]
    assert [part.split("/")[0] for part in parts] == [*PACKAGES, "tests"]
    for package, part in zip(PACKAGES, parts, strict=False):
        inside = sorted(path.parent for path in (ROOT / package).rglob("__init__.py"))[1:]
        folders = {path.name for path in inside}
        modules = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
        lines = part.split("\n", 1)[1]
        assert set(re.findall(r"(\w+)/(?=[ ,)\n])", lines)) == folders
        first = {word for line in lines.splitlines() for word in re.split(r"\s{2,}", line.strip())[0].split()}
        assert {word for word in first if "/" not in word} == modules


def named(backend: str) -> list[str]:
    """The files of its walk, in order, as the page has them."""
    rates, chips = (STEP.findall(part) for part in TEXT.split("On `loihi` a network")[:2])
    if backend == "loihi":
        return chips
    if backend == "brian2":
        own = ["models/backends/brian2/simulator.py", "models/backends/brian2/equations.py"]
        assert all(f"`{path}`" in TEXT for path in own)
        return [*rates[:2], *own, *rates[4:]]
    assert f"`models/backends/{backend}/simulator.py`" in TEXT
    return [path.replace("/rate/", f"/{backend}/") for path in rates]


def leaves() -> set[str]:
    """What the page says is called on the way."""
    listed = re.search(r"decide nothing:(.*?)\.\n", TEXT, re.S)
    assert listed is not None
    return {
        f"{folder}{name}.py"
        for folder, names in re.findall(r"`([\w/]+/)`\s+\{(.*?)\}", listed[1], re.S)
        for name in re.findall(r"\w+", names)
    }


def entered(call: Callable[[], object]) -> set[str]:
    """Files of ours whose functions are called."""
    found: set[str] = set()

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            found.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        call()
    finally:
        sys.setprofile(before)
    ours = {Path(name).relative_to(ROOT).as_posix() for name in found if Path(name).is_relative_to(ROOT)}
    return {path for path in ours if path.split("/")[0] in PACKAGES}


@pytest.mark.usefixtures("numpy_code")
@pytest.mark.parametrize("backend", ["rate", "snntorch", "brian2", "loihi"])
def test_a_stimulus_passes_the_files_that_are_named(backend: str) -> None:
    walk = named(backend)
    assert len(walk) == len(set(walk)) == 8
    task = plastic.stimuli.rhm(levels=2, train=384, seed=1)
    net = plastic.tree(task, widths=(8, 8), shared=False)
    given = {"batch": 1} | ({"calibration": 50} if backend == "loihi" else {})
    made: list[plastic.Simulation] = []
    built = entered(lambda: made.append(plastic.Simulation(net, task, rule="clapp", backend=backend, **given)))
    sim = made[0]
    sim.ensemble.train(2)
    passed = entered(lambda: sim.ensemble.train(1))
    assert passed <= {*walk, *leaves(), *ENTRY}
    assert {path for path in walk if path not in passed} <= (
        {"plastic/rules/clapp.py", "hardware/compiler/circuit.py"} if backend == "loihi" else set()
    )
    assert set(walk) <= passed | built
    count = re.search(rf"(\d+)(?: files)? on `{backend}`", TEXT)
    assert count is not None
    assert len(passed) == int(count[1])


def test_nothing_is_listed_that_is_not_there() -> None:
    for path in {*leaves(), *(path for backend in ("rate", "loihi") for path in named(backend))}:
        assert (ROOT / path).is_file(), path


def test_the_backend_of_the_page_is_one() -> None:
    block = re.search(r"^```python\n(.*?)^```$", TEXT, re.S | re.M)
    assert block is not None
    scope: dict[str, object] = {}
    exec(block[1], scope)
    mine = scope["MINE"]
    assert isinstance(mine, Backend)
    assert (mine.name, mine.package.installed, mine.can.spikes) == ("mine", True, True)

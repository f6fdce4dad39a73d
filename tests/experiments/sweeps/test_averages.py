"""What is written of results: means over seeds, the command that made them, and ratios of times."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from plastic.experiments.studies.curves import by_task, curve
from plastic.experiments.sweeps.averages import command_of, median_ratio, side_by_side, write_result


def row(arm: str, scores: list[float], **settings: Any) -> dict[str, Any]:
    return {
        "arm": arm,
        "settings": settings,
        "course": [{"step": 10 * k, "probe": [x, 2 * x]} for k, x in enumerate(scores)],
    }


def test_courses_are_means_over_seeds_by_task_and_arm() -> None:
    nan = float("nan")
    rows = [
        row("bp", [0.25, 0.5, nan], train_size=40),  # 4 synonyms where nothing is said
        row("bp", [0.75, 1.0, 0.5], train_size=40, synonyms=4),
        row("clapp", [1.0], train_size=40),
        row("bp", [1 / 3], train_size=80, synonyms=2),
    ]
    found = by_task(rows)
    assert {task: {arm: len(part) for arm, part in arms.items()} for task, arms in found.items()} == {
        "m=4, P=40": {"bp": 2, "clapp": 1},
        "m=2, P=80": {"bp": 1},
    }
    means = curve(found["m=4, P=40"]["bp"], lambda point: point["probe"])
    assert means == [[0.5, 1.0], [0.75, 1.5], [None, None]]
    assert curve(found["m=2, P=80"]["bp"], lambda point: point["probe"][0]) == [0.33333]


@dataclass
class Inner:
    width: int = 8
    names: tuple[str, ...] = ()


@dataclass
class Given:
    figure: str
    learning_rate: float = 0.1
    quick: bool = False
    draw: bool = True
    out: str = "here"
    inner: Inner = field(default_factory=Inner)


def test_the_command_says_what_is_not_as_usual_and_a_shell_reads_it() -> None:
    assert command_of("python x.py", Given("a")) == "python x.py a"
    given = Given("two words", 0.1, True, False, "elsewhere", Inner(9, ("p", "q;r")))
    assert command_of("python x.py", given) == "python x.py 'two words' --quick --no-draw --width 9 --names p 'q;r'"
    assert command_of("x", Given("a", 0.2, out="o"), ()) == "x a --learning-rate 0.2 --out o"


def test_a_result_has_its_command_and_machine_beside_it(tmp_path: Path) -> None:
    write_result(tmp_path / "new" / "a.json", "make it", {"numbers": [1, 2.5]})
    found = json.loads((tmp_path / "new" / "a.json").read_text())
    assert (found["command"], found["numbers"]) == ("make it", [1, 2.5])
    assert {"processor", "cores", "torch_threads"} <= set(found["hardware"])
    assert {"plastic", "torch", "numpy"} <= set(found["versions"])


def test_tasks_take_turns_and_the_first_turn_is_not_timed() -> None:
    turns: list[str] = []
    now = [0.0]

    def task(name: str, seconds: list[float]) -> Any:
        def run() -> None:
            now[0] += seconds[turns.count(name)]
            turns.append(name)

        return run

    tasks = {"slow": task("slow", [100, 4, 9, 2]), "fast": task("fast", [100, 1, 3, 4])}
    found = side_by_side(tasks, 3, lambda: now[0])
    assert turns == ["slow", "fast"] * 4
    assert found == {"slow": [4, 9, 2], "fast": [1, 3, 4]}
    assert median_ratio(found["slow"], found["fast"]) == pytest.approx(3)  # of 4, 3 and 1/2

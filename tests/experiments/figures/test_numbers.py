"""The numbers of the text are those of the results; and a mistake in the text, or a number of nowhere, is found."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from plastic.errors import PlasticError
from plastic.experiments.figures.numbers import (
    COMMENT,
    PAGES,
    agrees,
    at,
    expanded,
    numbers,
    result,
    rewritten,
    unchecked,
)

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "results"
TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
SETTINGS = {  # phrases with numbers that are no results: what was set, versions, bounds that tests hold
    "docs/results/README.md": (
        "arXiv 2601.21683",
        "Theorem 3.1",
        "Theorem 3.3",
        "Proposition 3.5",
        "push 0.3",
        "Adam 0.005",
        "both at 0.003, the highest",
        "at 0.001 and diverging in effect at 0.003",
        "0.05 spikes per step",
        "At 0.2 the mean rates",
    ),
    "README.md": ("Python 3.10–3.13", "tested to 1e-8 against autograd", "weights within 1e-6"),
}


@pytest.mark.parametrize("page", PAGES)
def test_numbers_are_those_of_the_results(page: str) -> None:
    assert [f"{n.text} {n.relation} {n.value}" for n in numbers(TEXTS[page], RESULTS) if not agrees(n)] == []


@pytest.mark.parametrize("page", SETTINGS)
def test_no_number_comes_from_nowhere(page: str) -> None:
    assert len(numbers(TEXTS[page], RESULTS)) > (250 if page == "docs/results/README.md" else 20)
    assert unchecked(TEXTS[page], SETTINGS[page], RESULTS) == []
    for phrase in SETTINGS[page]:
        assert re.search(r"\s+".join(map(re.escape, phrase.split())), TEXTS[page]), f"{phrase!r} is not there any more"


@pytest.mark.parametrize("page", SETTINGS)
def test_a_mistake_in_any_number_is_found(page: str) -> None:
    """Every number of the text, one after the other, has its last digit changed; then in its comment too."""
    comments = [0, *(comment.end() for comment in COMMENT.finditer(TEXTS[page]))]
    pieces = [TEXTS[page][start:end] for start, end in pairwise(comments)]
    for text, number in ((piece, number) for piece in pieces for number in numbers(piece, RESULTS)):
        last = number.place + len(re.match(r"[-\d. ]*\d", number.text)[0]) - 1  # type: ignore[index]
        wrong = str((int(text[last]) + 5) % 10)
        other = text[:last] + wrong + text[last + 1 :]
        with pytest.raises(PlasticError, match="is not next in the text"):
            numbers(other, RESULTS)
        if number.relation == "=":
            beside = last - number.place + number.beside
            both = other[:beside] + wrong + other[beside + 1 :]
            assert not all(agrees(n) for n in numbers(both, RESULTS)), f"{number.text} may be anything"


def test_what_is_published_is_not_rewritten() -> None:
    assert {page: rewritten(text, RESULTS) for page, text in TEXTS.items()} == TEXTS


PAGE = """
CLAPP 0.50 and BP 0.25, at rate 0.3 after 1 200 stimuli: a third, 2.0 times; below 1e-6. Speed: 40–45 s.
<!-- numbers: small
0.50, 0.25 = accuracy/{clapp|bp}/*/-1
1 200 = steps
2.0 = accuracy/clapp/*/-1 / accuracy/bp/*/-1
1e-6 > max errors
40 = min runs/*/seconds
45 = runs/name=b&seed=1/seconds
-->
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    content = {
        "accuracy": {"clapp": [[0.1, 0.4], [0.1, 0.6]], "bp": [[0.1, 0.2], [0.1, 0.3]]},
        "steps": 1200,
        "errors": [1e-8, 3e-7],
        "runs": [{"name": "a", "seed": 1, "seconds": 39.6}, {"name": "b", "seed": 0, "seconds": 41.0},
                 {"name": "b", "seed": 1, "seconds": 45.4}],
    }  # fmt: skip
    (tmp_path / "small.json").write_text(json.dumps(content))
    return tmp_path


def test_numbers_are_read_in_the_order_of_the_text(small: Path) -> None:
    found = numbers(PAGE, small)
    assert [n.text for n in found] == ["0.50", "0.25", "1 200", "2.0", "1e-6", "40", "45"]
    assert [n.value for n in found] == pytest.approx([0.5, 0.25, 1200, 2.0, 3e-7, 39.6, 45.4])
    assert all(map(agrees, found))
    assert unchecked(PAGE, (), small) == ["APP 0.50 and BP 0.25, at rate 0.3 after 1 200 st"]
    assert unchecked(PAGE, ("at rate 0.3",), small) == []


@pytest.mark.parametrize(
    ("old", "new"), [("0.25", "0.26"), ("1 200", "1 201"), ("2.0 ", "2.1 "), ("1e-6", "1e-7"), ("40", "41"),
                     ("45", "46")],
)  # fmt: skip
def test_what_does_not_agree_is_written_anew(old: str, new: str, small: Path) -> None:
    wrong = PAGE.replace(old, new)
    assert wrong.count(new) == 2
    assert [n.text for n in numbers(wrong, small) if not agrees(n)] == [new.strip()]
    assert rewritten(wrong, small) == (wrong if "e" in old else PAGE), "a bound is for a person to judge"


def test_rounding_is_to_the_digits_of_the_text(small: Path) -> None:
    text = PAGE.replace("0.25", "0.3", 1).replace("0.50, 0.25 =", "0.50, 0.3 =")
    assert all(map(agrees, numbers(text, small)))
    (small / "small.json").write_text((small / "small.json").read_text().replace("1200", "1234567"))
    result.cache_clear()
    number = next(n for n in numbers(PAGE, small) if n.text == "1 200")
    assert not agrees(number)
    assert "after 1 234 567 stimuli" in rewritten(PAGE, small)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps", "stops", "'stops' leads to no number"),
        ("small", "absent", "no result 'absent'"),
        ("1 200 =", "1 200", "not of the form"),
        ("{clapp|bp}", "clapp", "2 numbers for 1 paths"),
        ("runs/name=b&seed=1", "runs/name=c", "leads to no number"),
        ("0.50, 0.25 =", "0.25, 0.50 =", "not next in the text"),
    ],
)
def test_a_comment_that_cannot_be_followed_is_refused(old: str, new: str, message: str, small: Path) -> None:
    with pytest.raises(PlasticError, match=message):
        numbers(PAGE.replace(old, new), small)


def test_braces_and_paths() -> None:
    assert expanded("a/{x|y}/{1|2}") == ["a/x/1", "a/x/2", "a/y/1", "a/y/2"]
    assert expanded("a/{x|y} / b/{x|y}") == ["a/x / b/x", "a/y / b/y"]
    assert at({"a": [{"b": [1, 2]}, {"b": [3, None, True]}]}, "a/*/b") == [1, 2, 3]
    assert at({"a": [1, 2, 3]}, "a/-1") == [3]


def test_code_links_and_words_are_no_results() -> None:
    page = "`--rate 0.5` [x](y-0.7.md) lava-nc 0.10.0 https://a.b/1.5\n```\n0.8\n```\n<!-- 0.9 -->"
    assert unchecked(page) == []
    assert len(unchecked(page + " of 0.6 and 3e-7 only")) == 2

"""Numbers in the text, read back from the results that they are of.

    python -m plastic.experiments.figures.numbers            compare
    python -m plastic.experiments.figures.numbers --write    write them anew, in the text and beside it

A comment after a piece of text says where its numbers come from, in the order of the text:

    At width 128 CLAPP has 0.998 and BP 0.973, 0.025 less; the chip differs by less than 1e-6.
    <!-- numbers: foundation
    0.998, 0.973 = results/{clapp|bp}/probe_accuracy/*/-1
    0.025 = results/clapp/probe_accuracy/*/-1 - results/bp/probe_accuracy/*/-1
    1e-6 > max chip-exact:float/*/weight_error
    -->

`numbers: FILE` names the result (FILE.json) of the lines below, `FILE:` before a path one for that path. A path goes
down by keys, by indices of lists (-1: the last), by `*` (all) and by `key=value` or `a=1&b=2` (those of a list that
have it); several values are averaged, or `max`, `min`, `sum` or `median` of them is taken. {a|b} stands for one number
each; the same braces twice go together. "+", "-", "*" and "/" between blanks are arithmetic, from left to right. "="
compares as the text rounds it; ">" and "<" say that the number in the text is larger, or smaller.
"""

from __future__ import annotations

import itertools
import json
import operator
import re
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from plastic.errors import PlasticError
from plastic.files import write_file

RESULTS = Path("docs/results")
PAGES = ("README.md", "docs/results/README.md", "docs/images.md", "docs/rules.md", "docs/sweeps.md")
COMMENT = re.compile(r"<!-- numbers: *([\w+-]*)\n(.*?)-->", re.S)
LINE = re.compile(r"^ *(\S.*?) ([=<>]) (.*\S) *$")
DECIMAL = re.compile(r"(?<![\w.=-])\d+(?:\.\d+(?:e-?\d+)?|e-?\d+)(?![\w.]*\d)")
HIDDEN = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|https?://\S+|<!--.*?-->", re.S)  # code, links, comments
OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}
OF_MANY: dict[str, Callable[[list[float]], float]] = {"max": max, "min": min, "sum": sum, "median": statistics.median}


@dataclass(frozen=True)
class Number:
    """One number of the text, what it has to be, and where it stands: in the text, and in the comment."""

    text: str
    relation: str
    value: float
    place: int
    beside: int


@cache
def result(folder: Path, name: str) -> Any:
    """The content of a result; PlasticError where there is none."""
    try:
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlasticError(
            f"there is no result {name!r} ({error}); name a file of {folder} without its .json."
        ) from None


def at(content: Any, path: str) -> list[float]:
    """All numbers at the path. PlasticError where it leads to none."""
    found = [content]
    for part in path.split("/"):
        found = [below for one in found for below in _step(one, part)]
    numbers = [float(one) for value in found for one in _flat(value)]
    if not numbers:
        raise PlasticError(f"{path!r} leads to no number.")
    return numbers


def _step(content: Any, part: str) -> list[Any]:
    if part == "*":
        return list(content.values() if isinstance(content, dict) else content)
    if isinstance(content, dict):
        return [content[part]] if part in content else []
    if not isinstance(content, list):
        return []
    if re.fullmatch(r"-?\d+", part):
        return content[int(part) :][:1]
    asked = [one.split("=", 1) for one in part.split("&") if "=" in one]
    return [one for one in content if asked and all(str(one.get(key)) == value for key, value in asked)]


def _flat(value: Any) -> Iterator[float]:
    if isinstance(value, list):
        for one in value:
            yield from _flat(one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def evaluate(expression: str, default: str, folder: Path) -> float:
    """The value of an expression without braces."""
    terms = re.split(r" ([-+*/]) ", expression)
    value = _term(terms[0], default, folder)
    for sign, term in zip(terms[1::2], terms[2::2], strict=True):
        value = OPERATORS[sign](value, _term(term, default, folder))
    return float(value)


def _term(term: str, default: str, folder: Path) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", term):
        return float(term)
    function, _, rest = term.partition(" ")
    if function not in OF_MANY:
        function, rest = "", term
    named = re.match(r"([\w+-]+):(?!\s)", rest)
    values = at(result(folder, named[1] if named else default), rest[named.end() :] if named else rest)
    return float(OF_MANY[function](values)) if function else sum(values) / len(values)


def expanded(expression: str) -> list[str]:
    """One expression for each choice of what stands in braces."""
    braces = dict.fromkeys(re.findall(r"\{[^{}]*\}", expression))
    found = []
    for choice in itertools.product(*(one[1:-1].split("|") for one in braces)):
        text = expression
        for one, chosen in zip(braces, choice, strict=True):
            text = text.replace(one, chosen)
        found.append(text)
    return found


def numbers(page: str, folder: Path = RESULTS) -> list[Number]:
    """All numbers of the page that a comment speaks of. PlasticError for a comment that cannot be followed."""
    found, start = [], 0
    visible = _visible(page)
    for comment in COMMENT.finditer(page):
        place = start
        lines, offset = comment[2].splitlines(keepends=True), comment.start(2)
        for line in lines:
            for text, relation, value, beside in _line(line, comment[1], folder):
                match = re.compile(rf"(?<![\w.]){re.escape(text)}(?!\w|\.?\d| \d{{3}}(?!\d))").search(
                    visible, place, comment.start()
                )
                if match is None:
                    raise PlasticError(f"the comment says {line.strip()!r}, but {text!r} is not next in the text.")
                found.append(Number(text, relation, value, match.start(), offset + beside))
                place = match.end()
            offset += len(line)
        start = comment.end()
    return found


def _line(line: str, default: str, folder: Path) -> Iterator[tuple[str, str, float, int]]:
    if not line.strip():
        return
    parts = LINE.match(line)
    if parts is None:
        raise PlasticError(f"{line.strip()!r} is not of the form: NUMBERS = PATH.")
    texts, expressions = parts[1].split(", "), expanded(parts[3])
    if len(texts) != len(expressions):
        raise PlasticError(f"{line.strip()!r} has {len(texts)} numbers for {len(expressions)} paths.")
    place = parts.start(1)
    for text, expression in zip(texts, expressions, strict=True):
        yield text, parts[2], evaluate(expression, default, folder), place
        place += len(text) + 2


def agrees(number: Number) -> bool:
    """Whether the text says what the result is, to the digits that it gives."""
    said = float(number.text.replace(" ", ""))
    if number.relation == "=":
        return abs(said - number.value) <= 0.5 * 10 ** -_digits(number.text) * (1 + 1e-9)
    return said > number.value if number.relation == ">" else said < number.value


def _digits(text: str) -> int:
    mantissa, _, exponent = text.replace(" ", "").partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def as_in(text: str, value: float) -> str:
    """The value, written as the text is."""
    if "e" in text:
        mantissa, _, exponent = f"{value:.{len(text.partition('e')[0].partition('.')[2])}e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    plain = f"{value:,.{max(0, _digits(text))}f}" if " " in text or abs(value) >= 1000 else f"{value:.{_digits(text)}f}"
    return plain.replace(",", " ")


def rewritten(page: str, folder: Path = RESULTS) -> str:
    """The page with every number that does not agree written anew; a bound ("<", ">") stays, a person has to see it."""
    changes = [(n.place, n) for n in numbers(page, folder)] + [(n.beside, n) for n in numbers(page, folder)]
    for place, number in sorted(changes, key=lambda change: -change[0]):
        if number.relation == "=" and not agrees(number):
            page = page[:place] + as_in(number.text, number.value) + page[place + len(number.text) :]
    return page


def unchecked(page: str, settings: tuple[str, ...] = (), folder: Path = RESULTS) -> list[str]:
    """Decimal numbers that no comment speaks of, each with words around it; `settings` are phrases that may stand."""
    visible = _visible(page)
    known = {number.place for number in numbers(page, folder)}
    for phrase in settings:
        for one in re.finditer(r"\s+".join(map(re.escape, phrase.split())), visible):
            known |= set(range(*one.span()))
    return [
        " ".join(page[max(0, one.start() - 30) : one.end() + 15].split())
        for one in DECIMAL.finditer(visible)
        if one.start() not in known
    ]


def _visible(page: str) -> str:
    """The page with code, links and comments blanked, so that places stay."""
    return HIDDEN.sub(lambda hidden: re.sub(r"[^\n]", " ", hidden[0]), page)


def main() -> int:
    wrong = 0
    for path in map(Path, PAGES):
        page = path.read_text(encoding="utf-8")
        for number in numbers(page):
            if not agrees(number):
                wrong += 1
                print(f"{path}: {number.text} {number.relation} {number.value:.6g}")
        if "--write" in sys.argv[1:]:
            write_file(path, rewritten(page).encode())
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

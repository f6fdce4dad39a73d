"""What to record, as a value: which signals, of which neurons and synapses, when.

    weight,eligibility[layer=2,post=3,pre=0:16]; modulator,gate,dendrite@stimulus; membrane every 5

Clauses are parted by semicolons. Each names signals and may say, in any order,

    [layer=2,post=3,pre=0:16]  which layer (from 1), position, post and pre neuron, stream (from 0) and
                               stimulus (from 1): an index, a range A:B without B, `A|B|C`, or all.
                               `:16` is the first 16, or all if there are fewer; `0:16` must exist;
                               `~16` are 16 spread evenly, `~1` the middle, or all if there are fewer.
                               Without it: all, but stream 0 alone.
    @step or @stimulus         in every time step, or once at the stimulus end
    every K                    every K-th step of a stimulus, or every K-th stimulus of what changes once per stimulus
    for M of N                 the first M of every N stimuli

`own` stands for all signals and circuit weights of the rule's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from plastic.errors import PlasticError
from plastic.traces.signals import Clock

BOUT = 6  # stimuli
AXES = ("layer", "position", "post", "pre", "stream", "stimulus")
SYNTAX = "write it as in `weight,eligibility[layer=2,post=3,pre=0:16]; gate@stimulus; membrane every 5 for 4 of 100`"
NAMES = re.compile(r"\s*(\w+(?:\s*,\s*\w+)*)\s*")
OPTIONS = {
    "selection": re.compile(r"\[([^\]]*)\]\s*"),
    "clock": re.compile(r"@\s*(\w+)\s*"),
    "every": re.compile(r"every\s+(\d+)\s*"),
    "bout": re.compile(r"for\s+(\d+)\s+of\s+(\d+)\s*"),
}
PART = re.compile(r"(\d+)|(\d*):(\d*)|~[1-9]\d*")


@dataclass(frozen=True)
class Range:
    """Indices as they were written: parts like `3`, `0:16`, `:16`, `~16`, or all."""

    text: str = "all"

    def __post_init__(self) -> None:
        if self.text != "all" and not all(PART.fullmatch(part) for part in self.text.split("|")):
            raise PlasticError(f"{self.text!r} in --record selects nothing; write 3, 0:16, :16, ~16, 3|7|9 or all.")

    def indices(self, size: int, axis: str, where: str, first: int = 0) -> list[int]:
        """The indices, sorted; PlasticError for one that is not in first … first + size − 1."""
        if self.text == "all":
            return list(range(first, first + size))
        found: set[int] = set()
        for part in self.text.split("|"):
            if part.startswith("~"):
                number = min(int(part[1:]), size)
                found |= {first + (2 * k + 1) * size // (2 * number) for k in range(number)}
            else:
                found |= set(range(*self._bounds(part, size, axis, where, first)))
        return sorted(found)

    def bounds(self, size: int, axis: str, where: str, first: int = 0) -> tuple[int, int]:
        """First and last index of a single range; PlasticError for several."""
        if self.text == "all":
            return first, first + size - 1
        if "|" in self.text or "~" in self.text:
            raise PlasticError(f"--record takes one range of {axis} per clause, not {self.text}; write another clause.")
        begin, end = self._bounds(self.text, size, axis, where, first)
        return begin, end - 1

    def _bounds(self, part: str, size: int, axis: str, where: str, first: int) -> tuple[int, int]:
        start, colon, stop = part.partition(":")
        begin = int(start) if start else first
        end = begin + 1 if not colon else int(stop) if stop else first + size
        if stop and not start:  # so many, whatever the first is called
            end = first + min(end, size)
        if begin < first or end > first + size or begin >= end:
            raise PlasticError(
                f"--record asks for {axis} {part} of {where}; there are {axis} {first} to {first + size - 1}."
            )
        return begin, end


@dataclass(frozen=True)
class Clause:
    """Signals that are recorded of the same neurons at the same times."""

    signals: tuple[str, ...]
    selection: tuple[tuple[str, Range], ...] = ()
    clock: Clock | None = None  # None: each signal's own
    every: int = 1
    bout: tuple[int, int] | None = None  # the first M of every N stimuli

    def __post_init__(self) -> None:
        if self.every < 1:
            raise PlasticError("`every 0` in --record; it must be at least every 1.")
        if self.bout is not None and not 1 <= self.bout[0] <= self.bout[1]:
            raise PlasticError(f"`for {self.bout[0]} of {self.bout[1]}` in --record; M of N needs 1 ≤ M ≤ N.")

    def range(self, axis: str) -> Range:
        """What is selected along an axis."""
        return dict(self.selection).get(axis, Range("0" if axis == "stream" else "all"))

    def __str__(self) -> str:
        text = ",".join(self.signals)
        if self.selection:
            text += "[" + ",".join(f"{axis}={chosen.text}" for axis, chosen in self.selection) + "]"
        text += f"@{self.clock}" if self.clock else ""
        text += f" every {self.every}" if self.every > 1 else ""
        return text + (f" for {self.bout[0]} of {self.bout[1]}" if self.bout else "")


@dataclass(frozen=True)
class Record:
    """A record spec; `Record.parse(str(record)) == record`. Without clauses nothing is recorded."""

    clauses: tuple[Clause, ...] = field(default_factory=tuple)

    @classmethod
    def parse(cls, text: str) -> Record:
        """The spec of a text; PlasticError where it is not one. `none` records nothing."""
        if text.strip() in ("", "none"):
            return cls()
        clauses = tuple(_clause(part) for part in text.split(";") if part.strip())
        if not clauses:
            raise PlasticError(f"{text!r} in --record names no signal; {SYNTAX}, or none.")
        return cls(clauses)

    def __str__(self) -> str:
        return "; ".join(map(str, self.clauses)) or "none"


def _clause(text: str) -> Clause:
    names = NAMES.match(text)
    if names is None:
        raise PlasticError(f"{text.strip()!r} in --record names no signal; {SYNTAX}.")
    found: dict[str, tuple[str, ...]] = {}
    rest = text[names.end() :]
    while rest:
        option, match = next(((k, m) for k, p in OPTIONS.items() if (m := p.match(rest))), ("", None))
        if match is None or option in found:
            raise PlasticError(f"cannot read {rest.strip()!r} in --record {text.strip()!r}; {SYNTAX}.")
        found[option], rest = match.groups(), rest[match.end() :]
    every, bout = found.get("every", ("1",))[0], found.get("bout")
    return Clause(
        tuple(name.strip() for name in names.group(1).split(",")),
        _selection(found["selection"][0]) if "selection" in found else (),
        _clock(found["clock"][0]) if "clock" in found else None,
        int(every),
        (int(bout[0]), int(bout[1])) if bout else None,
    )


def _clock(text: str) -> Literal["step", "stimulus"]:
    if text == "step":
        return "step"
    if text == "stimulus":
        return "stimulus"
    raise PlasticError(f"unknown clock '@{text}' in --record; write @step or @stimulus.")


def _selection(text: str) -> tuple[tuple[str, Range], ...]:
    chosen: dict[str, Range] = {}
    for item in text.split(","):
        axis, equals, indices = (part.strip() for part in item.partition("="))
        if axis not in AXES or not equals or axis in chosen:
            raise PlasticError(f"cannot read [{text}] in --record; select by {', '.join(AXES)} as in [layer=2,post=3].")
        chosen[axis] = Range(indices.replace(" ", ""))
    return tuple(chosen.items())


def default_record(steps: int, spiking: bool, images: bool = False, rounds: bool = False) -> Record:
    """A small set, of a size that does not grow with the run, so that every run can be inspected: bouts of a few
    synapses of every layer with all their factors, and a part of the weight matrices when a bout begins. Of images
    they are spread, for corners are dark: a picture's, and a kernel's at the border. `rounds`: of a chip."""
    period = max(BOUT, steps // 20)
    first, position = ("~", "~1") if images else (":", "0")
    some, many = (
        (("position", Range(position)), ("post", Range(f"{first}{post}")), ("pre", Range(f"{first}{pre}")))
        for post, pre in ((6, 12), (128, 256))
    )
    spikes = ("pre_spike", "spike") if spiking else ()  # of rates they are pre_trace and activity
    factors = ("pre_trace", "membrane", "post_factor", "eligibility")
    thirds = ("activity", "gate", "dendrite", "modulator", "weight", "weight_change", "own")
    rounding = ("rounding",) if rounds else ()
    bout = Clause(spikes + factors + thirds + rounding, some, None, 1, (BOUT, period))
    return Record((bout, Clause(("weight",), many, None, period)))

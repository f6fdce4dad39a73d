"""A sweep as data: arms × grids of run settings, read from TOML into typed values.

An arm is a rule with its options; a grid lists values of any settings of `plastic simulate`. Every
arm meets every grid, and each combination is a `Member`: one network to train. Members that differ
in nothing but seed, data and learning rate are grouped and trained side by side. The groups
follow from the file alone, so a member's numbers do not depend on how often the sweep was killed, on
how many workers it had, or on what was there already.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plastic.backends import capabilities
from plastic.config.defaults import resolve
from plastic.config.file import from_table
from plastic.config.flat import flattened, nested
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.experiments.sweeps.measures import MEASURED, MEASURES
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import checked_test_size

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PER_MEMBER = ("seed", "train_size", "test_size", "learning_rate", "pairing", "synonyms")  # may differ in a group


@dataclass(frozen=True)
class Arm:
    """One line of the figure: settings under a name.

    `tuning` says which settings were tried, and on which seeds. Arms with the same `compare` are compared with one
    another, so they have the same number of presentations (budget.py); most sweeps are one comparison, "".
    """

    name: str
    settings: dict[str, Any]
    tuning: str = "not recorded"
    compare: str = ""


@dataclass(frozen=True)
class Grid:
    """Settings with one or several values each; `arms` limits it to some of them.

    `refine`: how many train sizes are added between two of the grid where a grammar's error crosses the threshold.
    """

    settings: dict[str, tuple[Any, ...]]
    arms: tuple[str, ...] = ()
    refine: int = 0

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination, the last setting fastest."""
        for values in itertools.product(*self.settings.values()):
            yield dict(zip(self.settings, values, strict=True))


@dataclass(frozen=True)
class Member:
    """One network to train: its arm, what the file says of it, its complete settings, what is measured."""

    arm: str
    said: tuple[tuple[str, Any], ...]
    config: Config
    measures: tuple[str, ...]

    @classmethod
    def of(cls, arm: str, said: dict[str, Any], measures: tuple[str, ...]) -> Member:
        """With all defaults filled in. PlasticError for settings that cannot be."""
        config = _checked(resolve(from_table(nested({"record": "none", **said}, "a sweep"), f"arm {arm!r}")))
        return cls(arm, tuple(said.items()), config, measures)

    @property
    def key(self) -> str:
        """The same for the same arm, settings, measures and kind of probe; what else the file leaves to the defaults
        does not enter."""
        content = [self.arm, dict(self.said), self.measures, self.config.training.probe]
        if self.config.stimuli.pairing.startswith("latent:"):
            content.append("one law for fixation and saccade")  # results of the law before are not taken for these
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def stimuli(self) -> int:
        """How much work it is, roughly: stimuli to be shown."""
        training = self.config.training
        return (training.steps or 0) * (training.batch or 1) * (self.config.network.width or 128)


Group = tuple[Member, ...]


@dataclass(frozen=True)
class Sweep:
    """What a sweep file says."""

    name: str
    question: str
    arms: tuple[Arm, ...]
    grids: tuple[Grid, ...]
    settings: dict[str, Any]
    measures: tuple[str, ...] = MEASURED
    group: int = 10

    def members(self) -> list[Member]:
        """Every network of the sweep, once. PlasticError for settings that cannot be."""
        found: dict[str, Member] = {}
        for grid in self.grids:
            arms = [arm for arm in self.arms if not grid.arms or arm.name in grid.arms]
            for arm, point in itertools.product(arms, grid.points()):
                member = self.member(arm, point)
                found.setdefault(member.key, member)
        return list(found.values())

    def member(self, arm: Arm, point: dict[str, Any]) -> Member:
        """The network of an arm at a point of a grid."""
        try:
            return Member.of(arm.name, {**self.settings, **arm.settings, **point}, self.measures)
        except PlasticError as error:
            raise PlasticError(f"arm {arm.name!r} of sweep {self.name!r}: {error}") from None

    def groups(self) -> list[Group]:
        """Members that can be trained side by side, together; the same groups whenever it is asked."""
        alike: dict[str, list[Member]] = {}
        for member in self.members():
            alike.setdefault(_shared(member), []).append(member)
        groups: list[Group] = []
        for members in alike.values():
            alone = not capabilities(members[0].config.backend).members
            size = 1 if alone else math.ceil(len(members) / math.ceil(len(members) / self.group))
            groups += [tuple(members[i : i + size]) for i in range(0, len(members), size)]
        return groups


def _checked(config: Config) -> Config:
    """The same; PlasticError where there is no such Random Hierarchy Model, or too few strings in it."""
    s = config.stimuli
    if s.data == "rhm":
        assert s.levels is not None
        assert s.train_size is not None
        grammar = RandomHierarchyModel(s.symbols, s.classes, s.synonyms, s.levels, s.branching)
        checked_test_size(grammar, s.train_size, s.test_size)
    return config


def _shared(member: Member) -> str:
    """What all members of a group have in common, as text."""
    flat = {k: v for k, v in flattened(member.config).items() if k not in PER_MEMBER}
    return json.dumps([member.arm, flat], sort_keys=True)


def changed_settings(config: Config) -> dict[str, Any]:
    """Of a resolved config, what is not as in `Config()`, by the names of the command line."""
    defaults = flattened(Config())
    return {k: v for k, v in flattened(config).items() if v != defaults[k] and k != "record"}


def read_sweep(path: Path) -> Sweep:
    """The sweep of a TOML file; PlasticError with a remedy for anything else."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PlasticError(
            f"cannot read the sweep {str(path)!r} ({error}); give a TOML file, see docs/sweeps.md."
        ) from None
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and of deep nesting
        raise PlasticError(f"the sweep {str(path)!r} is not valid TOML: {error}; see docs/sweeps.md.") from None
    sweep = _sweep(table, str(path))
    if not sweep.members():
        raise PlasticError(f"the sweep {str(path)!r} has no member; give it at least one [[arm]] and one [[grid]].")
    return sweep


def _sweep(table: dict[str, Any], where: str) -> Sweep:
    known: dict[str, type] = {
        "name": str, "question": str, "arm": list, "grid": list, "settings": dict, "measures": list, "group": int,
    }  # fmt: skip
    table = {"group" if key == "pack" else key: value for key, value in table.items()}  # as files before said it
    for key, value in table.items():
        if key not in known:
            raise PlasticError(f"unknown entry {key!r} in {where}; a sweep has: {', '.join(known)}.")
        if not isinstance(value, known[key]) or isinstance(value, bool):
            raise PlasticError(f"{key!r} in {where} must be {_kind(known[key])}.")
    missing = [key for key in ("name", "arm", "grid") if key not in table]
    if missing:
        raise PlasticError(f"{where} has no {missing[0]!r}; a sweep needs a name, [[arm]] and [[grid]].")
    if Path(table["name"]).name != table["name"] or table["name"] in ("", ".."):
        raise PlasticError(f"'name' in {where} is {table['name']!r}; it names a folder, so write a plain word.")
    arms = tuple(_arm(entry, where) for entry in table["arm"])
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise PlasticError(f"two arms in {where} have the same name; names must differ: {', '.join(names)}.")
    measures = tuple(table.get("measures", MEASURED))
    if unknown := [name for name in measures if name not in MEASURES]:
        raise PlasticError(f"unknown measure {unknown[0]!r} in {where}; choose from: {', '.join(MEASURES)}.")
    if (group := table.get("group", 10)) < 1:
        raise PlasticError(f"'group' in {where} is {group}; it must be at least 1.")
    grids = tuple(_grid(entry, names, where) for entry in table["grid"])
    return Sweep(table["name"], table.get("question", ""), arms, grids, table.get("settings", {}), measures, group)


def _kind(kind: type) -> str:
    return {str: "text", list: "a list", dict: "a table", int: "a whole number"}[kind]


def _arm(entry: Any, where: str) -> Arm:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise PlasticError(f'an [[arm]] in {where} has no name; write name = "…".')
    said = {key: entry[key] for key in ("tuning", "compare") if key in entry}
    if wrong := [key for key, text in said.items() if not isinstance(text, str) or not text.strip()]:
        raise PlasticError(f"{wrong[0]!r} of the arm {entry['name']!r} in {where} must be text that says something.")
    return Arm(entry["name"], {k: v for k, v in entry.items() if k not in ("name", *said)}, **said)


def _grid(entry: Any, names: list[str], where: str) -> Grid:
    if not isinstance(entry, dict):
        raise PlasticError(f"a [[grid]] in {where} must be a table of settings.")
    arms = tuple(entry.get("arms", ()))
    if unknown := [name for name in arms if name not in names]:
        raise PlasticError(f"a [[grid]] in {where} names the arm {unknown[0]!r}, which is none of: {', '.join(names)}.")
    lists = {k: tuple(v) if isinstance(v, list) else (v,) for k, v in entry.items() if k not in ("arms", "refine")}
    if empty := [k for k, v in lists.items() if not v]:
        raise PlasticError(f"{empty[0]!r} of a [[grid]] in {where} has no values.")
    refine = entry.get("refine", 0)
    if not isinstance(refine, int) or isinstance(refine, bool) or refine < 0:
        raise PlasticError(f"'refine' of a [[grid]] in {where} is {refine!r}; it must be a whole number, 0 or more.")
    if refine and len(lists.get("train_size", ())) < 2:
        raise PlasticError(f"a [[grid]] in {where} has 'refine' but not two values of train_size to refine between.")
    return Grid(lists, arms, refine)

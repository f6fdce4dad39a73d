"""The rules, by name, and how to load one of your own.

Begin with rule.py, what a rule declares, and with one of them, as clapp.py. expressions, statistics and memory are what
rules share; returned calls their lines, tracing writes them down. Imports errors alone, and no backend.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import Any

from plastic.errors import PlasticError
from plastic.rules.barlow import BarlowTwins
from plastic.rules.bp import BP
from plastic.rules.bp_clapp_pp import BPCLAPPpp
from plastic.rules.bp_infonce import BPInfoNCE
from plastic.rules.clapp import CLAPP
from plastic.rules.clapp_pp import CLAPPpp
from plastic.rules.declaration import READABLE, About, Acts, Ledger, Reads
from plastic.rules.dfa import DFA
from plastic.rules.dfa_product import DFAProduct
from plastic.rules.drtp import DRTP
from plastic.rules.eprop import EProp
from plastic.rules.espp import ESPP
from plastic.rules.fa import FA
from plastic.rules.ff import ForwardForward
from plastic.rules.hybrid import Hybrid
from plastic.rules.infonce import InfoNCE
from plastic.rules.last_layer import LastLayer
from plastic.rules.lpl import LPL
from plastic.rules.lpl_spiking import SpikingLPL
from plastic.rules.none import NoLearning
from plastic.rules.returned import keeps_state
from plastic.rules.rule import (
    LayerShape,
    Modulator,
    Moment,
    Product,
    Rule,
    Signals,
    Synapses,
    ThirdFactor,
)
from plastic.rules.scff import SCFF
from plastic.rules.sdfa import SDFA
from plastic.rules.simclr import SimCLR
from plastic.rules.simsiam import SimSiam
from plastic.rules.statistics import Moments, Statistics
from plastic.rules.usf import USF
from plastic.rules.vicreg import VICReg

__all__ = [
    "BP",
    "CLAPP",
    "DFA",
    "DRTP",
    "ESPP",
    "FA",
    "LPL",
    "SCFF",
    "SDFA",
    "USF",
    "About",
    "Acts",
    "BPCLAPPpp",
    "BPInfoNCE",
    "BarlowTwins",
    "CLAPPpp",
    "DFAProduct",
    "EProp",
    "ForwardForward",
    "Hybrid",
    "InfoNCE",
    "LastLayer",
    "LayerShape",
    "Ledger",
    "Modulator",
    "Moment",
    "Moments",
    "NoLearning",
    "Product",
    "Reads",
    "Rule",
    "Signals",
    "SimCLR",
    "SimSiam",
    "SpikingLPL",
    "Statistics",
    "Synapses",
    "ThirdFactor",
    "VICReg",
    "all_rules",
    "is_registered",
    "load_rule",
    "raised_at",
    "register",
    "rule_class",
    "split_options",
]

BUILT_IN: tuple[type[Rule], ...] = (
    *(CLAPP, CLAPPpp, InfoNCE, SimCLR, LPL, VICReg, BarlowTwins, SimSiam, ESPP, SpikingLPL, SCFF, ForwardForward),
    *(DFA, SDFA, DRTP, EProp, FA, USF, DFAProduct, Hybrid, BP, BPCLAPPpp, BPInfoNCE),
    *(NoLearning, LastLayer),
)


FROM_FILE = "plastic_user_rule_"  # how the modules of rule files begin


_registered: dict[str, type[Rule]] = {}


def register(rule: type[Rule]) -> None:
    """Make a rule known by its name in this process, as an entry point does for all; not in place of a built-in one.

    Raises PlasticError for a class that does not declare what a rule must declare.
    """
    checked = _checked(rule, f"the class {rule.__name__}")
    if checked.name in {one.name for one in BUILT_IN}:
        raise PlasticError(f"the class {rule.__name__} is named {checked.name!r}, as a rule of plastic is; rename it.")
    _registered[checked.name] = checked


def is_registered(name: str) -> bool:
    """Whether a rule of that name is known in this process alone."""
    return name in _registered


def all_rules() -> dict[str, type[Rule]]:
    """Built-in rules, those registered in this process, and those that installed packages offer in the group
    `plastic.rules`."""
    rules = {rule.name: rule for rule in BUILT_IN} | _registered
    for point in entry_points(group="plastic.rules"):
        rules.setdefault(point.name, _from_entry_point(point))
    return rules


def rule_class(spec: str) -> type[Rule]:
    """A rule by name, or by file as PATH.py:CLASS.

    Raises PlasticError if there is none, naming those that there are.
    """
    if ".py:" in spec:
        path, _, name = spec.rpartition(":")
        return _from_file(Path(path), name)
    built_in = {rule.name: rule for rule in BUILT_IN} | _registered
    if spec in built_in:  # without reading the entry points of every installed package
        return built_in[spec]
    rules = all_rules()
    if spec not in rules:
        raise PlasticError(
            f"unknown rule {spec!r}; choose one of: {', '.join(rules)}; or a rule of your own as FILE.py:CLASS."
        )
    return rules[spec]


def load_rule(spec: str, options: dict[str, str] | None = None) -> Rule:
    """The rule with its options, given as text and read by the type of the field.

    Raises PlasticError for an option that the rule has not, or a value of the wrong type.
    """
    cls = rule_class(spec)
    return cls(**parsed(cls, options or {}))


def split_options(text: str) -> tuple[str, dict[str, str]]:
    """RULE:KEY=VALUE:… as the rule (also FILE.py:CLASS) and its options."""
    words = text.strip().split(":")
    options = dict(word.split("=", 1) for word in words if "=" in word)
    return ":".join(word for word in words if "=" not in word), options


def parsed(cls: type[Rule], options: Mapping[str, str]) -> dict[str, Any]:
    """Options of a rule as values, from text; PlasticError as of `load_rule`."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    values = {}
    for key, text in options.items():
        if key not in fields:
            raise PlasticError(f"rule {cls.name!r} has no option {key!r}; it has: {', '.join(fields)}.")
        values[key] = _parse(cls, key, fields[key].default, text)
    return values


def _parse(cls: type[Rule], key: str, default: Any, text: str) -> Any:
    """Text to the type of the default; choices are checked by the rule itself."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int | float):
            value = type(default)(text)
            if not math.isfinite(value):
                raise ValueError
            return value
    except (KeyError, ValueError):
        kind = "true or false" if isinstance(default, bool) else f"a number like {default}"
        raise PlasticError(f"option {key!r} of rule {cls.name!r} is {text!r}; it takes {kind}.") from None
    return text


def raised_at(error: BaseException) -> tuple[str, int] | None:
    """File and line in which a rule of the user's file raised an error, itself or below it; None if none did."""
    place, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__", "").startswith(FROM_FILE):
            place = trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next
    before = error.__cause__ or error.__context__
    return place or (raised_at(before) if before is not None else None)


def _from_entry_point(point: EntryPoint) -> type[Rule]:
    where = f"entry point {point.name!r} of the group plastic.rules"
    try:
        found = point.load()
    except Exception as error:
        raise PlasticError(
            f"{where} ({point.value}) does not load: {type(error).__name__}: {error}; repair or uninstall its package."
        ) from error
    return _checked(found, where)


def _from_file(path: Path, name: str) -> type[Rule]:
    if not path.is_file():
        raise PlasticError(f"no rule file {str(path)!r}; give an existing file as FILE.py:CLASS.")
    spec = importlib.util.spec_from_file_location(f"{FROM_FILE}{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise PlasticError(f"the rule file {str(path)!r} does not run: {type(error).__name__}: {error}.") from error
    return _checked(_attribute(module, name, path), f"{path}:{name}")


def _attribute(module: ModuleType, name: str, path: Path) -> Any:
    if not hasattr(module, name):
        found = [k for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, Rule) and v is not Rule]
        raise PlasticError(f"{str(path)!r} has no class {name!r}; it has: {', '.join(found) or 'no rule at all'}.")
    return getattr(module, name)


def _checked(found: Any, where: str) -> type[Rule]:
    """A class that declares what a rule must declare."""
    if not (isinstance(found, type) and issubclass(found, Rule)):
        raise PlasticError(f"{where} is not a subclass of plastic.Rule.")
    parameters = vars(found).get("__dataclass_params__")  # its own: without @dataclass it would inherit Rule's
    if parameters is None or not parameters.frozen:
        raise PlasticError(f"{where} must be a frozen dataclass: write @dataclass(frozen=True) above it.")
    if not found.name:
        raise PlasticError(f'{where} has no name; give it one: name = "…".')
    if moments := found.reads.signals & {"statistics", "covariance", "cross_covariance"}:
        raise PlasticError(
            f"{where} reads {', '.join(sorted(moments))}, which a rule keeps itself now: declare a state and take "
            "plastic.rules.statistics.Moments (docs/adding-a-rule.md)."
        )
    if unknown := found.reads.signals - READABLE:
        raise PlasticError(f"{where} reads {', '.join(sorted(unknown))}; signals are: {', '.join(sorted(READABLE))}.")
    if keeps_state(found) and len(signature(found.third_factor).parameters) == 3:
        raise PlasticError(
            f"{where} keeps a state, so its third_factor takes (self, signals, state, weights) and returns the third "
            "factor and the new state (docs/adding-a-rule.md)."
        )
    return found

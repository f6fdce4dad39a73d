"""The rules, by name, and how to load one of your own.

Begin with rule.py, what a rule declares, and with one of them, as clapp.py. expressions, statistics and memory are what
rules share; returned calls their lines, tracing writes them down. Imports errors and loading, and no backend.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from plastic.errors import PlasticError
from plastic.loading import Kind, parse_options, split_options
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
    "load_rule",
    "register",
    "rule_class",
    "split_options",
]

BUILT_IN: tuple[type[Rule], ...] = (
    *(CLAPP, CLAPPpp, InfoNCE, SimCLR, LPL, VICReg, BarlowTwins, SimSiam, ESPP, SpikingLPL, SCFF, ForwardForward),
    *(DFA, SDFA, DRTP, EProp, FA, USF, DFAProduct, Hybrid, BP, BPCLAPPpp, BPInfoNCE),
    *(NoLearning, LastLayer),
)


def _check(found: type[Rule], where: str) -> None:
    """What a rule must declare, beside its name."""
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


KIND = Kind("rule", Rule, "plastic.Rule", BUILT_IN, _check)


def register(rule: type[Rule]) -> None:
    """Make a rule known by its name in this process, as an entry point does for all; not in place of a built-in one.

    Raises PlasticError for a class that does not declare what a rule must declare.
    """
    KIND.register(rule)


def all_rules() -> dict[str, type[Rule]]:
    """Built-in rules, those registered in this process, and those that installed packages offer in the group
    `plastic.rules`."""
    return KIND.all()


def rule_class(spec: str) -> type[Rule]:
    """A rule by name, or by file as PATH.py:CLASS.

    Raises PlasticError if there is none, naming those that there are.
    """
    found: type[Rule] = KIND.find(spec)
    return found


def load_rule(spec: str, options: dict[str, str] | None = None) -> Rule:
    """The rule with its options, given as text and read by the type of the field.

    Raises PlasticError for an option that the rule has not, or a value of the wrong type.
    """
    cls = rule_class(spec)
    return cls(**parsed(cls, options or {}))


def parsed(cls: type[Rule], options: Mapping[str, str]) -> dict[str, Any]:
    """Options of a rule as values, from text; PlasticError as of `load_rule`."""
    return parse_options(KIND, cls, options)

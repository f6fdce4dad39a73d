"""A rule as settings say it: by name, or by the file that it is from, with the options that are not the default."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from plastic.errors import PlasticError
from plastic.rules import BUILT_IN, FROM_FILE, is_registered, register, rule_class
from plastic.rules.rule import Rule


def spec_of(rule: Rule) -> str:
    """By which a rule's class is found again: of a class of this process' own, which is then registered, in this
    process."""
    cls = type(rule)
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if cls.__module__.startswith(FROM_FILE) and file:
        return f"{Path(file)}:{cls.__name__}"
    if cls not in BUILT_IN and (not cls.name or not _found(cls)):
        register(cls)
    return cls.name


def options_text(rule: Rule) -> list[str]:
    """Its options that are not the default, each as KEY=VALUE."""
    fields = (f for f in dataclasses.fields(rule) if getattr(rule, f.name) != f.default)
    return [f"{f.name}={_text(getattr(rule, f.name))}" for f in fields]


def findable(rule: Rule) -> bool:
    """Whether another process finds the rule's class by `spec_of`: it is installed, or in a file that was loaded."""
    cls = type(rule)
    if cls.__module__.startswith(FROM_FILE) or cls in BUILT_IN:
        return True
    return bool(cls.name) and not is_registered(cls.name) and _found(cls)


def _found(cls: type[Rule]) -> bool:
    try:
        return rule_class(cls.name) is cls
    except PlasticError:
        return False


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

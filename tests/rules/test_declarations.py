"""Every rule declares itself in full, and the simulators know none of them by name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import plastic.models
from plastic.errors import PlasticError
from plastic.rules import BUILT_IN, READABLE, Rule, load_rule


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda r: r.name)
def test_a_rule_declares_everything(rule: type[Rule]) -> None:
    assert dataclasses.is_dataclass(rule)
    for part in (rule.name, rule.title, rule.equation, rule.third, rule.family, rule.defaults_source):
        assert part.strip()
    assert re.match(r"@(article|inproceedings)\{\w+,\n(  .+\n| {10,}.+\n)+\}$", rule.citation)
    assert rule.modulator in ("none", "scalar", "broadcast")
    assert rule.reads <= READABLE
    assert "family" in vars(rule) or rule.__mro__[1] is not Rule
    module = __import__(rule.__module__, fromlist=["x"])
    assert "ΔW" in module.__doc__


def test_names_are_unique() -> None:
    assert len({rule.name for rule in BUILT_IN}) == len(BUILT_IN)


def test_no_simulator_knows_a_rule() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in Path(plastic.models.__file__).parent.glob("*.py"))
    for rule in BUILT_IN:
        assert not re.search(rf"\b{rule.__name__}\b", code), rule.__name__
        assert f'"{rule.name}"' not in code or rule.name == "none", rule.name  # "none" is also a mask


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda r: r.name)
def test_unknown_masks_are_refused(rule: type[Rule]) -> None:
    with pytest.raises(PlasticError, match="sample, batch, none"):
        load_rule(rule.name, {"mask": "wrong"})
    if "upper_mask" in {f.name for f in dataclasses.fields(rule)}:
        with pytest.raises(PlasticError, match="sample, batch, none"):
            load_rule(rule.name, {"upper_mask": "wrong"})

"""Every rule declares itself in full, and the simulators know none of them by name."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

import plastic.models
from plastic.errors import PlasticError
from plastic.rules import (
    BUILT_IN,
    CLAPP,
    READABLE,
    About,
    CLAPPpp,
    EProp,
    ForwardForward,
    Hybrid,
    InfoNCE,
    Rule,
    SimCLR,
    SimSiam,
    SpikingLPL,
    load_rule,
)
from plastic.rules.returned import third_factor_of
from plastic.rules.rule import LayerShape, Modulator, Product, Signals, ThirdFactor


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda r: r.name)
def test_a_rule_declares_everything(rule: type[Rule]) -> None:
    assert dataclasses.is_dataclass(rule)
    about = rule.about
    for part in (rule.name, about.title, about.equation, about.third, about.family, about.defaults_source):
        assert part.strip()
    assert re.match(r"@(article|inproceedings)\{\w+,\n(  .+\n| {10,}.+\n)+\}$", rule.about.citation)
    assert rule.modulator in ("none", "scalar", "broadcast")
    assert rule.reads.signals <= READABLE
    assert about.family != About().family
    module = __import__(rule.__module__, fromlist=["x"])
    assert "ΔW" in module.__doc__


def test_names_are_unique() -> None:
    assert len({rule.name for rule in BUILT_IN}) == len(BUILT_IN)


def test_no_simulator_knows_a_rule() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in Path(plastic.models.__file__).parent.rglob("*.py"))
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


Circuit = dict[str, tuple[tuple[int, ...], float, bool]]
# by the sentence `defaults_source`, of a layer of 25 units with 4 classes under one of (8, 50), below a top of 9
CIRCUITS: dict[str, Circuit] = {
    "clapp": {"W_pred": ((25, 25), 0.1 / 5, True)},
    "clapp++": {"B": ((25, 25), 0.1 / 5, True)},
    "infonce": {"B": ((25, 25), 0.1 / 5, True)},
    "simsiam": {"P": ((25, 25), 1 / 5, True)},
    "fa": {"B": ((8, 50), 1 / 5, False)},
} | {name: {"B": ((25, 4), 1 / 2, False)} for name in ("dfa", "sdfa", "drtp", "eprop")}
CIRCUITS["hybrid"] = {"B_error": CIRCUITS["dfa"]["B"]}
OPTIONS = [
    (CLAPP(sides="both"), CIRCUITS["clapp"]),
    (CLAPP(symmetric=False), CIRCUITS["clapp"]),
    (CLAPP(sides="both", symmetric=False), CIRCUITS["clapp"] | {"W_retro": ((25, 25), 0.1 / 5, True)}),
    (CLAPPpp(feedback="dfb"), {"B_top": ((25, 9), 0.1 / 3, True)}),
    (CLAPPpp(feedback="both"), CIRCUITS["clapp++"] | {"B_top": ((25, 9), 0.1 / 3, True)}),
    (InfoNCE(negatives_from="memory"), CIRCUITS["infonce"]),
    (SimSiam(sides="current"), CIRCUITS["simsiam"]),
    (EProp(feedback="symmetric"), {}),
    (
        Hybrid(self="clapp", broadcast="scalar"),
        CIRCUITS["clapp"] | CIRCUITS["hybrid"] | {"a_error": ((1, 4), 1 / 2, False)},
    ),
    (EProp(feedback="learned"), {"B": ((25, 4), 1 / 2, True)}),
]


@pytest.mark.parametrize(
    ("rule", "expected"), [(rule(), CIRCUITS.get(rule.name, {})) for rule in BUILT_IN] + OPTIONS, ids=str
)
def test_a_circuit_begins_as_its_rule_says(
    rule: Rule, expected: dict[str, tuple[tuple[int, ...], float, bool]]
) -> None:
    circuit = rule.circuit(LayerShape(units=25, classes=4, above=(8, 50), top_units=9))
    assert circuit.keys() == expected.keys()
    for name, (shape, std, learns) in expected.items():
        assert (circuit[name].shape, circuit[name].plastic) == (shape, learns)
        assert circuit[name].std == pytest.approx(std, rel=1e-12)


EDGES = [
    (ForwardForward, "temperature", 0.001, 0.0),
    (InfoNCE, "temperature", 0.001, 0.0),
    (InfoNCE, "negatives", 1, 0),
    (SimCLR, "temperature", 0.025, 0.0249),
    (SimCLR, "slots", 1, 0),
    (EProp, "leak", 0.0, -0.001),
    (EProp, "leak", 0.999, 1.0),
    *((SpikingLPL, name, 0.001, 0.0) for name in ("rise", "fall", "tau_mean", "tau_variance", "xi")),
    (SpikingLPL, "delay", 1, 0),
]


@pytest.mark.parametrize(("rule", "option", "least", "refused"), EDGES)
def test_numbers_are_refused_from_their_edge_on(rule: type[Rule], option: str, least: float, refused: float) -> None:
    assert getattr(load_rule(rule.name, {option: str(least)}), option) == least
    with pytest.raises(PlasticError, match=f"rule '{rule.name}' takes"):
        load_rule(rule.name, {option: str(refused)})


@pytest.mark.parametrize("name", ["infonce", "simclr", "clapp++"])
def test_streams_and_memory_that_negatives_take(name: str) -> None:
    batch = load_rule(name)
    assert (batch.smallest_batch, batch.memory_slots) == (2, 0)
    alone = load_rule(name, dict(batch.reads.one_stream))
    assert alone.smallest_batch == 1
    assert alone.memory_slots == (0 if name == "clapp++" else 16)


DENDRITE, GATE = np.ones((1, 3, 5)), np.ones((1, 3, 1))
CURRENT = Modulator(GATE, DENDRITE)
RETURNED = [
    ({"m": 1}, "returned dict; return a plastic.ThirdFactor"),
    (
        ThirdFactor(Modulator(1.0, DENDRITE[..., :4])),
        r"dendrite of shape \(1, 3, 4\) as its current modulator.*5 units",
    ),
    (ThirdFactor(CURRENT, Modulator(1.0, GATE)), r"dendrite of shape \(1, 3, 1\) as its context modulator.* 5 units"),
    (ThirdFactor(Modulator(GATE[..., 0], DENDRITE)), r"returned a gate of shape \(1, 3\)"),
    (ThirdFactor(CURRENT, Modulator(GATE[0], DENDRITE)), r"returned a context gate of shape \(3, 1\)"),
    (
        ThirdFactor(CURRENT, learn={"B": Product(GATE[..., 0], DENDRITE, DENDRITE)}),
        r"returned a modulator of B of shape \(1, 3\)",
    ),
]


@pytest.mark.parametrize(("returned", "named"), RETURNED)
def test_what_a_third_factor_may_not_be(returned: object, named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CLAPP, "third_factor", lambda self, signals, weights: returned)
    signals = Signals(DENDRITE, DENDRITE, GATE)
    with pytest.raises(PlasticError, match=named):
        third_factor_of(CLAPP(), signals, {}, {})
    if isinstance(returned, ThirdFactor):  # where shapes are not known yet
        assert third_factor_of(CLAPP(), signals, {}, {}, shapes=False) == (returned, {})


def test_what_a_third_factor_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    learn = {"B": Product(1.0, DENDRITE, DENDRITE), "C": Product(GATE, DENDRITE, DENDRITE)}
    for one in (ThirdFactor(CURRENT), ThirdFactor(Modulator(np.float64(2), DENDRITE), CURRENT, learn)):
        monkeypatch.setattr(CLAPP, "third_factor", lambda self, signals, weights, one=one: one)
        found, kept = third_factor_of(CLAPP(), Signals(DENDRITE, DENDRITE, GATE), {}, {})
        assert found is one
        assert kept == {}

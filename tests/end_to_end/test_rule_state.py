"""What a rule keeps: the same lines on numpy and torch and in a circuit, against loops and the reference."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.errors import PlasticError
from plastic.hardware.chip.options import Hardware, circuit_of
from plastic.hardware.compiler.tracer import Graph
from plastic.hardware.compiler.tracer import given as chip_input
from plastic.hardware.program.arithmetic import ONE, FixedPoint, Floating
from plastic.hardware.program.circuit import Circuit, evaluate
from plastic.models.backends.reference.memory import recalled
from plastic.models.network.layer import tree
from plastic.models.studies.case import Case, case_task
from plastic.models.training.ensemble import Ensemble
from plastic.rules import LPL, BarlowTwins, InfoNCE, Moments, Rule, Signals, ThirdFactor, load_rule, rule_class
from plastic.rules.memory import Memory
from plastic.rules.returned import third_factor_of
from plastic.rules.rule import LayerShape, Modulator
from plastic.rules.statistics import Known, decay_per_stimulus

EXAMPLE = f"{Path(__file__).parents[2] / 'docs' / 'examples' / 'sliding_threshold.py'}:SlidingThreshold"


def numbers(known: Known) -> list[np.ndarray]:
    """All that is known, in a fixed order."""
    parts = [x for one in (known.activity, known.context) for x in (one.count, one.mean, one.variance, one.covariance)]
    return [np.asarray(x) for x in (*parts, known.cross_covariance, known.per_pair) if x is not None]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_moments_are_those_of_the_reference(data: st.DataObject) -> None:
    """Any streams, units, fixations and responses, of the batch or slow: numpy and torch against the plain loop."""
    streams, units, stimuli = (data.draw(st.integers(1, most)) for most in (4, 3, 8))
    decay = data.draw(st.sampled_from([None, 0.0, 0.5, 0.99, 1.0]))
    rule = data.draw(st.sampled_from([LPL(), BarlowTwins()]))
    number = st.floats(-4, 4, width=32)
    shape = LayerShape(units, 1, (1, units), streams=streams, statistics_decay=decay)
    assert rule.reads.averages is not None
    states = [
        {k: array(np.zeros(s)) for k, s in rule.reads.averages.state(shape).items()}
        for array in (np.asarray, torch.as_tensor)
    ]
    before, kept = np.zeros((streams, units)), dict[str, Any]()
    for n in range(stimuli):
        z = np.array(data.draw(st.lists(number, min_size=streams * units, max_size=streams * units)))
        z = z.reshape(streams, units)
        signs = st.lists(st.sampled_from([1.0, -1.0]), min_size=streams, max_size=streams)
        y = np.array(data.draw(signs))[:, None]
        expected = recalled(rule, "layer1", z, None if n == 0 else before, y, decay, kept)["statistics"]
        for index, array in enumerate((np.asarray, torch.as_tensor)):
            signals = Signals(array(z), array(before), array(y), begun=float(n > 0), statistics_decay=decay)
            known, after = rule.reads.averages.follow(signals, states[index])
            states[index] = {k: v for k, v in after.items() if k in states[index]}
            for one, other in zip(numbers(known), numbers(expected), strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-7)
        before = z


@pytest.mark.parametrize("time_constant", [5.0, 100.0, 1000.0])
@pytest.mark.parametrize("over", ["stimuli", "fixations"])
def test_a_circuit_follows_moments_as_numpy_does(over: Any, time_constant: float) -> None:
    """The same lines as a circuit, for 300 stimuli: in floating point to the last digits; in fixed point what is
    counted passes 2^7, whose square would saturate, and all is right to 1e-3."""
    asked, decay, units = Moments(True, True, over, pairs=True), decay_per_stimulus(time_constant), 3
    shape = LayerShape(units, 1, (1, units), statistics_decay=decay)
    names = {"z": (1, units), "c": (1, units), "y": (1, 1), "begun": (1, 1)}
    traced = [chip_input("input", name, size) for name, size in names.items()]
    kept = {k: chip_input("state", k, s) for k, s in asked.state(shape).items()}
    known, after = asked.follow(Signals(*traced[:3], begun=traced[3], statistics_decay=decay), kept)
    views = [x for one in (known.activity, known.context) for x in (one.count, one.mean, one.variance, one.covariance)]
    wanted: list[Any] = [*views, known.cross_covariance, known.per_pair]
    graph = Graph.of([*wanted, *after.values()])
    assert graph.why_not([graph.place[x] for x in wanted]) is None

    draw = np.random.default_rng(0)
    own = {k: np.zeros(s) for k, s in asked.state(shape).items()}
    states: list[dict[str, Any]] = [
        {k: np.zeros((1, *s), t) for k, s in asked.state(shape).items()} for t in (float, int)
    ]
    before, largest = np.zeros((1, units)), 0.0
    for n in range(300):
        z, y = draw.random((1, units)) * [0.2, 0.5, 1.0], np.where(draw.random((1, 1)) < 0.5, 1.0, -1.0)
        signals = Signals(z, before, y, begun=float(n > 0), statistics_decay=decay)
        expected, own = asked.follow(signals, own)
        given_ = {"z": z, "c": before, "y": y, "begun": np.full((1, 1), float(n > 0))}
        for k, (arithmetic, unit, error) in enumerate(((Floating, 1.0, 1e-9), (FixedPoint, ONE, 1e-3))):
            inputs = {name: np.rint(x[None] * unit).astype(int if k else float) for name, x in given_.items()}
            if not k:
                inputs = {name: x[None] for name, x in given_.items()}
            values = run(graph, arithmetic, inputs, states[k])
            states[k] = {name: values[graph.place[x]] for name, x in after.items()}
            found = [np.asarray(values[graph.place[x]])[0] / unit for x in wanted]
            for one, other in zip(found, numbers(expected), strict=True):
                np.testing.assert_allclose(one, other, rtol=error, atol=error / 30)
        before, largest = z, max(largest, float(expected.activity.count.item()))
    assert largest > {5.0: 7, 100.0: 90, 1000.0: 130}[time_constant]
    assert min(float(np.abs(x).max()) for x in numbers(expected)) > 1e-3


def run(graph: Graph, arithmetic: Any, inputs: dict[str, Any], state: dict[str, Any]) -> list[Any]:
    return evaluate(Circuit(tuple(graph.nodes), ()), arithmetic, inputs, state)


def small(rule: Rule, backend: str, streams: int = 1, dtype: str = "float64") -> Any:
    return replace(Case("clapp", streams=streams).settings(backend, dtype), rule=rule)


@pytest.mark.parametrize("streams", [1, 3])
def test_a_rule_of_ones_own_keeps_its_state_on_every_backend(streams: int) -> None:
    """The example of the docs: reference, snnTorch and a loop give the same threshold and weights; so does a chip in
    floating point."""
    rule = load_rule(EXAMPLE, {"time_constant": "4"})
    made = [Ensemble(small(rule, b, streams), [case_task(0)], [0], [0.5]) for b in ("reference", "snntorch")]
    first = {k: v.clone() for k, v in made[0].parameters.items()}
    for one in made:
        one.train(20)
    moved = 0.0
    for name, value in made[0].parameters.items():
        other = made[1].parameters[name]
        assert torch.allclose(value, other, rtol=1e-9, atol=1e-12)
        moved = max(moved, float((value - first[name]).abs().max()))
    assert moved > 1e-3
    for name in ("layer1.threshold", "layer2.threshold"):
        reference, own = (one.snapshot()[f"optimizer/{name}"].reshape(-1) for one in made)
        assert torch.allclose(reference, own, rtol=1e-9)
        assert own.max() > 0.01
    if streams == 1:
        given_ = replace(
            small(rule, "lava"), spiking=replace(small(rule, "lava").spiking, trace_timing="emitted"), shared=False
        )
        truth = Ensemble(replace(given_, backend="reference"), [case_task(0)], [0], [0.5])
        pytest.importorskip("lava")
        lava = Ensemble(replace(given_, options=Hardware(precision="float")), [case_task(0)], [0], [0.5])
        for one in (truth, lava):
            one.train(5)
        for name, value in truth.parameters.items():
            assert torch.allclose(value, lava.parameters[name], rtol=1e-6, atol=1e-9)


def test_what_a_rule_of_ones_own_keeps_is_part_of_the_checkpoint() -> None:
    settings_ = replace(small(load_rule(EXAMPLE, {}), "snntorch"), backend="rate", spiking=None)
    one, two, again, lost = (Ensemble(settings_, [case_task(0)], [0], [0.5]) for _ in range(4))
    one.train(12)
    two.train(6)
    saved = two.snapshot()
    again.restore(saved)
    lost.restore({k: v for k, v in saved.items() if "threshold" not in k})
    for ensemble in (again, lost):
        ensemble.train(6)
    assert all(torch.equal(again.parameters[k], v) for k, v in one.parameters.items())
    assert any(not torch.equal(lost.parameters[k], v) for k, v in one.parameters.items())


def test_a_circuit_has_the_state_of_a_rule_of_ones_own() -> None:
    compiled = circuit_of(load_rule(EXAMPLE, {}), tree(4, 8, 2, (6, 5), 8, shared=False), 0.1)
    assert {"layer1.threshold", "layer2.threshold"} == set(compiled.states)
    assert {kept.name for kept in compiled.circuit.kept} == set(compiled.states)


@dataclass(frozen=True)
class Keeps(Rule):
    """Returns what it is told to."""

    name = "keeps"
    returned: Any = None

    def state(self, layer: LayerShape) -> dict[str, tuple[int, ...]]:
        return {"seen": (1, layer.units)}

    def third_factor(self, signals: Signals, state: Any, weights: Any) -> Any:
        return self.returned


THIRD = ThirdFactor(Modulator(1.0, np.ones((2, 3))))


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (THIRD, r"returned ThirdFactor; as the rule declares a state, return \(ThirdFactor, state\)"),
        ((THIRD, np.ones(3)), "returned tuple; as the rule declares a state"),
        (({}, {}), "returned dict; return a plastic.ThirdFactor"),
        ((THIRD, {"seen": np.ones((2, 3))}), r"state 'seen' with shape \(2, 3\), where it declares \(1, 3\)"),
    ],
)
def test_what_a_rule_with_a_state_may_not_return(returned: Any, named: str) -> None:
    ones = np.ones((2, 3))
    signals = Signals(ones, ones, ones[:, :1])
    with pytest.raises(PlasticError, match=named):
        third_factor_of(Keeps(returned=returned), signals, {"seen": ones[:1]}, {})
    kept = {"seen": ones[:1] * 2}
    assert third_factor_of(Keeps(returned=(THIRD, kept)), signals, {"seen": ones[:1]}, {}) == (THIRD, kept)


OLD = """
from dataclasses import dataclass
from plastic.rules import LPL, Rule

@dataclass(frozen=True)
class Two(LPL):
    name = "two"
    def third_factor(self, signals, weights):
        return super().third_factor(signals, weights)

@dataclass(frozen=True)
class Reads(Rule):
    name = "reads"
    reads = frozenset({"statistics"})
"""


@pytest.mark.parametrize(
    ("name", "words"), [("Two", "keeps a state, so its third_factor takes"), ("Reads", "keeps itself")]
)
def test_rules_of_the_form_before_are_told_what_to_do(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(OLD)
    with pytest.raises(PlasticError, match=words) as told:
        rule_class(f"{tmp_path / 'old.py'}:{name}")
    assert "docs/adding-a-rule.md" in str(told.value)
    del sys.modules["plastic_user_rule_old"]


def test_a_memory_leaves_what_it_was_given() -> None:
    rule = InfoNCE(negatives=2, negatives_from="memory")
    state = {k: np.zeros(s) for k, s in rule.state(LayerShape(3, 1, (1, 3), streams=2)).items()}
    z = np.ones((2, 3))
    _, _, after = Memory(2).keys(Signals(z, z, np.array([[-1.0], [1.0]])), state)
    assert not any(value.any() for value in state.values())
    assert after["memory.filled"].tolist() == [[1, 0], [0, 0]]

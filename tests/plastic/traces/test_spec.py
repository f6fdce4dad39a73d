"""The record spec: what is written, what it selects, what it refuses."""

from __future__ import annotations

import re

import numpy as np
import pytest

from plastic.errors import PlasticError
from plastic.traces.plan import LayerSize, Plan, Schedule, count, make_plan
from plastic.traces.spec import Record, default_record

ISSUE = "weight,eligibility[layer=2,post=3,pre=0:16]; modulator,gate,dendrite@stimulus; membrane every 5"
LAYERS = [
    LayerSize(2, 8, 16, True, {"score": (4,), "W_pred": (16, 16)}, frozenset({"W_pred"})),
    LayerSize(1, 8, 16, False, {"score": (4,)}),
]


def planned(text: str, steps: int = 40) -> Plan:
    return make_plan(Record.parse(text), LAYERS, streams=4, steps=steps, time_steps=10)


@pytest.mark.parametrize(
    "text",
    [
        ISSUE,
        "none",
        "spike[stream=0:4,position=1|0] every 3 for 2 of 7",
        "own@stimulus every 2",
        "weight[stimulus=3:9]",
        "weight[position=~1,pre=~12|3]",
    ],
)
def test_a_spec_is_its_text(text: str) -> None:
    record = Record.parse(text)
    assert Record.parse(str(record)) == record
    assert str(record) == text


def test_what_the_example_of_the_documentation_selects() -> None:
    variables = planned(ISSUE).variables
    assert variables["layer2_eligibility"].indices == ((0,), (0,), (3,), tuple(range(16)))
    assert variables["layer2_eligibility"].axis.name == "time"
    assert variables["layer2_weight"].of == ("position", "post", "pre")  # its weights are local
    assert "layer1_weight" not in variables
    assert variables["layer1_membrane"].axis.name == "time_every_5"
    assert variables["layer1_membrane"].axis.samples(40) == 40 * 2
    assert variables["layer1_gate"].dims == ("stream",)
    assert variables["layer1_gate"].axis.name == "stimulus"


def test_spread_evenly() -> None:
    variables = planned(
        "weight[layer=1,post=~3,pre=~4|1]; eligibility[layer=2,pre=~99,post=~1]; spike[stream=~2]"
    ).variables
    assert variables["layer1_weight"].indices == ((1, 4, 6), (1, 2, 6, 10, 14))  # the middles of thirds and quarters
    assert variables["layer2_eligibility"].indices == ((0,), (0,), (4,), tuple(range(16)))
    assert variables["layer1_spike"].indices[0] == (1, 3)


def test_the_first_few_are_so_many_of_those_that_count_from_one_too() -> None:
    """Layers and stimuli begin at 1, neurons at 0; an end alone is how many, or all if there are fewer."""
    assert {v.layer for v in planned("spike[layer=:1]").variables.values()} == {1}
    assert {v.layer for v in planned("spike[layer=:2]").variables.values()} == {1, 2}
    assert {v.layer for v in planned("spike[layer=:9]").variables.values()} == {1, 2}
    for text, steps in (("gate[stimulus=:3]", [1, 2, 3]), ("gate[stimulus=1:3]", [1, 2]), ("gate[stimulus=:99]", None)):
        axis = planned(text).variables["layer1_gate"].axis
        assert [n for n in range(1, 41) if axis.due(n)] == (steps or list(range(1, 41)))
    assert planned("spike[post=:3]").variables["layer1_spike"].indices[2] == (0, 1, 2)
    assert planned("spike[stream=:9]").variables["layer1_spike"].indices[0] == (0, 1, 2, 3)


def test_shared_weights_have_no_position_and_own_signals_are_there() -> None:
    variables = planned("weight,own[post=:4,pre=:3]").variables
    assert variables["layer1_weight"].of == ("post", "pre")
    assert variables["layer1_W_pred"].shape == (4, 3)
    assert variables["layer1_score"].shape == (1,)
    assert variables["layer2_score"].own


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("membran", "unknown signal 'membran' in --record; layer 1 has: pre_spike, pre_trace, membrane"),
        ("membran", "score, W_pred"),
        ("W_pred[layer=2]", "unknown signal 'W_pred'"),
        ("weight[layer=3]", "layer 3 of the network; there are layer 1 to 2"),
        ("weight[layer=0]", "layer 0 of the network; there are layer 1 to 2"),
        ("weight[post=8]", "post 8 of layer 1; there are post 0 to 7"),
        ("weight[pre=0:17]", "pre 0:17 of layer 1; there are pre 0 to 15"),
        ("spike[stream=4]", "there are stream 0 to 3"),
        ("spike[position=1]", "position 1 of layer 2"),
        ("weight[stimulus=50]", "there are stimulus 1 to 40"),
        ("weight[stimulus=1|9]", "one range of stimulus per clause"),
        ("gate@step", "changes once per stimulus"),
        ("gate@second", "unknown clock '@second'"),
        ("weight every 0", "at least every 1"),
        ("weight for 5 of 4", "M of N"),
        ("weight[post=x]", "selects nothing"),
        ("weight[post=~0]", "selects nothing"),
        ("weight[stimulus=~2]", "one range of stimulus per clause"),
        ("weight[neuron=3]", "select by layer, position, post, pre, stream, stimulus"),
        ("weight[post=1,post=2]", "cannot read [post=1,post=2]"),
        ("weight sometimes", "cannot read 'sometimes'"),
        ("weight every 2 every 3", "cannot read 'every 3'"),
        ("[layer=1]", "names no signal"),
    ],
)
def test_what_cannot_be_is_refused_with_what_there_is(text: str, named: str) -> None:
    with pytest.raises(PlasticError, match=re.escape(named)):
        planned(text)


@pytest.mark.parametrize("clock", ["step", "stimulus"])
@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("bout", [None, (4, 11), (5, 5)])
def test_one_by_one_and_together_the_same_stimuli_are_due(clock: str, every: int, bout: tuple[int, int] | None) -> None:
    schedule = Schedule(clock, (7, 90), every, bout)  # type: ignore[arg-type]
    due = [schedule.due(k) for k in range(1, 101)]
    assert due == schedule.mask(np.arange(1, 101)).tolist()
    assert sum(due) == count([schedule], 100)
    assert sum(due[:50]) == count([schedule], 50)
    assert not any(due[:6])
    assert not any(due[90:])
    assert due[6]


def test_the_size_of_the_default_record_does_not_grow_with_the_run() -> None:
    sizes = []
    for steps in (2000, 1_000_000):
        plan = make_plan(default_record(steps, spiking=True), LAYERS, 4, steps, 20)
        sizes.append(sum(v.axis.samples(steps) * int(np.prod(v.shape)) for v in plan.variables.values()))
    assert sizes[0] == sizes[1] > 0
    bout, matrices = default_record(2000, spiking=True).clauses
    assert bout.bout is not None
    assert bout.bout[1] == matrices.every == 100  # 20 bouts, and the matrices when each begins


def test_two_records_of_a_signal_have_two_names() -> None:
    plan = planned("weight[layer=1,post=0] for 2 of 10; weight[layer=1] every 10")
    assert list(plan.variables) == ["layer1_weight", "layer1_weight_stimulus_every_10"]
    assert plan.variables["layer1_weight"].axis.name == "stimulus"
    assert plan.variables["layer1_weight"].dims != plan.variables["layer1_weight_stimulus_every_10"].dims

"""Samples arrive stimulus by stimulus, chunks are written when they are full: the store must not tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from plastic.traces import writer
from plastic.traces.plan import LayerSize, Plan, make_plan
from plastic.traces.spec import Record
from plastic.traces.store import STORE, open_dataset, written
from plastic.traces.writer import TraceWriter

STEPS, TIME_STEPS = 11, 5
RECORD = "membrane[post=0:3,stream=0|2] every 2; weight for 2 of 3"
Values = dict[str, np.ndarray]


def planned() -> Plan:
    layers = [LayerSize(1, 4, 3, False)]
    return make_plan(Record.parse(RECORD), layers, streams=4, steps=STEPS, time_steps=TIME_STEPS)


def samples(plan: Plan, stimulus: int) -> tuple[Values, np.ndarray, np.ndarray]:
    """Numbers that say when and of what they are."""
    values = {}
    for number, (name, variable) in enumerate(plan.variables.items()):
        if variable.axis.due(stimulus):
            shape = (variable.axis.steps, *variable.shape)
            values[name] = 1000 * stimulus + 100 * number + np.arange(np.prod(shape), dtype=float).reshape(shape)
    return values, np.array([1, -1]) * (-1) ** stimulus, np.array([stimulus % 3, stimulus % 2])


def put(traces: TraceWriter, plan: Plan, stimuli: range) -> None:
    for stimulus in stimuli:
        if plan.axes["stimulus"].due(stimulus):
            traces.put(stimulus, *samples(plan, stimulus))


@pytest.mark.parametrize("samples_in_a_chunk", [1, 2, 4, 7, 1000])
@pytest.mark.parametrize("killed_after", [None, 6])
def test_the_store_does_not_tell_how_long_its_chunks_are(
    killed_after: int | None, samples_in_a_chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "CHUNK_SAMPLES", samples_in_a_chunk)
    plan = planned()
    assert plan.axes["time"].steps == 3  # steps 0, 2 and 4: chunks of 2, 4 and 7 end within a stimulus
    traces = TraceWriter.create(tmp_path, plan, True, {})
    if killed_after is None:
        put(traces, plan, range(1, STEPS + 1))
    else:
        put(traces, plan, range(1, killed_after + 1))
        traces.flush()
        put(traces, plan, range(killed_after + 1, killed_after + 3))  # what of these is written, is written again
        traces = TraceWriter.resume(tmp_path, plan, True, killed_after)
        put(traces, plan, range(killed_after + 1, STEPS + 1))
    traces.flush()
    seen = open_dataset(tmp_path / STORE)
    membranes, weights, fixations, labels = [], [], [], []
    for stimulus in range(1, STEPS + 1):
        values, fixation, label = samples(plan, stimulus)
        membranes += [values["layer1_membrane"]]
        weights += [values["layer1_weight"]] if (stimulus - 1) % 3 < 2 else []
        fixations, labels = [*fixations, fixation], [*labels, label]
    np.testing.assert_array_equal(seen["layer1_membrane"].values, np.concatenate(membranes))
    np.testing.assert_array_equal(seen["layer1_weight"].values, np.concatenate(weights))
    np.testing.assert_array_equal(seen["fixation"].values, fixations)
    np.testing.assert_array_equal(seen["label"].values, labels)
    times = [(k - 1) * TIME_STEPS + t for k in range(1, STEPS + 1) for t in (0, 2, 4)]
    assert seen["time"].values.tolist() == times
    assert seen["time_stimulus"].values.tolist() == [1 + t // TIME_STEPS for t in times]
    assert seen["stimulus"].values.tolist() == list(range(1, STEPS + 1))


def test_full_chunks_are_on_the_disk_before_the_rest_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "CHUNK_SAMPLES", 4)
    plan = planned()
    traces = TraceWriter.create(tmp_path, plan, True, {})
    put(traces, plan, range(1, 7))  # 18 samples of membranes, 6 stimuli
    names = ["time_stimulus", "stimulus"]
    assert written(tmp_path / STORE, names) == {"time_stimulus": 16, "stimulus": 4}
    traces.flush()
    assert written(tmp_path / STORE, names) == {"time_stimulus": 18, "stimulus": 6}
    monkeypatch.setattr(writer, "PATIENCE", -1.0)  # as if it had been long since
    put(traces, plan, range(7, 8))
    assert written(tmp_path / STORE, names) == {"time_stimulus": 21, "stimulus": 7}


def test_a_chunk_has_so_many_bytes_of_all_signals_of_its_axis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned()
    each = 3 * 2 * 8 + 8 + 8  # membranes of a step, its time and its stimulus
    monkeypatch.setattr(writer, "CHUNK_BYTES", 5 * each + 1)
    traces = TraceWriter.create(tmp_path, plan, True, {})
    put(traces, plan, range(1, 3))
    assert traces.buffers["time"].chunk == 5
    assert traces.buffers["time"].length == 1  # six samples, of which a chunk is written

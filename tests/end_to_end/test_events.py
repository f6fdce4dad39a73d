"""Recordings of events as the input of every backend, from the user's files to the run folder."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from plastic import open_run
from plastic.cli import main
from plastic.config.file import read_config
from plastic.errors import PlasticError
from plastic.hardware.compiler.options import Chip
from plastic.hardware.compiler.quantiser import check_fits
from plastic.models.learning.learner import Watch
from plastic.models.neuron.constants import SpikingStep, Traces
from plastic.models.runs.build import make_task
from plastic.models.settings import Settings, SpikeInput, build_network
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli.coding import unpack
from plastic.stimuli.event_sets import event_task
from plastic.stimuli.stream import Stimulus, Stream

pytest.importorskip("tonic")


def write_digits(folder: Path, train: int, test: int, events: float = 9.0) -> None:
    """scikit-learn's digits in N-MNIST's format: a pixel as 4 × 4 pixels, its value as the number of its events."""
    draw = np.random.default_rng(0)
    images, labels = load_digits(return_X_y=True)
    for number in range(train + test):
        at = np.repeat(np.arange(64), draw.poisson(events * images[number] / 16))
        x, y = 1 + at % 8 * 4 + draw.integers(0, 4, len(at)), 1 + at // 8 * 4 + draw.integers(0, 4, len(at))
        on, time = draw.integers(0, 2, len(at)), np.sort(draw.integers(0, 315_000, len(at)))
        records = np.stack([x, y, on << 7 | time >> 16, time >> 8 & 255, time & 255], axis=1).astype(np.uint8)
        file = folder / ("Train" if number < train else "Test") / str(labels[number]) / f"{number:05}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(records.tobytes())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    write_digits(folder := tmp_path_factory.mktemp("nmnist"), 60, 20)
    return folder


class Seen:
    """An observer that keeps the spikes and labels of every stimulus, and how often gates are open."""

    def __init__(self) -> None:
        self.spikes: list[list[np.ndarray]] = []
        self.labels: list[int] = []
        self.gates: list[bool] = []
        self.traces: Traces = {}

    def begin(self, step: int) -> tuple[Watch, Traces]:
        del step
        self.traces = {}
        return lambda index, seen: self.gates.append(bool((torch.as_tensor(seen.third.current.gate) != 0).any())), (
            self.traces
        )

    def end(self, step: int, stimulus: Stimulus) -> None:
        del step
        parts = [torch.cat([part.spike for part in parts], dim=1) for _, parts in sorted(self.traces.items())]
        self.spikes.append([spike[0].numpy() > 0 for spike in parts])
        self.labels.append(int(stimulus.labels[0, 0]))


@pytest.mark.parametrize(("backend", "rule"), [("snntorch", "clapp"), ("brian2", "clapp"), ("snntorch", "dfa")])
def test_backends_get_the_same_spikes_and_learn_the_same(
    backend: str, rule: str, small: Path, numpy_code: None
) -> None:
    if backend == "brian2":
        pytest.importorskip("brian2")
    steps = 12
    task = event_task("nmnist", small, 40, 10, steps)
    settings = Settings(
        load_rule(rule), (12, 10), topology="dense", spiking=SpikingStep(), backend="reference",
        spike_input=SpikeInput(steps), batch=1, optimizer="sgd", dtype=torch.float64,
    )  # fmt: skip
    found = []
    for name in ("reference", backend):
        ensemble = Ensemble(replace(settings, backend=name), [task], [0], [0.1])
        before = {k: v.clone() for k, v in ensemble.parameters.items()}
        inputs = ensemble.encode(task.train.inputs[None, :7], "spikes", 0)
        assert np.array_equal(inputs[0].numpy(), unpack(task.train.inputs[:7], steps))
        ensemble.train(60, seen := Seen())
        found.append((seen, before, ensemble.parameters))
    (truth, first, weights), (other, _, others) = found
    assert truth.labels == other.labels
    for ours, theirs in zip(truth.spikes, other.spikes, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
    for layer in range(2):
        assert 0.01 < np.mean([one[layer] for one in truth.spikes]) < 0.6
    assert any(truth.gates)
    for key, value in weights.items():
        change = (value - first[key]).abs().max()
        assert change > 0.01 or not key.endswith(".weight")
        assert (value - others[key]).abs().max() <= 1e-6 * max(float(change), 1e-12)


def test_a_task_of_other_time_steps_is_refused(small: Path) -> None:
    settings = Settings(load_rule("clapp"), (8,), topology="dense", spiking=SpikingStep(), spike_input=SpikeInput(20))
    with pytest.raises(PlasticError, match="cut into 12 time steps and the settings have 20"):
        Ensemble(settings, [event_task("nmnist", small, 40, 10, 12)], [0], [0.1])


def test_a_chip_is_asked_for_the_spikes_that_come_together(small: Path) -> None:
    task = event_task("nmnist", small, 40, 10, 12)
    together = max(int(unpack(part.inputs, 12).sum(2).max()) for part in (task.train, task.test))
    assert task.most_spikes == together < 514 < task.positions
    settings = Settings(load_rule("clapp"), (8,), "dense", spiking=SpikingStep(trace_timing="emitted"))
    for most, fits in ((together, True), (514, True), (515, False)):
        network = build_network(replace(settings, spike_input=SpikeInput(12)), replace(task, most_spikes=most))
        with nullcontext() if fits else pytest.raises(PlasticError, match=r"up to 515 spikes .* raise --time-steps"):
            check_fits(network, settings.spiking, Chip())


def test_the_rate_network_gets_whitened_spikes_per_step(small: Path) -> None:
    task = event_task("nmnist", small, 40, 10, 30)
    ensemble = Ensemble(Settings(load_rule("clapp"), (8,), topology="dense", batch=4), [task], [0], [0.1])
    activity = unpack(task.train.inputs, 30).mean(0, dtype=np.float64)
    expected = (activity - activity.mean()) / activity.std()
    seen = ensemble.encode(task.train.inputs[None], "spikes", 0)[0].double().numpy()
    assert np.allclose(seen, expected, atol=1e-4)
    assert seen.std() == pytest.approx(1, abs=1e-4)


def test_clapp_learns_what_the_events_show(tmp_path: Path) -> None:
    write_digits(tmp_path, 600, 200)
    task = event_task("nmnist", tmp_path, 600, 200, 10)
    settings = Settings(
        load_rule("clapp"), (64, 64), topology="dense", spiking=SpikingStep(), spike_input=SpikeInput(10), batch=64,
        initial_rate=0.05,
    )  # fmt: skip
    ensemble = Ensemble(settings, [task], [0], [0.004])
    untrained = [row["class"] for row in ensemble.probe(levels={"class"})]
    ensemble.train(200)
    trained = [row["class"] for row in ensemble.probe(levels={"class"})]
    assert max(untrained) < 0.4
    assert all(after > before + 0.2 for before, after in zip(untrained, trained, strict=True))


def simulate(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["simulate", *arguments, "--out", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


TINY = [
    "--steps",
    "40",
    "--width",
    "16",
    "--train-size",
    "40",
    "--test-size",
    "20",
    "--probes",
    "1",
    "--probe",
    "ridge",
]


@pytest.mark.parametrize("backend", [pytest.param("snntorch", marks=pytest.mark.painted), "loihi", "rate"])
def test_a_run_from_files_shows_the_recorded_spikes(
    backend: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--rule", "clapp", "--backend", backend, "--data", "nmnist", "--data-path", str(small)]
    batch = [] if backend == "loihi" else ["--batch", "4"]
    record = ["--record", "pre_spike,weight[layer=1,post=0:3,pre=~40]"] if backend != "rate" else []
    result = simulate([*data, *batch, *TINY, *record, "--time-steps", "15"], tmp_path / "run", capsys)
    assert len(result["probe_accuracy"]) == 2
    painted = (tmp_path / "run" / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert painted == (backend == "snntorch")
    again = simulate(["--config", str(tmp_path / "run" / "config.toml")], tmp_path / "again", capsys)
    assert again["probe_accuracy"] == result["probe_accuracy"]
    if backend == "rate":
        return
    config = read_config(tmp_path / "run" / "config.toml")
    stream = Stream([make_task(config)], [0], config.training.batch or 0)
    seen = open_run(tmp_path / "run").traces["layer1_pre_spike"][:, 0, 0]
    emitted = np.stack([unpack(stream.next().inputs[0, 0], 15)[:, seen["pre1"].values] for _ in range(40)])
    arriving = np.pad(emitted, ((0, 0), (1, 0), (0, 0)))[:, :-1]  # each a step later, within its stimulus
    assert np.array_equal(seen.values, arriving.reshape(seen.shape))
    assert seen.values.sum() > 50


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--coding", "latency"], "--coding makes spikes of values, and nmnist is spikes already; leave it out."),
        (["--input-rate", "0.3"], "--input-rate makes spikes of values"),
        (["--pairing", "within"], "choose class"),
        (["--topology", "conv"], "dense for events"),
        (["--topology", "tree"], "take --topology dense."),
        (["--train-size", "61"], "nmnist has 60 recordings for --train-size"),
        (["--levels", "3"], "--levels is of --data rhm, and this is nmnist"),
        (["--data-path", ""], "add --data-path DIR"),
        (["--data-path", "nowhere"], "there is no folder 'nowhere'"),
        (["--data", "shd"], "there is no 'shd_train.h5'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_writes_nothing(
    arguments: list[str], named: str, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    data = ["--rule", "clapp", "--backend", "snntorch", "--data", "nmnist", "--data-path", str(small)]
    assert main(["simulate", *data, *TINY, "--batch", "4", *arguments, "--out", str(out)]) == 2
    said = capsys.readouterr().err.strip()
    assert named in " ".join(said.split())
    assert not out.exists()

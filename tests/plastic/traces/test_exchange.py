"""What is exported comes back: values, units, spikes, stimuli and settings, read with the formats' own readers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plastic
from plastic.cli import main
from plastic.traces import exchange
from plastic.traces.opened import Run

RECORD = (
    "pre_spike,pre_trace,membrane,spike,eligibility,gate,dendrite,modulator,weight,weight_change,own"
    "[position=0,post=:3,pre=:4,stream=0:2] for 5 of 20; weight[layer=1] every 20; membrane[layer=2,post=1] every 3"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("exchange") / "run"
    size = [
        "--levels",
        "2",
        "--width",
        "10",
        "--batch",
        "3",
        "--train-size",
        "64",
        "--test-size",
        "60",
        "--seed",
        "1",
        "--probe",
        "ridge",
    ]
    given = ["--backend", "snntorch", "--steps", "40", "--probes", "0", "--record", RECORD]
    assert main(["simulate", *given, *size, "--out", str(folder)]) == 0
    opened = plastic.open_run(folder)
    assert opened.signal("spike", 1).values.sum() > 5
    return opened


def flat(array: Any) -> np.ndarray:
    return array.values.reshape(len(array), -1)


def seconds(run: Run, name: str) -> np.ndarray:
    array = run.traces[name]
    axis = str(array.dims[0])
    values = array.coords[axis].values
    return ((values - 1) * 20 if axis.startswith("stimulus") else values) / 1e3


def test_nwb_validates_and_comes_back(run: Run, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb")
    out = tmp_path / "run.nwb"
    assert main(["export", str(run.path), str(out), "--to", "nwb"]) == 0
    found = pynwb.validate(path=str(out))
    assert (found[0] if isinstance(found, tuple) else found) == []
    with pynwb.NWBHDF5IO(str(out), "r") as io:
        file = io.read()
        traces = file.processing["traces"]
        assert {name for name in traces.data_interfaces if not name.endswith("_components")} == set(
            run.traces.data_vars
        )
        for name, array in run.traces.data_vars.items():
            series = traces[str(name)]
            np.testing.assert_array_equal(series.data[:], flat(array))
            assert series.data.dtype == array.dtype
            np.testing.assert_allclose(series.timestamps[:], seconds(run, str(name)))
            assert series.unit == array.attrs["units"]
            table = traces[f"{name}_components"]
            for axis, dim in zip(array.attrs["axes"], array.dims[1:], strict=True):
                assert sorted(set(table[axis][:])) == array.coords[dim].values.tolist()
        row = traces["layer2_eligibility_components"].to_dataframe().query("stream == 1 and post == 2 and pre == 3")
        assert len(row) == 1
        one = run.signal("eligibility", 2).sel(stream=1, position=0, post=2, pre=3)
        np.testing.assert_array_equal(traces["layer2_eligibility"].data[:, row.index[0]], one.values)
        trials = file.trials.to_dataframe()
        np.testing.assert_array_equal(trials["stimulus"], run.traces["stimulus"])
        np.testing.assert_array_equal(trials["fixation_stream1"], run.traces["fixation"].values[:, 1] > 0)
        np.testing.assert_array_equal(trials["label_stream0"], run.traces["label"].values[:, 0])
        np.testing.assert_allclose(trials["stop_time"] - trials["start_time"], 0.02)
        units = file.units.to_dataframe()
        spikes = run.signal("spike", 1)
        chosen = units[(units["signal"] == "layer1_spike") & (units["stream"] == 1) & (units["neuron"] == 2)]
        fired = spikes.sel(stream=1, position=0, post=2)
        np.testing.assert_allclose(chosen["spike_times"].iloc[0], fired["time"].values[fired.values > 0] / 1e3)
        assert len(units) == 2 * 2 * (3 + 4)  # layers × streams × (post + pre)
        notes = json.loads(file.notes)
        assert notes["rule"] == "clapp"
        assert notes["learning_rate"] == run.traces.attrs["learning_rate"]
        assert notes["config"] == (run.path / "config.toml").read_text()
        assert "illing2021local" in file.related_publications[0]


def test_neo_comes_back(run: Run, tmp_path: Path) -> None:
    neo = pytest.importorskip("neo")
    out = tmp_path / "run.mat"
    assert main(["export", str(run.path), str(out), "--to", "neo"]) == 0
    block = neo.io.NeoMatlabIO(filename=str(out)).read_block()
    assert block.annotations["rule"] == "clapp"
    segment = block.segments[0]
    signals = {signal.name: signal for signal in segment.irregularlysampledsignals}
    assert set(signals) == set(run.traces.data_vars)
    for name, array in run.traces.data_vars.items():
        signal = signals[str(name)]
        np.testing.assert_array_equal(np.asarray(signal).astype(array.dtype), flat(array))
        np.testing.assert_allclose(signal.times.rescale("s").magnitude, seconds(run, str(name)))
        assert signal.annotations["unit"].strip() == array.attrs["units"]
        assert len(json.loads(signal.annotations["components"])) == flat(array).shape[1]
    total = sum(int(run.signal(name, layer).values.sum()) for name in ("spike", "pre_spike") for layer in (1, 2))
    assert sum(len(train) for train in segment.spiketrains) == total > 20
    words = ["fixation" if y > 0 else "saccade" for y in run.traces["fixation"].values[:, 0]]
    assert [str(label).split()[0] for label in segment.epochs[0].labels] == words
    assert (
        segment.epochs[0].times.rescale("ms").magnitude.tolist() == ((run.traces["stimulus"] - 1) * 20).values.tolist()
    )


@pytest.mark.parametrize("block", [exchange.BLOCK, 30])  # a long recording is written in several
def test_csv_comes_back_to_the_last_bit(block: int, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BLOCK", block)
    out = tmp_path / "tables"
    assert main(["export", str(run.path), str(out), "--to", "csv"]) == 0
    assert main(["export", str(run.path), str(out), "--to", "csv"]) == 0  # an earlier export is replaced
    units = {row["file"]: row["units"] for row in csv.DictReader((out / "signals.csv").open())}
    for name, array in run.traces.data_vars.items():
        rows = list(csv.reader((out / f"{name}.csv").open()))
        values = np.array([[float(cell) for cell in row[2:]] for row in rows[1:]]).astype(array.dtype)
        np.testing.assert_array_equal(values, flat(array))
        assert units[f"{name}.csv"] == array.attrs["units"]
        np.testing.assert_allclose([float(row[0]) / 1e3 for row in rows[1:]], seconds(run, str(name)))
        number = [int(row[1]) for row in rows[1:]]
        if str(array.dims[0]).startswith("stimulus"):
            assert number == array.coords[array.dims[0]].values.tolist()
        else:  # 20 steps each
            assert number == [int(float(row[0])) // 20 + 1 for row in rows[1:]]
    header = next(csv.reader((out / "layer2_eligibility.csv").open()))
    assert header[:3] == ["time_ms", "stimulus", "stream0_position0_post0_pre0"]
    stimuli = list(csv.DictReader((out / "stimuli.csv").open()))
    assert [row["fixation_stream0"] == "True" for row in stimuli] == (run.traces["fixation"].values[:, 0] > 0).tolist()
    labels = [[int(row["label_stream0"]), int(row["label_stream1"])] for row in stimuli]
    assert labels == run.traces["label"].values.tolist()
    assert [(int(row["start_ms"]), int(row["stop_ms"])) for row in stimuli] == [
        (20 * n - 20, 20 * n) for n in run.traces["stimulus"].values.tolist()
    ]
    assert json.loads((out / "about.json").read_text())["rule"] == "clapp"


@pytest.mark.parametrize("kind", ["nwb", "neo", "csv"])
def test_rates_are_exported_too(kind: str, tmp_path: Path) -> None:
    folder, out = tmp_path / "rates", tmp_path / {"nwb": "x.nwb", "neo": "x.mat", "csv": "x"}[kind]
    given = ["--backend", "rate", "--levels", "2", "--width", "6", "--batch", "3", "--steps", "20", "--probes", "0"]
    assert main(["simulate", *given, "--train-size", "64", "--out", str(folder)]) == 0
    assert main(["export", str(folder), str(out), "--to", kind]) == 0
    assert out.exists()


def test_exports_are_refused_whole(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    for arguments, named in (
        ([str(tmp_path), str(tmp_path / "x.nwb"), "--to", "nwb"], "is no run folder"),
        ([str(run.path), str(tmp_path / "mine"), "--to", "csv"], "choose another OUT"),
        ([str(run.path), str(tmp_path / "x.nix"), "--to", "neo"], ".mat"),
        ([str(run.path), "/proc/none/x.nwb", "--to", "nwb"], "choose another OUT"),
        ([str(run.path), str(tmp_path / "x.h5"), "--to", "nwb"], "end OUT in .nwb"),
        ([str(run.path), str(tmp_path / "x.nwb"), "--to", "nwb", "--dt", "0.1"], "--dt is of --to nir"),
        (
            [str(run.path), str(tmp_path / "x.nir"), "--to", "nir", "--weight-bits", "4"],
            "--weight-bits is of --to lava",
        ),
    ):
        assert main(["export", *arguments]) == 2
        errors = capsys.readouterr().err
        assert named in errors
        assert errors.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"mine"}
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"

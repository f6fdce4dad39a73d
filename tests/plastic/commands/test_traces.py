"""plastic traces and plastic compare: figures, tables, differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray

import plastic
from plastic.cli import main
from plastic.traces import compare
from plastic.traces.compare import _difference
from plastic.traces.opened import Run

SIZE = [
    "--levels",
    "2",
    "--width",
    "8",
    "--batch",
    "3",
    "--train-size",
    "64",
    "--test-size",
    "60",
    "--probes",
    "0",
    "--probe",
    "ridge",
]
RECORD = "pre_spike,pre_trace,membrane,post_factor,spike,eligibility,gate,dendrite,modulator,weight,own"


def make(folder: Path, *options: str) -> Run:
    given = ["simulate", "--rule", "clapp", "--backend", "snntorch", "--steps", "40", *SIZE, "--out", str(folder)]
    assert main([*given, "--record", RECORD, *options]) == 0
    return plastic.open_run(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    home = tmp_path_factory.mktemp("compare")
    return make(home / "a"), make(home / "b", "--learning-rate", "0.02")


def test_the_figure_of_a_synapse_in_three_formats(runs: tuple[Run, Run], tmp_path: Path) -> None:
    heads = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for kind, head in heads.items():
        out = tmp_path / f"figure.{kind}"
        given = ["--synapse", "2:3,5", "--window", "21:24", "--out", str(out)]
        assert main(["traces", str(runs[0].path), *given]) == 0
        assert out.read_bytes().startswith(head)
    text = (tmp_path / "figure.svg").read_text()
    for word in ("layer 2, synapse 5 → 3", "thresholds", "eligibility", "score", "time (ms)"):
        assert word in text


def test_the_table_has_the_values_of_the_store(runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str]) -> None:
    run = runs[0]
    assert main(["traces", str(run.path), "--synapse", "1:2,4", "--window", "7:9", "--print", "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out.splitlines()[-1])
    assert len(captured.err.splitlines()) > 60  # the tables go to stderr beside --json
    assert [one["stimulus"] for one in found["stimuli"]] == [7, 8, 9]
    signals = found["signals"]
    eligibility = run.signal("eligibility", 1).sel(stream=0, position=0, post=2, pre=4, time=slice(120, 179))
    assert signals["eligibility"]["time"] == list(range(120, 180))
    np.testing.assert_array_equal(np.float32(signals["eligibility"]["value"]), eligibility.values)
    weight = run.signal("weight", 1).sel(post=2, pre=4, stimulus=slice(7, 9))
    np.testing.assert_array_equal(np.float32(signals["weight"]["value"]), weight.values)
    assert signals["weight"]["unit"] == "thresholds"


def test_runs_are_compared(runs: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = runs
    out = tmp_path / "compare.png"
    assert main(["compare", str(a.path), str(b.path), "--out", str(out), "--json"]) == 0
    found = {one["signal"]: one for one in json.loads(capsys.readouterr().out.splitlines()[-1])["signals"]}
    assert out.read_bytes().startswith(b"\x89PNG")
    for name in ("layer1_weight", "layer2_membrane", "layer2_score"):
        apart = np.abs(a.traces[name].values.astype(float) - b.traces[name].values)
        assert found[name]["largest_difference"] == pytest.approx(apart.max())
        where = np.flatnonzero(apart.reshape(len(apart), -1).any(1))[0]
        axis = "stimulus" if name != "layer2_membrane" else "time_stimulus"
        assert found[name]["first_stimulus_that_differs"] == int(a.traces[axis].values[where])
    assert found["layer1_pre_spike"]["first_stimulus_that_differs"] is None  # the same input spikes
    assert found["layer1_weight"]["largest_difference"] > 0.01
    assert main(["compare", str(a.path), str(a.path), "--out", str(out), "--json"]) == 0
    same = json.loads(capsys.readouterr().out.splitlines()[-1])["signals"]
    assert {one["largest_difference"] for one in same} == {0.0}


def test_what_is_no_number_in_both_runs_is_the_same_and_in_one_a_difference() -> None:
    """A rule without a loss records nan for it."""

    def run(*values: float) -> xarray.DataArray:
        time = {"stimulus": [1, 2, 3]}
        return xarray.DataArray(np.array(values), time, ("stimulus",), attrs={"units": "a.u."})

    whole = [np.arange(3)]
    a = run(np.nan, 3.0, np.inf)
    same = _difference(a, run(np.nan, 3.0, np.inf), whole, whole)
    assert (same["largest_difference"], same["first_stimulus_that_differs"]) == (0.0, None)
    other = _difference(a, run(np.nan, np.nan, np.inf), whole, whole)
    assert not other["largest_difference"] <= 1e9
    assert other["first_stimulus_that_differs"] == 2
    assert _difference(run(1, 2, 3), run(1, 2, 5), whole, whole)["largest_difference"] == 2


def test_long_runs_are_compared_in_blocks_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """At common times and neurons alone; the block of two samples that differs most is neither the first nor last."""
    one, other = np.zeros((2, 9, 5))
    one[3:, 1:] = 2.0
    other[3:, 1:] = 2.0
    other[4, 2], one[6, 3], other[7, 1] = 1.5, 9.0, -1.0
    one[0], other[:, 0] = 50.0, 70.0  # not common

    def run(values: np.ndarray) -> xarray.DataArray:
        steps = {"time": np.arange(9) + 100, "time_stimulus": ("time", np.arange(9) + 1)}
        return xarray.DataArray(values, steps, ("time", "post"), attrs={"units": "a.u."})

    at = [np.arange(1, 9), np.arange(1, 5)]
    for block in (8, 12, 2_000_000):
        monkeypatch.setattr(compare, "BLOCK", block)
        assert _difference(run(one), run(other), at, at) == {
            "samples": 8, "unit": "a.u.", "largest_value": 9.0, "largest_difference": 7.0,
            "first_stimulus_that_differs": 5,
        }  # fmt: skip


def test_runs_with_other_records_and_weights_are_compared_in_what_they_share(
    runs: tuple[Run, Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shared weights with those of a position, whatever dimensions are called, at the stimuli that both have; what is
    left out is said."""
    a, out = runs[0], tmp_path / "compare.png"
    record = "weight[layer=1,position=0,post=2:4,stimulus=1:8]; weight[layer=2,stimulus=1:8]; "
    record += "gate,dendrite[stimulus=1:8]; membrane[stimulus=1:8] every 5"
    local = make(tmp_path / "local", "--weights", "local", "--record", record)
    capsys.readouterr()
    assert main(["compare", str(a.path), str(local.path), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    found = {one["signal"]: one for one in told["signals"]}
    here, there = a.traces.layer1_weight.values[:7, 2:4], local.traces.layer1_weight.values[:, 0]
    assert found["layer1_weight"]["largest_difference"] == pytest.approx(np.abs(here - there).max())
    assert found["layer1_weight"]["largest_difference"] > 0.01
    here, there = a.signal("dendrite", 1).values[:7], local.signal("dendrite", 1).values
    assert found["layer1_dendrite"]["largest_difference"] == pytest.approx(np.abs(here - there).max())
    here, there = a.signal("membrane", 2).values[:140:5], local.signal("membrane", 2).values
    assert found["layer2_membrane"]["largest_difference"] == pytest.approx(np.abs(here - there).max())
    assert {"layer1_score", "layer2_eligibility"} <= set(told["left_out"])
    assert not set(found) & set(told["left_out"])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["inspect", "A", "--out", "page.pdf"], "--out ends in .html"),
        (["inspect", "A", "--serve", "--port", "99999"], "choose another --port"),
        (["simulate", "--record", " ; "], "names no signal"),
        (["traces", "A", "--synapse", "2-3-5"], "--synapse is '2-3-5'"),
        (["traces", "A", "--synapse", "2:99,1"], "has not recorded layer 2, synapse 1 → 99"),
        (["traces", "A", "--synapse", "9:0,0"], "has not recorded layer 9"),
        (["traces", "A", "--window", "90:95"], "has not recorded"),
        (["traces", "A", "--out", "x.gif"], ".png, .pdf or .svg"),
        (["traces", "A", "--out", "/proc/none/x.png"], "choose another --out"),
        (["traces", "A", "--stream", "1"], "add --synapse"),
        (["compare", "A", "A", "--position", "1"], "add --synapse"),
        (["traces", "nowhere"], "is no run folder"),
        (["compare", "A", "nowhere"], "is no run folder"),
        (["compare", "A", "EMPTY"], "no readable traces"),
        (["compare", "A", "SHORT"], "a stimulus is 20 time steps in"),
    ],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], named: str, runs: tuple[Run, Run], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "config.toml").write_text((runs[0].path / "config.toml").read_text())
    folders = {"A": runs[0].path, "EMPTY": empty, "SHORT": tmp_path / "short"}
    if "SHORT" in arguments:
        make(folders["SHORT"], "--time-steps", "10")
        capsys.readouterr()
    given = [str(folders.get(part, part)) for part in arguments]
    assert main(given) == 2
    errors = capsys.readouterr().err
    assert named in errors
    assert errors.count("\n") == 1

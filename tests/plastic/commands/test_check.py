"""`plastic check` and the spiking backends of `plastic simulate`, as a user calls them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import plastic
from plastic.cli import main
from plastic.experiments.conformance.cells import OWN_RULE

pytestmark = pytest.mark.usefixtures("numpy_code")

SMALL = ["--levels", "2", "--symbols", "4", "--classes", "4", "--synonyms", "2", "--width", "8", "--steps", "12"]


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    record: dict[str, object] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return record


@pytest.mark.painted
@pytest.mark.parametrize("rule", ["dfa", OWN_RULE])
def test_check(rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "check.png"
    assert main(["check", "--rule", rule, "--stimuli", "30", "--out", str(picture), "--json"]) == 0
    comparisons = last_json(capsys)["comparisons"]
    assert isinstance(comparisons, list)
    assert all(one["agrees"] for one in comparisons)
    assert {one["dtype"] for one in comparisons} == {"float32", "float64"}
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "--rule", "nope"], "unknown rule 'nope'"),
        (["check", "--rule", "clapp", "--rule-options", "nope=1"], "has no option 'nope'"),
        (["check", "--rule", "clapp", "--stimuli", "0"], "--stimuli is 0"),
        (["check", "--rule", "clapp", "--topology", "ring"], "unknown topology 'ring'"),
        (["check", "--rule", "none", "--stimuli", "2", "--out", "/proc/none/x.png"], "(there is no such folder)"),
        (["check", "--rule", "none", "--stimuli", "2", "--out", "x.docx"], "--out ends in .png, .pdf or .svg"),
        (["simulate", "--backend", "brian2", "--batch", "3"], "runs one stream, not 3"),
        (["simulate", "--backend", "brian2", "--dtype", "float32"], "computes in float64"),
        (["simulate", "--backend", "reference", "--device", "cuda"], "runs on the CPU"),
        (["simulate", "--backend", "snntorch", "--show-equations"], "add --backend brian2"),
        (["simulate", "--surrogate", "nope"], "unknown surrogate 'nope'"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert len(error.strip().splitlines()) == 1


def test_missing_brian2_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "brian2", None)
    out = tmp_path / "run"
    assert main(["simulate", "--backend", "brian2", *SMALL, "--out", str(out)]) == 2
    assert 'pip install "brian2>=2.9,<3"' in capsys.readouterr().err
    assert not out.exists()


def test_show_equations(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    timing = ["--trace-timing", "emitted", "--learning-period", "2", "--surrogate", "triangular"]
    assert main(["simulate", "--rule", "clapp", "--backend", "brian2", *SMALL, "--show-equations", *timing]) == 0
    shown = capsys.readouterr().out
    for part in (
        "du/dt = -u / tau_m : 1",
        "u > theta",
        "% 2 == 0",
        "psi_post * pre_trace",
        "clip(",
        "after_thresholds",
    ):
        assert part in shown
    assert not list(tmp_path.iterdir())


def test_runs_of_all_spiking_backends_are_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("brian2")
    results, weights, traces = [], [], []
    for backend in ("reference", "snntorch", "brian2"):
        out = tmp_path / backend
        given = [
            *SMALL,
            "--batch",
            "1",
            "--optimizer",
            "sgd",
            "--learning-rate",
            "0.1",
            "--probes",
            "2",
            "--out",
            str(out),
            "--json",
        ]
        double = ["--dtype", "float64"] if backend == "snntorch" else []
        assert main(["simulate", "--rule", "clapp", "--backend", backend, *given, *double, "--device", "cpu"]) == 0
        results.append(last_json(capsys)["probe_accuracy"])
        weights.append(load_file(out / "weights.safetensors"))
        traces.append({name: array.values for name, array in plastic.open_run(out).traces.data_vars.items()})
        assert (out / "picture.png").exists()
    assert results[0] == results[1] == results[2]
    for found in (weights, traces):
        for other in found[1:]:
            assert found[0].keys() == other.keys()
            for name, value in found[0].items():
                assert other[name] == pytest.approx(value, rel=1e-9, abs=1e-12)

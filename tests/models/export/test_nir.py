"""Runs exported to NIR, read back with plain nir and simulated by readers that are not plastic's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from plastic.cli import main
from plastic.models.backends.reference.step import LayerStep, respond
from plastic.models.network.layer import Layer
from plastic.models.runs.finished import FinishedRun, open_finished

nir = pytest.importorskip("nir")
Spikes = NDArray[np.float64]
TINY = [
    "--steps",
    "30",
    "--batch",
    "4",
    "--width",
    "12",
    "--probes",
    "0",
    "--probe",
    "ridge",
    "--train-size",
    "64",
    "--test-size",
    "60",
]
NETWORKS = {
    "clapp, tree, shared": ["--rule", "clapp"],
    "dfa, tree, local": ["--rule", "dfa", "--weights", "local"],
    "dfa, current-based synapses": ["--rule", "dfa", "--neuron", "cuba", "--weights", "local"],
    "lpl, dense, no leak": ["--rule", "lpl", "--topology", "dense", "--membrane-decay", "1", "--threshold", "2"],
}


def trained(folder: Path, *options: str, backend: str = "snntorch") -> Path:
    """A small run that has ended."""
    size = [*TINY, "--backend", backend] + ([] if backend == "rate" else ["--dtype", "float64"])
    assert main(["simulate", *size, *options, "--learning-rate", "0.05", "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture(scope="module", params=NETWORKS, ids=list(NETWORKS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
        return trained(tmp_path_factory.mktemp("nir"), *NETWORKS[request.param])


def in_plastic(finished: FinishedRun) -> tuple[Spikes, list[Spikes]]:
    """Input spikes of a few test stimuli (time, batch, inputs), and the reference's spikes of each layer."""
    examples = finished.ensemble.presentation.tasks[0].test.inputs[:8]
    spikes = finished.ensemble.presentation.encode(examples[None], "probe-test", 0)[0].double().numpy()
    trace: list[list[LayerStep]] = []
    settings = finished.ensemble.settings
    respond(finished.ensemble.network, settings.rule, finished.step, finished.final, spikes, trace)
    layers = range(len(finished.ensemble.network.layers))
    return spikes, [np.stack([step[k].spike.reshape(8, -1) for step in trace]) for k in layers]


def in_order(graph: Any) -> list[Any]:
    """The nodes of a chain from Input to Output, by its edges."""
    following, name, nodes = dict(graph.edges), "input", []
    assert len(following) == len(graph.edges)
    while name in following:
        name = following[name]
        nodes.append(graph.nodes[name])
    return nodes


def euler(graph: Any, spikes: Spikes, dt: float) -> list[Spikes]:
    """NIR's documented equations, forward Euler at dt: the spikes of every population."""
    found: list[Spikes] = []
    signal = spikes
    for node in in_order(graph):
        if isinstance(node, nir.Linear):
            signal = signal @ node.weight.T
        elif isinstance(node, nir.LIF | nir.IF | nir.CubaLIF):
            v, fired = np.zeros(signal.shape[1:]), []
            i, tau = (
                np.zeros(signal.shape[1:]),
                node.tau_mem if isinstance(node, nir.CubaLIF) else getattr(node, "tau", None),
            )
            for current in signal:
                if isinstance(node, nir.CubaLIF):  # τ_s i' = −i + w_in S, then τ v' = (v_leak − v) + R i
                    current = i = i + dt / node.tau_syn * (node.w_in * current - i)
                if not isinstance(node, nir.IF):  # τ v' = (v_leak − v) + R I
                    v = v + dt / tau * ((node.v_leak - v) + node.r * current)
                else:  # v' = R I
                    v = v + dt * node.r * current
                z = v > node.v_threshold
                v = np.where(z, node.v_reset, v)
                fired.append(z.astype(float))
            signal = np.stack(fired)
            found.append(signal)
    return found


def agree(plastic: list[Spikes], reader: list[Spikes]) -> None:
    """Equal spikes, but for the delay of one step per projection; neither silent nor saturated."""
    assert len(plastic) == len(reader) == 2
    for number, (ours, theirs) in enumerate(zip(plastic, reader, strict=True), 1):
        assert 0.01 < ours.mean() < 0.8
        np.testing.assert_array_equal(ours[number:], theirs[:-number])


def test_a_reader_of_the_documented_equations_gives_the_spikes(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.nir"
    assert main(["export", str(run), "--to", "nir", str(out)]) == 0
    finished = open_finished(run)
    spikes, ours = in_plastic(finished)
    agree(ours, euler(nir.read(out), spikes, 1e-3))
    moved = [np.abs(finished.final[k] - finished.initial[k]).max() for k in ("layer1.weight", "layer2.weight")]
    assert min(moved) > 1e-3  # so these are the trained weights
    assert [p.name for p in tmp_path.iterdir()] == ["x.nir"]


def test_the_reader_of_snntorch_gives_the_spikes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes every step to be 0.1 ms."""
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    run, out = trained(tmp_path, "--rule", "clapp"), tmp_path / "x.nir"
    assert main(["export", str(run), "--to", "nir", str(out), "--dt", "0.0001"]) == 0
    from snntorch.import_nir import import_from_nir

    network = import_from_nir(nir.read(out))
    spikes, ours = in_plastic(open_finished(run))
    seen: list[Spikes] = []
    state = None
    with torch.no_grad():
        for step in torch.as_tensor(spikes, dtype=torch.float32):
            output, state = network(step, state)
            seen.append(output.numpy())
    theirs = np.stack(seen)
    assert 0.01 < ours[1].mean() < 0.8
    np.testing.assert_array_equal(ours[1][2:], theirs[:-2])


def test_the_rule_travels_as_metadata(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.nir"
    assert main(["export", str(run), "--to", "nir", str(out)]) == 0
    finished, graph = open_finished(run), nir.read(out)
    told = json.loads(graph.metadata["plastic"])
    rule = finished.ensemble.settings.rule
    assert told["rule"]["name"] == rule.name
    assert told["rule"]["equation"] == rule.about.equation
    assert told["rule"]["options"]["mask"] == "sample"
    assert told["learning_rate"] == 0.05
    assert told["step"]["membrane_decay"] == finished.step.membrane_decay
    assert told["step"]["trace_decay"] == finished.step.trace_decay
    assert [Layer(**layer) for layer in told["layers"]] == list(finished.ensemble.network.layers)
    circuits = {k: v for k, v in graph.metadata.items() if k != "plastic"}
    assert set(circuits) == set(finished.final) - {"layer1.weight", "layer2.weight"}
    for name, value in circuits.items():
        np.testing.assert_array_equal(value, finished.final[name])


def unfinished(run: Path) -> None:
    (run / "result.json").unlink()


def foreign(run: Path) -> None:
    (run / "config.toml").unlink()


def truncated(run: Path) -> None:
    weights = run / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])


def of_another(run: Path) -> None:
    config = run / "config.toml"
    config.write_text(config.read_text().replace("width = 12", "width = 13"))


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (unfinished, "has not ended"),
        (foreign, "not a run folder"),
        (truncated, "cannot be read"),
        (of_another, "do not fit"),
    ],
)  # fmt: skip
def test_a_run_that_cannot_be_exported_is_refused(
    harm: Callable[[Path], None], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    run = trained(tmp_path)
    harm(run)
    capsys.readouterr()
    assert main(["export", str(run), "--to", "nir", str(tmp_path / "x.nir")]) == 2
    told = capsys.readouterr().err
    assert named in told
    assert len(told.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--to", "nri", "x.nir"], "--to is one of"),
        (["x.nir"], "--to is one of"),
        (["--to", "nir", "x.nir", "--dt", "0"], "--dt is 0"),
        (["--to", "nir", "missing/x.nir"], "cannot write"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(
    arguments: list[str], named: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(run), *arguments]) == 2
    assert named in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_rate_network_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    run = trained(tmp_path, "--levels", "2", backend="rate")
    assert main(["export", str(run), "--to", "nir", str(tmp_path / "x.nir")]) == 2
    assert "no spikes" in capsys.readouterr().err
    assert not (tmp_path / "x.nir").exists()


def test_a_neuron_that_nir_has_not_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    run = trained(tmp_path, "--neuron", "alif", "--weights", "local")
    capsys.readouterr()
    for to, named in (
        ("nir", "for which NIR has no node"),
        ("lava", "has the neuron lif with its default options only"),
    ):
        assert main(["export", str(run), "--to", to, str(tmp_path / "x")]) == 2
        said = capsys.readouterr().err
        assert named in said
        assert "ALIF(" in said
        assert len(said.strip().splitlines()) == 1
        assert not (tmp_path / "x").exists()

"""A network of one's own: run, repeated without its file, gone on with, exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import plastic
from plastic import Dense, Input, Layer, Network, Patches, Readout, Sparse
from plastic.cli import main
from plastic.models.export.nir import to_graph
from plastic.models.runs.finished import open_finished
from tests.models.export.test_nir import euler, in_plastic

NET = """
import plastic
NET = plastic.Network(
    plastic.Input(16),
    plastic.Layer(8, plastic.Patches(2), rule=plastic.rules.CLAPP(margin=0.5), learning_rate=0.1),
    plastic.Layer(7, plastic.Sparse(0.6, sign=0.75, scale=2.0), rule=None),
    plastic.Layer(6, plastic.Dense(bounds=(-1, 1))),
)
"""
TASK = [
    "--levels",
    "2",
    "--symbols",
    "4",
    "--classes",
    "4",
    "--synonyms",
    "2",
    "--train-size",
    "24",
    "--test-size",
    "8",
]
RUN = ["simulate", *TASK, "--steps", "12", "--batch", "4", "--probes", "0", "--probe", "ridge", "--record", "none"]


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)


@pytest.mark.parametrize("backend", ["rate", "snntorch"])
def test_a_run_repeats_from_its_folder_without_the_file(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET, encoding="utf-8")
    given = [*RUN, "--network", "net.py:NET", "--rule", "dfa", "--backend", backend]
    assert main([*given, "--out", "first", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["rule"] == "clapp + none + dfa"
    assert result["readout_accuracy"] is not None
    Path("net.py").unlink()
    assert main(["simulate", "--config", "first/config.toml", "--out", "second"]) == 0
    first, second = (load_file(f"{name}/weights.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert Path("first/config.toml").read_text() == Path("second/config.toml").read_text()
    untrained = plastic.Simulation.of(plastic.open_run("first").config).weights
    assert {name for name in first if not np.array_equal(first[name], untrained[name])} == (
        set(first) - {"layer2.weight", "layer3.B"}
    )


def network() -> Network:
    first = Layer(8, Patches(2, shared=False), rule="clapp")
    return Network(Input(16), first, Layer(9, Sparse(0.5, sign=0.5, scale=2.0), rule="lpl"), Readout(4))


def simulation(**more: object) -> plastic.Simulation:
    task = plastic.stimuli.rhm(levels=2, symbols=4, classes=4, synonyms=2, train=24, test=8, seed=1)
    given = {"backend": "snntorch", "batch": 4, "learning_rate": 0.05, "dtype": "float64", "probe": "ridge"} | more
    return plastic.Simulation(network(), task, seed=1, **given)  # type: ignore[arg-type]


def test_it_goes_on_as_if_it_had_not_stopped_and_keeps_its_zeros(tmp_path: Path) -> None:
    sim = simulation()
    sim.train(6, progress=False)
    again = plastic.load(sim.save(tmp_path / "run"))
    for one in (sim, again):
        one.train(6, progress=False)
    for name in sim.weights:
        np.testing.assert_array_equal(sim.weights[name], again.weights[name])
    start = simulation().weights["layer2"]
    assert (sim.weights["layer2"][start == 0] == 0).all()
    assert (sim.weights["layer2"] != start).any()
    assert again.config.network.layout == network()


def test_nir_has_the_sparse_projection_with_its_zeros_and_every_layers_rule(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    sim = simulation()
    sim.train(10, progress=False)
    finished = open_finished(sim.save(tmp_path / "run"))
    nir.write(tmp_path / "x.nir", to_graph(nir, finished, 1e-3))
    graph = nir.read(tmp_path / "x.nir")
    spikes, ours = in_plastic(finished)
    for number, (mine, theirs) in enumerate(zip(ours, euler(graph, spikes, 1e-3), strict=True), 1):
        assert 0.01 < mine.mean() < 0.8
        np.testing.assert_array_equal(mine[number:], theirs[:-number])
    assert 0.3 < (graph.nodes["layer2_weight"].weight == 0).mean() < 0.8
    told = json.loads(graph.metadata["plastic"])
    assert [rule["name"] for rule in told["rules"]] == ["clapp", "lpl"]
    assert told["limits"] == [{}, {"signs": [1, 1, 1, 1, -1, -1, -1, -1] * 2}]


@pytest.mark.parametrize("form", ["brian2", "lava"])
def test_exports_that_cannot_say_it_refuse(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sim = simulation(batch=1)
    sim.train(2, progress=False)
    sim.save(tmp_path / "run")
    assert main(["export", str(tmp_path / "run"), "--to", form, str(tmp_path / "out.py")]) == 2
    told = capsys.readouterr().err
    assert "layer 1 of the run" in told
    assert "export it --to nir" in told
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--network", "net.py:NET", "--width", "9"], "--network says what layers there are"),
        (["--network", "net.py:NOT"], "has no network 'NOT'; it has: NET."),
        (["--network", "typo.toml"], "unknown key 'neuron_count' in layer 1"),
        (["--network", "net.py:NET", "--symbols", "3"], "make it Input(12)"),
        (["--network", "net.py:NET", "--backend", "loihi", "--batch", "1"], "layer 1 has a rule of its own, and loihi"),
        (["--network", "sparse.toml", "--backend", "loihi", "--batch", "1"], "layer 1 is sparse, signed or bounded"),
        (["--network", "rate.toml", "--backend", "loihi", "--batch", "1"], "layer 1 has a learning rate of its own"),
        (["--network", "map.toml", "--backend", "snntorch"], "the network has a convolution"),
        (["--network", "chain.toml", "--backend", "rate"], "which reads what the layer above sends down"),
        (["--network", "ff.toml", "--rule", "dfa", "--backend", "rate"], "--rule is of layers that have none"),
        (["--network", "ff.toml", "--backend", "snntorch"], "rule 'ff' needs inputs that spikes are not"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_sentence(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    head, layer = "[input]\nunits = 16\n[[layers]]\n", "neurons = 3\n"
    files = {
        "net.py": NET, "typo.toml": f"{head}neuron_count = 3\n",
        "sparse.toml": f'{head}{layer}projection = {{ kind = "sparse", probability = 0.5 }}\n',
        "rate.toml": f"{head}{layer}learning_rate = 0.1\n",
        "map.toml": f'{head}{layer}projection = {{ kind = "convolution" }}\n',
        "chain.toml": f'{head}{layer}rule = "bp"\n[[layers]]\n{layer}rule = "lpl"\n',
        "ff.toml": f'{head}{layer}rule = "ff"\n',
    }  # fmt: skip
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    before = sorted(files)
    assert main([*RUN, *options]) == 2
    told = capsys.readouterr().err
    assert sentence in told
    assert len(told.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_rule_of_this_process_alone_cannot_be_saved(tmp_path: Path) -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Mine(plastic.rules.DFA):
        name = "mine-alone"

    task = plastic.stimuli.rhm(levels=2, symbols=4, classes=4, synonyms=2, train=24, test=8, seed=1)
    sim = plastic.Simulation(Network(Input(16), Layer(3, Dense(), rule=Mine())), task, backend="rate", batch=4)
    sim.train(1, progress=False)
    with pytest.raises(plastic.PlasticError, match="rule 'mine-alone' is a class of this script"):
        sim.save(tmp_path / "run")

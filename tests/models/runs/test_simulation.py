"""plastic.Simulation as a script or a notebook uses it, on backends of all kinds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import plastic
from plastic.models.runs.simulate import simulate
from plastic.models.runs.simulation import Simulation

pytestmark = pytest.mark.usefixtures("numpy_code")
BACKENDS = ("rate", "snntorch", "brian2", "loihi")


def made(backend: str = "snntorch", **settings: Any) -> Simulation:
    """That of the issue: two layers of 32 on strings of two levels."""
    task = plastic.stimuli.rhm(levels=2, train=384, seed=1)
    net = plastic.tree(task, widths=(32, 32), shared=backend != "loihi")
    rule, usual = plastic.rules.CLAPP(margin=1.0), {"seed": 0} | ({"calibration": 50} if backend == "loihi" else {})
    return plastic.Simulation(net, task, rule=rule, backend=backend, learning_rate=0.05, **(usual | settings))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_script_of_a_user(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train, step, look, probe, save and go on: the loaded run learns what the one in memory does, bit for bit."""
    monkeypatch.chdir(tmp_path)
    sim = made(backend, batch=1)
    before = sim.weights["layer1"]
    sim.record("modulator[layer=2]; weight_change,eligibility[layer=1,post=3]")
    sim.train(12)
    assert not list(tmp_path.iterdir())  # nothing is written yet
    steps = sim.step()
    assert sim.learned == 13
    assert not np.array_equal(sim.weights["layer1"], before)
    assert [one.activity.shape for one in steps] == [(1, 2, 32), (1, 1, 32)]
    assert sim.traces["layer2_modulator"].shape == (13, 1, 1, 32)
    assert sim.traces["stimulus"].values.tolist() == list(range(1, 14))
    assert [0 <= layer["class"] <= 1 for layer in sim.probe()] == [True, True]
    assert len(sim.metrics) == 12
    sim.save("runs/x")
    again = plastic.load("runs/x")
    assert again.learned == 13
    for one in (sim, again):
        one.train(8, progress=False)
    moved = 0.0
    for name, value in sim.weights.items():
        np.testing.assert_array_equal(again.weights[name], value, err_msg=name)
        moved += float(np.abs(value - plastic.open_run("runs/x").weights[name]).max())
    assert moved > 0
    run = plastic.open_run("runs/x")
    assert run.config.training.steps == 13
    np.testing.assert_array_equal(run.traces["layer2_modulator"], sim.traces["layer2_modulator"][:13])


@pytest.mark.parametrize("backend", ["rate", "snntorch", "loihi"])
def test_it_is_the_run_of_the_command(backend: str, tmp_path: Path) -> None:
    sim = made(backend, record="none")
    sim.train(9, progress=False)
    sim.save(tmp_path / "a")
    training = replace(sim.config.training, steps=9, probes=0)
    result = simulate(replace(sim.config, training=training), tmp_path / "b")
    one, other = plastic.open_run(tmp_path / "a"), plastic.open_run(tmp_path / "b")
    assert one.result is not None
    assert one.result["probe_accuracy"] == result["probe_accuracy"]
    assert one.result["untrained_accuracy"] == result["untrained_accuracy"]
    for name, value in one.weights.items():
        np.testing.assert_array_equal(other.weights[name], value)


def test_what_a_step_shows_multiplies_to_the_weight_change() -> None:
    """One stream, plain SGD: ΔW = η Σ_positions m e, by hand from what `step` returns."""
    sim = made(batch=1)
    sim.train(5, progress=False)
    for _ in range(10):
        before = [sim.weights[f"layer{k}"] for k in (1, 2)]
        steps = sim.step()
        for number, (one, old) in enumerate(zip(steps, before, strict=True), 1):
            expected = 0.05 * (one.modulator[..., None] * one.eligibility).sum((0, 1))
            np.testing.assert_allclose(sim.weights[f"layer{number}"] - old, expected, atol=1e-6)
        if np.abs(expected).max() > 1e-3:
            return
    pytest.fail("nothing was learned, so nothing was shown")


def test_several_seeds_side_by_side_are_each_its_own_run() -> None:
    several, alone = made(seed=(4, 5)), made(seed=5)
    for one in (several, alone):
        one.train(6, progress=False)
    assert several.weights["layer1"].shape == (2, *alone.weights["layer1"].shape)
    np.testing.assert_array_equal(several.weights["layer1"][1], alone.weights["layer1"])
    assert several.probe()[1] == alone.probe()
    assert several.step()[0].activity.shape[0] == 2


@pytest.mark.parametrize("shared", [True, False])
def test_a_tree_of_one_position_is_a_network_of_its_task(shared: bool) -> None:
    task = plastic.stimuli.rhm(levels=1, symbols=4, classes=4, synonyms=2, seed=0)
    sim = plastic.Simulation(net := plastic.tree(task, (8,), shared=shared), task, backend="rate", batch=4)
    assert sim.network == net


def test_widths_that_differ_are_saved_and_loaded(tmp_path: Path) -> None:
    task = plastic.stimuli.digits(train=60, test=40, seed=2)
    sim = plastic.Simulation(plastic.dense(task, (20, 12)), task, rule="dfa", backend="rate", batch=8)
    sim.train(4, progress=False)
    sim.save(tmp_path / "run")
    again = plastic.load(tmp_path / "run")
    assert [layer.neurons for layer in again.network.layers] == [20, 12]
    assert again.ensemble.tasks[0] == task
    assert "unequal" not in repr(again)


@dataclass(frozen=True)
class Hebb(plastic.Rule):
    """As it would stand in a notebook's cell."""

    name: ClassVar[str] = "hebb-of-a-notebook"

    def third_factor(self, signals: plastic.Signals, weights: Any) -> plastic.ThirdFactor:
        del weights
        return plastic.ThirdFactor(plastic.Modulator(1.0, signals.activity))


def test_a_rule_of_a_notebook_runs_and_cannot_be_saved(tmp_path: Path) -> None:
    task = plastic.stimuli.rhm(levels=1, symbols=4, classes=4, synonyms=2, seed=0)
    sim = plastic.Simulation(plastic.tree(task, (8,)), task, rule=Hebb(), backend="rate", batch=4, learning_rate=0.01)
    before = sim.weights["layer1"]
    sim.train(3, progress=False)
    assert np.abs(sim.weights["layer1"] - before).max() > 0
    with pytest.raises(plastic.PlasticError, match=r"class of this script.*FILE\.py:CLASS"):
        sim.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    task = plastic.stimuli.rhm(levels=2, train=384, seed=1)
    other = plastic.stimuli.rhm(levels=3, train=384, seed=1)
    net = plastic.tree(task, (8, 8))
    with pytest.raises(plastic.PlasticError, match="unknown backend 'nest'"):
        plastic.Simulation(net, task, backend="nest")
    with pytest.raises(plastic.PlasticError, match="unknown setting 'learning_rte'"):
        plastic.Simulation(net, task, learning_rte=0.1)
    with pytest.raises(plastic.PlasticError, match=r"make it Input\(64\)"):
        plastic.Simulation(net, other)
    with pytest.raises(plastic.PlasticError, match="nothing was recorded"):
        _ = made().traces
    with pytest.raises(plastic.PlasticError, match="train first"):
        made().save(tmp_path / "run")
    several = made(seed=(0, 1))
    several.train(1, progress=False)
    with pytest.raises(plastic.PlasticError, match="one network"):
        several.save(tmp_path / "run")
    with pytest.raises(plastic.PlasticError, match="unknown signal 'nope'"):
        made().record("nope")
    with pytest.raises(KeyError, match=r"there are: layer1\.weight"):
        _ = made().weights["layer9"]
    with pytest.raises(plastic.PlasticError, match="no run folder"):
        plastic.load(tmp_path)
    wild = plastic.Simulation(net, task, rule="bp", backend="rate", learning_rate=1e30, optimizer="sgd")
    with pytest.raises(plastic.PlasticError, match="diverged"):
        wild.train(30, progress=False)

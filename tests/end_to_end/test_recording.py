"""What is recorded is what happened: the product of the factors is the weight change, on every backend."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plastic
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.errors import PlasticError
from plastic.models.backends.refusals import refusal
from plastic.models.runs.simulate import simulate
from plastic.rules import BUILT_IN, rule_class
from plastic.traces.opened import Run
from plastic.traces.view import Synapse, liveliest, typical_window, view

FACTORS = "pre_spike,pre_trace,membrane,post_factor,spike,eligibility,activity,gate,dendrite,modulator"
EVERYTHING = f"{FACTORS},weight,weight_change,own[stream=all]"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numpy_code: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *_: None)  # it takes longer than these runs


def run(backend: str = "snntorch", record: str | None = EVERYTHING, out: str = "run", **changes: Any) -> Run:
    """A small run that has learned: CLAPP on strings of four symbols, plain SGD, float64 where there is a choice."""
    online = backend in ("brian2",)
    config = Config(
        rule="clapp",
        backend=backend,
        stimuli=Stimuli(levels=2, symbols=4, classes=4, synonyms=2, train_size=24, test_size=8),
        network=Architecture(width=10),
        training=Training(
            steps=60,
            batch=1 if online else 3,
            optimizer="sgd",
            learning_rate=1.0 if online else 0.1,
            probes=1,
            probe="ridge",
        ),
        dtype="float64",
        device="cpu",
        record=record,
    )
    if backend == "brian2":
        pytest.importorskip("brian2")
    simulate(dataclasses.replace(config, **changes), Path(out))
    return plastic.open_run(out)


def product(run: Run, layer: int, clock: str) -> np.ndarray:
    """η Σ gate · dendrite · eligibility over streams and positions: (stimulus, post, pre)."""
    gate, dendrite = run.signal("gate", layer), run.signal("dendrite", layer)
    (eligibility,) = (array for array in run.signals("eligibility", layer) if array.dims[0] == clock)
    values = eligibility.values
    if clock == "time":  # the last step of every stimulus
        steps = int(run.traces.attrs["time_steps"])
        values = values[steps - 1 :: steps]
    change = gate.values[:, :, None, None, None] * dendrite.values[..., None] * values
    return float(run.traces.attrs["learning_rate"]) * change.sum((1, 2))


@pytest.mark.parametrize("backend", ["rate", "reference", "snntorch", "brian2"])
def test_the_recorded_product_is_the_recorded_weight_change_at_every_stimulus(backend: str) -> None:
    """Must show 1: the page tells the truth, with the eligibility of every step and with that at the stimulus end."""
    streams = "[stream=all]"
    seen = run(
        backend, f"gate,dendrite,modulator,weight,weight_change,eligibility{streams}; eligibility{streams}@stimulus"
    )
    for layer in (1, 2):
        change = seen.signal("weight_change", layer).values
        expected = product(seen, layer, "stimulus")
        np.testing.assert_allclose(product(seen, layer, "time"), expected, rtol=1e-9, atol=1e-13)
        assert change.shape == (60, 10, 8 if layer == 1 else 20)
        np.testing.assert_allclose(change, expected, rtol=1e-9, atol=1e-13)
        moved = np.abs(change).max((1, 2)) > 0
        gates = seen.signal("gate", layer).values
        assert moved.sum() > 10
        assert {-1.0, 0.0, 1.0} <= set(np.sign(gates).ravel().tolist())  # fixations, saccades, closed gates
        weight = seen.signal("weight", layer).values
        np.testing.assert_allclose(np.diff(weight, axis=0), change[:-1], rtol=1e-9, atol=1e-13)
        modulator = seen.signal("modulator", layer).values
        dendrite = seen.signal("dendrite", layer).values
        np.testing.assert_allclose(modulator, gates[:, :, None, None] * dendrite, rtol=1e-12)


@pytest.mark.parametrize("backend", ["reference", "snntorch", "brian2"])
def test_the_recorded_steps_follow_the_canonical_step(backend: str) -> None:
    """Trace, membrane, spikes, post factor and eligibility again, from recorded spikes and weights."""
    seen = run(backend, EVERYTHING)
    step = seen.config.spiking
    names = ("pre_spike", "weight", "membrane", "pre_trace", "post_factor", "eligibility", "spike")
    found = {name: seen.signal(name, 2).values for name in names}
    stimuli, fired = range(40, 60), 0
    for stimulus in stimuli:
        window = found["pre_spike"][stimulus * 20 : (stimulus + 1) * 20, :, 0]
        u, x = np.zeros((window.shape[1], 10)), np.zeros(window.shape[1:])
        e = np.zeros((window.shape[1], 10, 20))
        for t in range(20):
            u = step.membrane_decay * u + window[t] @ found["weight"][stimulus].T
            x = step.trace_decay * x + window[t]
            psi = 1 / (1 + step.slope * np.abs(u - step.threshold)) ** 2
            e += psi[:, :, None] * x[:, None]
            at = stimulus * 20 + t
            for name, expected in (("membrane", u), ("pre_trace", x), ("post_factor", psi), ("eligibility", e)):
                np.testing.assert_allclose(found[name][at, :, 0], expected, rtol=1e-8, atol=1e-11, err_msg=name)
            spike = u > step.threshold
            np.testing.assert_array_equal(found["spike"][at, :, 0], spike)
            fired += int(spike.sum())
            u = np.where(spike, 0, u)
    assert fired > 20


def test_backends_record_the_same() -> None:
    pytest.importorskip("brian2")
    one = dataclasses.replace(Training(steps=60, batch=1, optimizer="sgd", learning_rate=0.1, probes=1, probe="ridge"))
    runs = [run(backend, EVERYTHING, backend, training=one) for backend in ("reference", "snntorch", "brian2")]
    names = list(runs[0].traces.data_vars)
    assert len(names) == 2 * 14
    for other in runs[1:]:
        assert list(other.traces.data_vars) == names
        for name in names:
            expected, found = runs[0].traces[name], other.traces[name]
            assert found.dims == expected.dims
            np.testing.assert_allclose(found.values, expected.values, rtol=1e-8, atol=1e-11, err_msg=str(name))


def test_both_sides_are_recorded() -> None:
    """ΔW = η (m e + m' e of the stimulus before)."""
    record = "gate,dendrite,context_gate,context_dendrite,weight_change,eligibility[stream=all]@stimulus"
    for backend in ("snntorch", "reference", "rate"):
        seen = run(backend, record, backend, rule_options=("sides=both",))
        for layer in (1, 2):
            rate, eligibility = seen.traces.attrs["learning_rate"], seen.signal("eligibility", layer).values
            own = product(seen, layer, "stimulus")[1:]
            gate, dendrite = (seen.signal(f"context_{k}", layer).values[1:] for k in ("gate", "dendrite"))
            before = gate[:, :, None, None, None] * dendrite[..., None] * eligibility[:-1]
            change = seen.signal("weight_change", layer).values[1:]
            np.testing.assert_allclose(change, own + rate * before.sum((1, 2)), rtol=1e-9, atol=1e-13)
            assert np.abs(change - own).max() > 1e-4


def test_the_dataset_is_labelled() -> None:
    traces = run(record=None).traces
    assert traces.attrs["citation"] == rule_class("clapp").about.citation
    assert traces.attrs["rule"] == "clapp"
    assert traces["layer2_membrane"].attrs["units"] == "thresholds"
    assert traces.attrs["threshold"] == 1
    assert traces["layer2_membrane"].dims == ("time", "stream", "position2", "post2")
    assert traces["layer1_score"].attrs["own"]
    assert {-1, 1} == set(np.unique(traces["fixation"].values).tolist())
    assert traces["time"].attrs["units"] == "ms"
    bout = traces.isel(time=traces["time_stimulus"].values == 13)
    assert bout["time"].values.tolist() == list(range(240, 260))
    chosen = traces["layer2_eligibility"].sel(post2=3, pre2=5, stream=0, position2=0)
    assert chosen.dims == ("time",)


def test_every_k_steps_and_single_neurons() -> None:
    whole = run(record="membrane,weight; spike@stimulus", out="whole")
    part = run(record="membrane[layer=2,post=3|7] every 7; weight[layer=1,pre=2:4] every 9 for 20 of 30", out="part")
    np.testing.assert_array_equal(
        part.signal("membrane", 2).values[..., :],
        whole.signal("membrane", 2).values.reshape(60, 20, 1, 1, 10)[:, ::7][..., [3, 7]].reshape(-1, 1, 1, 2),
    )
    at = [0, 9, 18, 30, 39, 48]
    np.testing.assert_array_equal(part.signal("weight", 1).values, whole.signal("weight", 1).values[at][:, :, 2:4])
    assert part.signal("weight", 1).coords["stimulus"].values.tolist() == [n + 1 for n in at]
    twice = run(record="weight[layer=1] every 30; weight[layer=1,pre=2:4] every 10; weight every 20", out="twice")
    assert [one.sizes["stimulus"] for one in twice.signals("weight", 1)] == [6, 3, 2]  # that with most samples first
    np.testing.assert_array_equal(twice.signal("weight", 1), whole.signal("weight", 1).values[::10][:, :, 2:4])
    last = whole.signal("spike", 2)
    assert last.dims[0] == "stimulus"
    assert last.sizes["stimulus"] == 60


def test_a_single_stream_is_judged_by_its_last_responses() -> None:
    """Variance, effective rank and dead neurons need several stimuli: the last 32 since the checkpoint at 40."""
    training = Training(steps=80, batch=1, optimizer="sgd", learning_rate=0.1, probes=1, probe="ridge")
    seen = run("rate", "activity", training=training, rule="dfa")
    rows = {row["step"]: row for row in seen.metrics if "variance" in row}
    for layer in (1, 2):
        activity = seen.signal("activity", layer).values.reshape(80, -1)
        for step, first in ((20, 0), (40, 8), (41, None), (50, 40), (80, 48)):
            if first is None:
                assert rows[step]["variance"][layer - 1] is None
                continue
            last = activity[first:step]
            assert rows[step]["variance"][layer - 1] == pytest.approx(last.var(0).mean())
            assert rows[step]["dead_fraction"][layer - 1] == pytest.approx((last == 0).all(0).mean())
            share = np.linalg.svd(last - last.mean(0), compute_uv=False)
            share = share[share > 1e-12] / share.sum()
            assert rows[step]["effective_rank"][layer - 1] == pytest.approx(np.exp(-(share * np.log(share)).sum()))
            assert rows[step]["variance"][layer - 1] > 0


def test_a_synapse_in_a_window() -> None:
    seen = run(record=EVERYTHING)
    synapse = liveliest(seen, 2, (31, 40))
    shown = view(seen, synapse, (31, 40))
    assert {"membrane", "eligibility", "weight", "gate", "score", "W_pred"} <= set(shown.curves)
    weight = shown.curves["weight"]
    assert weight.stimulus.tolist() == list(range(31, 41))
    assert np.abs(np.diff(weight.value)).max() > 0
    assert shown.curves["spike"].value.sum() > 0
    assert shown.curves["pre_spike"].value.sum() > 0
    np.testing.assert_array_equal(
        shown.curves["membrane"].value,
        seen.signal("membrane", 2).sel(time=slice(600, 799), post=synapse.post)[:, 0, 0],
    )
    assert [b.fixation for b in shown.stimuli] == (seen.traces["fixation"].values[30:40, 0] > 0).tolist()
    with pytest.raises(PlasticError, match="has not recorded layer 2, synapse 99"):
        view(seen, Synapse(2, 1, 99), (31, 40))
    with pytest.raises(PlasticError, match="it has: layer1_pre_spike"):
        seen.signal("rate", 1)


def test_the_window_that_is_shown_has_the_rule_at_work() -> None:
    """The first bout after a fifth of the run, or, where all gates were closed then, the last before that had some."""
    stimuli, network = Stimuli(data="digits"), Architecture(width=64)
    training = Training(steps=200, batch=16, learning_rate=0.003, probes=0, probe="ridge")
    seen = run("rate", "modulator for 3 of 10", stimuli=stimuli, network=network, training=training, dtype="float32")
    modulated = (seen.signal("modulator", 2).values != 0).any((1, 2, 3)).reshape(-1, 3).sum(1)
    assert modulated[3] > 0
    assert modulated[4] == 0
    assert typical_window(seen) == (31, 33)
    silent = run(
        "rate", "modulator for 3 of 10", rule="none", training=dataclasses.replace(training, batch=3), out="no"
    )
    assert typical_window(silent) == (41, 43)
    assert typical_window(run("rate", "weight for 3 of 10", training=training, out="unknown")) == (41, 43)


@pytest.mark.parametrize("topology", ["dense", "conv"])
def test_the_synapse_that_is_shown_of_an_image_is_eligible(topology: str) -> None:
    """Corners of images are dark, and so is the border of a kernel at them: the default record looks elsewhere."""
    stimuli, network = Stimuli(data="digits", pairing="within"), Architecture(topology=topology, width=6, depth=3)
    training = Training(steps=12, batch=6, probes=0, probe="ridge")
    seen = run("rate", None, rule="clapp++", stimuli=stimuli, network=network, training=training)
    for layer in (1, 2, 3):
        window = (1, 6)
        synapse = liveliest(seen, layer, window)
        curves = view(seen, synapse, window).curves
        assert np.abs(curves["eligibility"].value).max() > 0
        assert np.ptp(curves["weight"].value) > 0
        positions = seen.signal("eligibility", layer).coords["position"].values
        assert synapse.position in positions
        assert (synapse.position > 0) == (topology == "conv")


@pytest.mark.parametrize("rule", [rule.name for rule in BUILT_IN])
def test_own_signals_of_every_rule_are_recorded_as_declared(rule: str) -> None:
    """`own` holds all that the rule computes, and every signal that it declares shows up under its name."""
    training = Training(steps=4, batch=3, probes=0, probe="ridge")
    backend = "rate" if refusal(rule_class(rule)(), "rate", 3) is None else "snntorch"
    seen = run(backend, "own[stream=all] for 1 of 2; gate", rule=rule, training=training)
    own = [a for a in seen.traces.data_vars.values() if a.attrs["own"]]
    conditional = {"W_retro", "B_top", "gate_positive_top", "gate_negative_top"}  # by the options of the rule
    assert set(rule_class(rule).about.probeable) - conditional <= {str(a.attrs["signal"]) for a in own}
    for array in own:
        assert np.isfinite(array.values).all()
        assert array.sizes["stimulus_1_of_2"] == 2


def test_own_rule_is_recorded_without_extra_code(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "docs" / "examples" / "my_rule.py"
    seen = run(record=None, rule=f"{example}:Overlap")
    overlap = seen.signal("overlap", 2)
    z = run(record="activity", rule=f"{example}:Overlap", out="z").signal("activity", 2).values
    expected = (z[1:] * z[:-1]).sum((1, 2, 3))
    numbers = overlap.coords["stimulus"].values[1:7]
    np.testing.assert_allclose(overlap.sel(stimulus=numbers).values[:, 0], expected[numbers - 2], rtol=1e-9)
    assert overlap.values.max() > 0

"""Every rule teaches the top layer of a small network something that its control does not have, and no
layer collapses; what keeps it from collapsing is seen when it is taken away."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from plastic.errors import PlasticError
from plastic.models.backends.refusals import refusal
from plastic.models.backends.snntorch.simulator import SpikingStep
from plastic.models.learning.learner import Observation, Watch
from plastic.models.settings import Settings, SpikeInput
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.metrics import layer_metrics
from plastic.rules import LPL, SCFF, DFAProduct, EProp, ForwardForward, NoLearning, Rule, SimSiam, all_rules, load_rule
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.stream import Stimulus, Stream
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task

LEARNING_AS_RATES = [n for n, rule in all_rules().items() if n != "none" and refusal(rule(), "rate", 128) is None]
SPIKING_ALONE = {"lpl-spiking": {"priming": "1"}}  # begins to learn at once
NON_CONTRASTIVE = ("lpl", "vicreg", "barlow", "simsiam")
SATURATING = ("sdfa", "drtp")  # their targets never come to rest: tanh units, as in the paper
FOR_24 = {"espp": {"c_fixation": "0.02", "c_saccade": "0.01"}}  # its thresholds are those of 450 neurons
MARGIN = 0.08


@functools.cache
def strings() -> Task:
    return rhm_task(RandomHierarchyModel(8, 8, 4, 2, 2, 0), 384, "class", 0, 128)


def ensemble(rule: Rule, **settings) -> Ensemble:
    return Ensemble(Settings(rule, (64, 64), **settings), [strings(), strings()], [0, 1], [1e-3, 1e-3])


def trained(rule: Rule, steps: int, **settings) -> tuple[float, dict[str, list[float | None]]]:
    """Probe accuracy of the top layer, mean of two seeds, and the metrics of the last stimulus."""
    network = ensemble(rule, **settings)
    network.train(steps - 1)
    metrics: dict[str, list[float | None]] = {}
    network.step(layer_metrics(metrics))
    return float(np.mean([network.probe(member, {"class"})[-1]["class"] for member in range(2)])), metrics


@functools.cache
def control(activation: str) -> float:
    return trained(NoLearning(), 1, activation=activation)[0]


@pytest.mark.parametrize("name", LEARNING_AS_RATES)
def test_the_top_layer_learns_what_random_features_lack(name: str) -> None:
    activation = "tanh" if name in SATURATING else "relu"
    accuracy, metrics = trained(load_rule(name), 1000, activation=activation)
    assert accuracy > control(activation) + MARGIN, f"{accuracy:.3f} against {control(activation):.3f}"
    assert min(metrics["dead_fraction"]) < 0.5
    if name in NON_CONTRASTIVE:
        assert min(metrics["variance"]) > 0.02
        assert min(metrics["effective_rank"]) > 10
        assert max(metrics["dead_fraction"]) < 0.25


@pytest.mark.parametrize("rule", [EProp(feedback="learned"), EProp(feedback="symmetric"), DFAProduct()], ids=str)
def test_other_arms_learn_too(rule: Rule) -> None:
    assert trained(rule, 600)[0] > control("relu") + MARGIN


@pytest.mark.parametrize(
    "rule", [LPL(push=0.0, decorrelation=0.0), SimSiam(similarity="squared", centred=False)], ids=str
)
def test_a_layer_without_its_guard_collapses(rule: Rule) -> None:
    accuracy, metrics = trained(rule, 1000)
    assert metrics["variance"][-1] < 2e-3
    assert accuracy < control("relu")


def steps(network: Ensemble, watch: Watch) -> list[Stimulus]:
    """What the network is shown in three steps, each seen by `watch`."""
    twin = Stream(network.tasks, network.seeds, network.settings.batch)
    for _ in range(3):
        network.step(watch)
    return [twin.next() for _ in range(3)]


def test_each_stimulus_is_shown_with_the_one_before() -> None:
    seen: list[torch.Tensor] = []

    def inputs(index: int, observation: Observation) -> None:
        if index == 0:
            seen.append(observation.response.eligibility.pre[:, 0])

    network = ensemble(SCFF(), dtype=torch.float64)
    stimuli = steps(network, inputs)
    codes = [network.encode(s.inputs, "spikes", 0).reshape(2, 128, 2, 16) for s in stimuli]
    for step in (1, 2):
        both = torch.cat([codes[step], codes[step - 1]], dim=-1)  # has a root mean square of 1 before it is added up
        torch.testing.assert_close(
            seen[step], (codes[step] + codes[step - 1]) / both.square().mean(-1, keepdim=True).sqrt()
        )
    alone = network.features(0, strings().test, "probe-test")[0]
    x = np.asarray(strings().analog)[strings().test.inputs].reshape(-1, 2, 16)
    drive = 2 * x / np.sqrt((x**2).mean(-1, keepdims=True)) @ network.parameters["layer1.weight"][0].numpy().T
    np.testing.assert_allclose(alone, np.maximum(0, drive).reshape(len(x), -1), rtol=1e-6, atol=1e-9)


def test_each_stimulus_is_shown_with_the_label_of_the_one_before() -> None:
    seen: list[torch.Tensor] = []

    def inputs(index: int, observation: Observation) -> None:
        if index == 0:
            seen.append(observation.response.eligibility.pre[:, 0])

    network = ensemble(ForwardForward(), dtype=torch.float64)
    stimuli = steps(network, inputs)
    assert network.network.layers[0].fan_in == 2 * 8 + 8
    for step in (1, 2):
        label = seen[step][..., 16:]
        assert (label.argmax(-1).numpy() == stimuli[step - 1].labels[..., None]).all()
        right = stimuli[step].labels == stimuli[step - 1].labels
        assert (right == stimuli[step].fixation).all()


def test_probes_see_responses_to_a_label_that_says_nothing() -> None:
    task = strings()
    network = ensemble(ForwardForward(), topology="dense")
    found = network.features(0, task.test, "probe-test")[0]
    assert isinstance(task.analog, np.ndarray)
    x = task.analog[task.test.inputs].reshape(len(task.test), -1)
    x = np.concatenate([x, np.full((len(x), task.classes), 1 / task.classes)], axis=1)
    x /= np.sqrt((x**2).mean(1, keepdims=True))
    expected = np.maximum(0, x @ network.parameters["layer1.weight"][0].double().numpy().T)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert expected.std(0).min() > 1e-3


@pytest.mark.parametrize("rule", [SCFF(), ForwardForward(), LPL()], ids=lambda r: r.name)
def test_a_run_that_goes_on_from_a_snapshot_is_the_same(rule: Rule) -> None:
    whole, first, second, third = (ensemble(rule) for _ in range(4))
    whole.train(6)
    first.train(3)
    saved = {k: v.clone() for k, v in first.snapshot().items()}
    assert ("presented" in saved) == (rule.reads.presentation != "single")
    second.restore(saved)
    third.restore(
        {"shown" if k == "presented" else k: v.clone() for k, v in saved.items()}
    )  # as checkpoints before said it
    for again in (second, third):
        again.train(3)
        for name, value in whole.parameters.items():
            assert torch.equal(value, again.parameters[name]), name


@pytest.mark.parametrize("name", LEARNING_AS_RATES)
def test_members_of_an_ensemble_do_not_see_each_other(name: str) -> None:
    """Negatives and statistics are of the member's own batch."""
    pair = ensemble(load_rule(name), dtype=torch.float64, batch=16)
    alone = Ensemble(Settings(load_rule(name), (64, 64), dtype=torch.float64, batch=16), [strings()], [1], [1e-3])
    pair.train(3)
    alone.train(3)
    for parameter, value in alone.parameters.items():
        torch.testing.assert_close(pair.parameters[parameter][1], value[0], rtol=1e-9, atol=1e-10)


def test_only_rules_of_spikes_are_not_tried_as_rates() -> None:
    assert set(all_rules()) - set(LEARNING_AS_RATES) == {"none", *SPIKING_ALONE}


@pytest.mark.parametrize("name", list(all_rules()))
def test_every_rule_runs_on_spikes_or_says_why_not(name: str) -> None:
    rule = load_rule(name, SPIKING_ALONE.get(name))
    settings = {"spiking": SpikingStep(), "spike_input": SpikeInput(time_steps=10), "batch": 16}
    if rule.reads.normalised_input:
        with pytest.raises(PlasticError, match="--backend rate"):
            ensemble(rule, **settings)
        return
    network = ensemble(rule, **settings)
    before = {k: v.clone() for k, v in network.parameters.items()}
    network.train(3)
    top = network.parameters["layer2.weight"]
    assert torch.isfinite(top).all()
    assert torch.equal(top, before["layer2.weight"]) == (name == "none")


@functools.cache
def digits() -> Task:
    return digits_task(1000, test_size=360)


def network_of_digits(name: str) -> Ensemble:
    activation = "tanh" if name in SATURATING else "relu"
    settings = Settings(load_rule(name, FOR_24.get(name)), (24, 24), topology="dense", activation=activation, batch=64)
    return Ensemble(settings, [digits()], [0], [2e-3])


@pytest.mark.parametrize("name", LEARNING_AS_RATES)
def test_digits_are_told_apart_better_than_by_random_features(name: str) -> None:
    ensemble = network_of_digits(name)
    before = ensemble.probe(levels={"class"})[-1]["class"]
    steps = {"sdfa": 1500, "drtp": 500}  # a signed error does not shrink and a target stays, so weights settle late
    ensemble.train(steps.get(name, 250))
    assert ensemble.probe(levels={"class"})[-1]["class"] > before + 0.02, before

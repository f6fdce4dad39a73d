"""Initial weights give every layer its rate, as the numpy reference counts it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from plastic.errors import PlasticError
from plastic.models.backends import Members
from plastic.models.backends.reference.adapter import ReferenceSimulator
from plastic.models.network.layer import Network, tree
from plastic.models.network.parameters import Parameters, he_std, initial_parameters, lively_std, specification
from plastic.models.neuron.constants import SpikingStep
from plastic.models.presentation import Presentation
from plastic.models.settings import Settings, SpikeInput
from plastic.models.studies.case import Case, case_task
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.initial_rates import scale_to_rate
from plastic.rules import BP, CLAPP

STEPS, EXAMPLES, RATE = 25, 40, 0.06


def drawn(seed: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Weights far from any good scale, and Poisson spikes, of one network."""
    random = np.random.default_rng(seed)
    shapes = {"layer1.weight": (30, 8), "layer2.weight": (2, 40, 60), "layer3.weight": (1, 20, 80)}
    weights = {k: torch.as_tensor(random.standard_normal((1, *shape)) * 0.3) for k, shape in shapes.items()}
    return weights, torch.as_tensor(random.random((1, STEPS, EXAMPLES, 32)) < 0.2, dtype=torch.float64)


def scaled(network: Network, step: SpikingStep, weights: Parameters, spikes: torch.Tensor) -> None:
    """`scale_to_rate` of these weights, in place."""
    settings = Settings(CLAPP(), spiking=step, spike_input=SpikeInput(STEPS), initial_rate=RATE, batch=EXAMPLES)
    members = Members(Presentation(settings, network, [case_task(0)], [0]), (0.0,), weights)
    scale_to_rate(settings, network, members, spikes)


@pytest.mark.parametrize("threshold", [1.0, 30.0])
@pytest.mark.parametrize("decay", [0.5, 0.95])
def test_every_layer_fires_at_the_rate(decay: float, threshold: float) -> None:
    network = tree(8, 4, 2, (30, 40, 20), 3, shared=False)
    network = replace(network, layers=(replace(network.layers[0], shared=True), *network.layers[1:]))
    step = SpikingStep(membrane_decay=decay, threshold=threshold)
    weights, spikes = drawn(0)
    before = {k: v.clone() for k, v in weights.items()}
    scaled(network, step, weights, spikes)
    for name, value in weights.items():
        ratio = value / before[name]
        assert ratio.std() < 1e-9 * ratio.mean(), "one factor per layer"
    reference = ReferenceSimulator(network, CLAPP(), step).respond(weights, spikes)
    assert [r.activity.mean().item() for r in reference] == pytest.approx([RATE] * 3, rel=0.05)


def test_members_get_the_weights_of_their_single_run() -> None:
    settings = replace(Case("clapp").settings("snntorch", "float64"), initial_rate=0.1)
    tasks = [case_task(seed) for seed in (0, 1)]
    together = Ensemble(settings, tasks, [0, 1], [0.1, 0.1]).parameters
    for member, task in enumerate(tasks):
        alone = Ensemble(settings, [task], [member], [0.1]).parameters
        for name, value in alone.items():
            torch.testing.assert_close(together[name][member], value[0], rtol=1e-12, atol=0)
    assert not math.isclose(together["layer1.weight"][0].std(), together["layer1.weight"][1].std(), rel_tol=1e-6)


def test_how_wide_weights_are_drawn() -> None:
    network = tree(8, 4, 2, (300, 40, 50), 3)
    assert [layer.fan_in for layer in network.layers] == [8, 600, 80]
    std = he_std(network)
    assert std == pytest.approx([0.5, (2 / 600) ** 0.5, (2 / 80) ** 0.5])
    drawn = initial_parameters(specification(network, BP(), std), [5, 6])
    widths = {f"layer{i}.weight": one for i, one in enumerate(std, 1)} | {"readout.weight": 0.1 / 50**0.5}
    assert drawn.keys() == widths.keys()
    for name, expected in widths.items():
        value = drawn[name].flatten(1)
        assert value.std(1).tolist() == pytest.approx([expected] * 2, rel=4 / (2 * value.shape[1]) ** 0.5)
        assert (value.mean(1).abs() < 4 * expected / value.shape[1] ** 0.5).all()
        assert abs(float(torch.corrcoef(value)[0, 1])) < 4 / value.shape[1] ** 0.5, "members are drawn apart"


def test_lively_weights_drive_by_two_thresholds() -> None:
    """The standard deviation of Σ_j W_ij s_j where a share of the inputs spikes: 3/√2 in every layer."""
    network = tree(8, 4, 2, (30, 40, 20), 3)
    for rate in (0.05, 0.4):
        found = lively_std(network, rate)
        for std, layer, arriving in zip(found, network.layers, (rate, 0.2, 0.2), strict=True):
            assert std * (layer.fan_in * arriving) ** 0.5 == pytest.approx(3 / math.sqrt(2))


def test_unmeasured_weights_count_with_the_spikes_of_the_task() -> None:
    """One of four symbols is on, so a quarter of the input neurons spike at the rate of the coding."""
    settings = replace(Case("clapp").settings("snntorch", "float64"), initial_rate=0.0)
    ensemble = Ensemble(settings, [case_task(0)], [7], [0.1])
    std = lively_std(ensemble.network, settings.spike_input.rate / 4)
    expected = initial_parameters(specification(ensemble.network, settings.rule, std), [7])
    for name, value in ensemble.parameters.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=0)


def test_a_layer_that_cannot_fire_is_one_sentence() -> None:
    weights, spikes = drawn(0)
    with pytest.raises(PlasticError, match=r"layer 1 cannot fire 0\.06 spikes per step.*--initial-rate"):
        scaled(tree(8, 4, 2, (30,), 3), SpikingStep(), weights, torch.zeros_like(spikes))

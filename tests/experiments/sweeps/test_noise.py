"""Noise on a trained network: nothing at strength zero, and the mean and variance that its definition says."""

from __future__ import annotations

import pytest
import torch

from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.errors import PlasticError
from plastic.experiments.sweeps.measures import MEASURES
from plastic.experiments.sweeps.noise import _unreliable
from plastic.models.network.layer import Layer
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Ensemble


def trained(rule: str, backend: str = "rate", steps: int = 150) -> tuple[Ensemble, Config]:
    stimuli = Stimuli(levels=2, symbols=6, classes=4, synonyms=3, train_size=60, test_size=40)
    network, training = Architecture(width=16), Training(batch=16)
    config = resolve(Config(rule, backend, stimuli=stimuli, network=network, training=training, seed=3))
    ensemble = Ensemble(make_settings(config), [make_task(config)] * 2, [4, 3], [1e-3, 1e-3])
    ensemble.train(steps)
    return ensemble, config


def test_without_noise_it_is_the_probe_and_noise_hurts_and_leaves_the_weights() -> None:
    ensemble, config = trained("bp", steps=400)
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    found = MEASURES["noise"](ensemble, 1, config)
    probe = ensemble.probe(1, ["class"])[-1]["class"]
    assert probe > 0.5, "nothing was learned that noise could hurt"
    for kind, (none, most) in {"weights": ("0.0", "0.4"), "inputs": ("0.0", "0.4"), "release": ("1.0", "0.5")}.items():
        assert found[kind][none] == pytest.approx(probe, abs=1e-6)
        assert found[kind][most] <= probe
    assert found["release"]["0.5"] < probe
    assert all(torch.equal(v, before[k]) for k, v in ensemble.parameters.items())


@pytest.mark.parametrize("shared", [True, False])
def test_the_drive_of_synapses_that_fail_has_the_mean_and_variance_of_independent_bernoulli_variables(
    shared: bool,
) -> None:
    layer, random = Layer(2, 3, 4, shared), torch.Generator().manual_seed(1)
    weight = torch.randn(1, *layer.weight_shape, generator=random, dtype=torch.float64)
    one = torch.randn(1, 1, 2, 3, generator=random, dtype=torch.float64)
    drives = _unreliable(layer, weight, one.expand(1, 20000, 2, 3), 0.75, random)[0]
    own = (weight[0] if not shared else weight[0].expand(2, 4, 3)) * one[0, 0][:, None]
    torch.testing.assert_close(drives.mean(0), own.sum(-1), atol=0.03, rtol=0)
    torch.testing.assert_close(drives.var(0), own.square().sum(-1) * 0.25 / 0.75, atol=0.02, rtol=0.05)


def test_spiking_networks_are_refused() -> None:
    with pytest.raises(PlasticError, match="rate networks"):
        MEASURES["noise"](*(lambda e, c: (e, 1, c))(*trained("dfa", "snntorch", 1)))

"""What a sweep measures, against autograd and against what must come out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.errors import PlasticError
from plastic.experiments.sweeps.group import checkpoints
from plastic.experiments.sweeps.measures import ALIGNED, MEASURES
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Ensemble
from plastic.stimuli.random import generator


def config_of(rule: str, *options: str) -> Config:
    stimuli = Stimuli(levels=2, symbols=6, classes=4, synonyms=3, train_size=60, test_size=40)
    network, training = Architecture(width=16), Training(steps=150, batch=16, probes=2)
    config = Config(rule, "rate", None, options, stimuli, network, training=training, seed=3, dtype="float64")
    return resolve(config)


def trained(config: Config) -> Ensemble:
    """Two members, of which the second is looked at."""
    ensemble = Ensemble(make_settings(config), [make_task(config)] * 2, [4, 3], [1e-3, 1e-3])
    ensemble.train(150)
    return ensemble


@pytest.mark.parametrize(
    ("rule", "options"), [("bp", ()), ("dfa-product", ("upper_mask=sample",))], ids=["bp", "mask oracle"]
)
def test_backpropagation_and_the_mask_oracle_are_aligned(rule: str, options: tuple[str, ...]) -> None:
    config = config_of(rule, *options)
    assert MEASURES["alignment"](trained(config), 1, config) == pytest.approx([1, 1, 1], abs=1e-6)


def test_alignment_of_dfa_is_the_cosine_with_the_gradient_of_autograd() -> None:
    config = config_of("dfa")
    ensemble = trained(config)
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    found = MEASURES["alignment"](ensemble, 1, config)
    assert all(torch.equal(v, before[k]) for k, v in ensemble.parameters.items()), "nothing is learned"
    task = ensemble.tasks[1]
    chosen = generator(3, "alignment").permutation(60)[:ALIGNED]
    x = torch.as_tensor(np.asarray(task.analog)[task.train.inputs[chosen]].reshape(60, -1))
    labels = torch.as_tensor(task.train.labels[chosen])
    w1, w2, out = (before[k][1].clone().requires_grad_() for k in ("layer1.weight", "layer2.weight", "readout.weight"))
    h1 = torch.relu(x.reshape(60, 2, 12) @ w1.T)
    h2 = torch.relu(h1.reshape(60, 32) @ w2.T)
    logits = h2 @ out.T
    torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
    error = torch.softmax(logits, 1) - torch.eye(4, dtype=torch.float64)[labels]
    b1, b2 = before["layer1.B"][1], before["layer2.B"][1]
    dfa1 = ((error @ b1.T).reshape(60, 2, 16) * (h1 > 0)).flatten(0, 1).T @ x.reshape(60, 2, 12).flatten(0, 1)
    dfa2 = ((error @ b2.T) * (h2 > 0)).T @ h1.reshape(60, 32)
    for cosine, own, weight in zip(found[:2], (dfa1, dfa2), (w1, w2), strict=True):
        assert weight.grad is not None
        expected = torch.nn.functional.cosine_similarity(own.flatten(), weight.grad.flatten(), dim=0)
        assert cosine == pytest.approx(expected.item(), abs=1e-5)
        assert abs(cosine) < 0.99, "DFA is not backpropagation"
    assert found[2] == pytest.approx(1)


def test_alignment_needs_an_output_error() -> None:
    config = config_of("clapp")
    with pytest.raises(PlasticError, match="output error"):
        MEASURES["alignment"](trained(config), 1, config)


def test_the_readout_is_the_ensembles_and_none_where_there_is_none() -> None:
    for rule in ("dfa", "clapp"):
        config = config_of(rule)
        ensemble = trained(config)
        found = MEASURES["readout"](ensemble, 1, config)
        assert found == (None if rule == "clapp" else pytest.approx(ensemble.readout(1), abs=1e-6))


def test_weight_noise_starts_at_the_probe_hurts_and_leaves_the_weights() -> None:
    config = config_of("bp")
    ensemble = trained(config)
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    found = MEASURES["weight_noise"](ensemble, 1, config)
    assert found["0.0"] == pytest.approx(ensemble.probe(1)[-1]["class"])
    assert found["0.4"] < found["0.0"]
    assert all(torch.equal(v, before[k]) for k, v in ensemble.parameters.items())


def test_weight_noise_is_a_share_of_the_weights_of_every_layer() -> None:
    config = config_of("bp")
    ensemble = trained(config)
    weights = {k: v for k, v in ensemble.parameters.items() if k.startswith("layer")}
    before, seen = {k: v.clone() for k, v in weights.items()}, []

    def features(member: int, examples: object, purpose: str) -> list[np.ndarray]:
        if purpose == "probe-test":
            seen.append({k: v - before[k] for k, v in weights.items()})
        return type(ensemble).features(ensemble, member, examples, purpose)  # type: ignore[arg-type]

    ensemble.features = features  # type: ignore[method-assign]
    found = MEASURES["weight_noise"](ensemble, 1, config)
    assert [float(share) for share in found] == [0.0, 0.05, 0.1, 0.2, 0.4]
    for name, value in before.items():
        size = value[1].square().mean().sqrt()
        for share, moved in zip((0.0, 0.05, 0.1, 0.2, 0.4), seen, strict=True):
            assert not moved[name][0].any(), "another member is disturbed"
            torch.testing.assert_close(moved[name][1], share / 0.4 * seen[-1][name][1], rtol=1e-9, atol=1e-12)
        noise = seen[-1][name][1] / size
        assert noise.std().item() == pytest.approx(0.4, rel=4 / (2 * noise.numel()) ** 0.5)
        assert abs(noise.mean().item()) < 4 * 0.4 / noise.numel() ** 0.5


def test_checkpoints_are_those_of_a_run() -> None:
    assert checkpoints(config_of("bp")) == [0, 50, 100, 150]

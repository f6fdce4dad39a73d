"""A member of an ensemble learns what its single run learns."""

from __future__ import annotations

import pytest
import torch

from plastic.data.rhm import RandomHierarchyModel
from plastic.data.strings import rhm_task
from plastic.data.task import Task
from plastic.models.metrics import layer_metrics
from plastic.models.settings import Settings
from plastic.models.snntorch import SpikingStep
from plastic.models.training import Ensemble
from plastic.rules import load_rule

MEMBERS = ((0, 40, 1e-3), (1, 70, 1e-3), (2, 70, 5e-3))  # seed, train size, learning rate


def task(seed: int, size: int) -> Task:
    return rhm_task(RandomHierarchyModel(6, 4, 3, 2, seed=seed), size, seed=seed, test_size=20)


@pytest.mark.parametrize("backend", ["rate", "snntorch"])
@pytest.mark.parametrize("rule", ["clapp", "dfa", "bp"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_members_equal_single_runs(rule: str, backend: str, optimizer: str) -> None:
    settings = Settings(
        rule=load_rule(rule),
        widths=(12, 10),
        batch=16,
        optimizer=optimizer,
        spiking=SpikingStep() if backend == "snntorch" else None,
    )
    together = Ensemble(
        settings, [task(s, p) for s, p, _ in MEMBERS], [s for s, _, _ in MEMBERS], [r for _, _, r in MEMBERS]
    )
    start = {k: v.clone() for k, v in together.learner.parameters.items()}
    together.train(70)  # beyond one block of the stream
    for member, (seed, size, rate) in enumerate(MEMBERS):
        alone = Ensemble(settings, [task(seed, size)], [seed], [rate])
        alone.train(70)
        for name, value in alone.learner.parameters.items():
            torch.testing.assert_close(together.learner.parameters[name][member], value[0], rtol=1e-5, atol=1e-5)
            assert value.grad_fn is None
        moved = (alone.learner.parameters["layer1.weight"][0] - start["layer1.weight"][member]).abs().max()
        assert moved > 1e-4, "nothing was learned, so nothing was compared"
        assert alone.probe() == together.probe(member)


def test_recomputed_context_is_the_held_one_at_zero_learning_rate() -> None:
    """With frozen weights the response that was held is the response computed again."""
    losses = []
    for recompute in (False, True):
        settings = Settings(rule=load_rule("clapp"), widths=(12, 10), batch=16, recompute_context=recompute)
        ensemble = Ensemble(settings, [task(0, 40)], [0], [0.0])
        ensemble.train(3)
        row: dict[str, list[float | None]] = {}
        ensemble.step(layer_metrics(row))
        losses.append(row["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_the_control_keeps_its_weights() -> None:
    ensemble = Ensemble(Settings(rule=load_rule("none"), widths=(8, 8), batch=8), [task(0, 40)], [0], [1e-3])
    before = {k: v.clone() for k, v in ensemble.learner.parameters.items()}
    ensemble.train(5)
    assert all(torch.equal(v, before[k]) for k, v in ensemble.learner.parameters.items())

"""A member of an ensemble learns what its single run learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from plastic.errors import PlasticError
from plastic.hardware.chip.on_lava import quantised_of
from plastic.hardware.chip.options import Hardware
from plastic.models.neuron.constants import SpikingStep
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.metrics import layer_metrics
from plastic.rules import load_rule
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task
from plastic.stimuli.views import Views

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
    start = {k: v.clone() for k, v in together.parameters.items()}
    together.train(70)  # beyond one block of the stream
    for member, (seed, size, rate) in enumerate(MEMBERS):
        alone = Ensemble(settings, [task(seed, size)], [seed], [rate])
        alone.train(70)
        for name, value in alone.parameters.items():
            torch.testing.assert_close(together.parameters[name][member], value[0], rtol=1e-5, atol=1e-5)
            assert value.grad_fn is None
        moved = (alone.parameters["layer1.weight"][0] - start["layer1.weight"][member]).abs().max()
        assert moved > 1e-4, "nothing was learned, so nothing was compared"
        assert alone.probe() == together.probe(member)


def assert_members_are_single_runs(settings: Settings, tasks: Sequence[Task], stimuli: int) -> list[torch.Tensor]:
    """Each member of one ensemble begins as its single run to the last bit, and ends as it; their last weights."""
    together = Ensemble(settings, tasks, [0] * len(tasks), [0.01] * len(tasks))
    start = {k: v.clone() for k, v in together.parameters.items()}
    together.train(stimuli)
    found = []
    for member, one in enumerate(tasks):
        alone = Ensemble(settings, [one], [0], [0.01])
        for name, value in alone.parameters.items():
            assert torch.equal(start[name][member], value[0]), f"{name} of member {member} begins elsewhere"
        alone.train(stimuli)
        for name, value in alone.parameters.items():
            torch.testing.assert_close(together.parameters[name][member], value[0], rtol=1e-6, atol=1e-7)
        found.append(alone.parameters["layer1.weight"][0])
        assert not torch.equal(found[-1], start["layer1.weight"][member]), "nothing was learned"
    return found


@pytest.mark.parametrize("first", ["class", "within"])
def test_members_may_differ_in_whether_they_see_views(first: str) -> None:
    """A sweep over pairings trains `class` and `within` side by side: only the second is shown views."""
    plain = digits_task(100, "class", 0, 20)
    kinds = {"class": plain, "within": replace(plain, objects=np.arange(100), views=Views(0.5, flip=False))}
    tasks = [kinds[first], *(one for name, one in kinds.items() if name != first)]
    settings = Settings(rule=load_rule("simclr"), widths=(2, 2), topology="conv", batch=8, dtype=torch.float64)
    ends = assert_members_are_single_runs(settings, tasks, 4)
    assert not torch.equal(*ends)


@pytest.mark.parametrize("initial_rate", [0.0, 0.1])
def test_members_begin_as_their_single_runs_whatever_the_others_are(initial_rate: float) -> None:
    """Of images each task has another mean intensity, and fewer examples than initial rates are measured on."""
    tasks = [digits_task(size, "class", seed, 20) for size, seed in ((20, 0), (100, 1))]
    settings = Settings(
        rule=load_rule("clapp"), widths=(20, 20), topology="dense", batch=8, spiking=SpikingStep(),
        initial_rate=initial_rate, optimizer="sgd", dtype=torch.float64,
    )  # fmt: skip
    assert_members_are_single_runs(settings, tasks, 4)


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
    before = {k: v.clone() for k, v in ensemble.parameters.items()}
    ensemble.train(5)
    assert all(torch.equal(v, before[k]) for k, v in ensemble.parameters.items())


def test_a_backend_is_what_its_name_says() -> None:
    """No name falls through to another backend: an unknown one is refused, a chip is a chip."""
    step, task_ = SpikingStep(trace_timing="emitted"), task(0, 40)
    with pytest.raises(PlasticError, match="unknown backend 'nest'; --backend is one of: rate, reference"):
        Settings(load_rule("clapp"), widths=(6, 5), spiking=step, backend="nest")
    with pytest.raises(PlasticError, match="does not spike"):
        Settings(load_rule("clapp"), widths=(6, 5), spiking=step, backend="rate")
    chip = Settings(
        load_rule("clapp"), widths=(6, 5), shared=False, spiking=step, backend="loihi", batch=1, optimizer="sgd",
        options=Hardware(calibration=(20, 2)), dtype=torch.float64,
    )  # fmt: skip
    ensemble = Ensemble(chip, [task_], [0], [0.05])
    ensemble.train(3)
    for index, scale in enumerate(quantised_of(ensemble).program.scales, 1):
        steps = ensemble.parameters[f"layer{index}.weight"] * scale["weight"]
        torch.testing.assert_close(steps, steps.round(), rtol=0, atol=1e-6)  # whole numbers of a chip

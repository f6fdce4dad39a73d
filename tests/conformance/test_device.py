"""Learning on a device that is not the CPU, as far as a machine without a GPU can tell.

Tensors of torch's device "meta" have shapes and no numbers: an operation that mixes them with tensors of
the CPU raises, and so does one that waits for a number, which on a GPU would stop the queue in every step.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from plastic.models.backends.refusals import refusal
from plastic.models.network.outer import CACHED
from plastic.models.settings import Settings, SpikeInput, SpikingStep
from plastic.models.training.ensemble import Ensemble
from plastic.rules import all_rules, load_rule
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task

SETTINGS: dict[str, dict[str, Any]] = {
    "rates": {},
    "large weights": {"widths": (300, 300)},
    "sgd": {"optimizer": "sgd"},
    "bounded": {"weight_bound": 0.1},
    "context recomputed": {"recompute_context": True},
    "slow traces": {"statistics": "traces"},
    "dense": {"topology": "dense"},
    "local weights": {"shared": False},
    "convolution": {"topology": "conv"},
    "spikes": {"spiking": SpikingStep(), "spike_input": SpikeInput(5)},
    "spikes, sgd": {"spiking": SpikingStep(), "spike_input": SpikeInput(5), "optimizer": "sgd"},
}
OPTIONS: tuple[dict[str, str], ...] = ({}, {"sides": "both"}, {"sides": "current"}, {"mask": "batch"})


@cache
def tasks(conv: bool) -> list[Task]:
    if conv:
        return [digits_task(100, "class", seed, 100) for seed in (0, 1)]
    return [rhm_task(RandomHierarchyModel(levels=2, seed=seed), 128, seed=seed, test_size=100) for seed in (0, 1)]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("rule", sorted(all_rules()))
def test_a_step_stays_on_its_device_and_waits_for_nothing(rule: str, name: str) -> None:
    settings = {"widths": (16, 16), "batch": 8} | SETTINGS[name]
    ran, allowed = 0, all_rules()[rule].acts.sides
    options = (own for own in OPTIONS if own.get("sides", allowed[0]) in allowed)
    for known in dict.fromkeys(load_rule(rule, own) for own in options):
        if refusal(known, "snntorch" if "spiking" in settings else "rate", 8) is not None:
            continue
        ensemble = Ensemble(
            Settings(known, device=torch.device("meta"), **settings), tasks(name == "convolution"), [0, 1], [1e-3, 2e-3]
        )
        ensemble.train(3)
        learner = ensemble.learner
        numbers = [*learner.parameters.values(), *(v for v in learner.state.values() if v.dim() > 0)]
        assert {value.device.type for value in numbers} == {"meta"}
        assert all(held is None or held.context.device.type == "meta" for held in learner.held)
        assert name != "large weights" or max(w[0].numel() for w in learner.parameters.values()) > CACHED
        ran += 1
    if ran == 0:
        pytest.skip(f"{rule} does not run with {name}")


class Counter(TorchDispatchMode):
    """Counts the operations that reach the device, views among them."""

    count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), named: Any = None) -> Any:
        self.count += 1
        return operation(*arguments, **(named or {}))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rule", [name for name, rule in all_rules().items() if refusal(rule(), "rate", 8) is None])
def test_an_ensemble_sends_a_device_no_more_operations_than_one_network(rule: str, optimizer: str) -> None:
    """What makes it fast on a GPU, where a step of a small network is the launching of its operations."""
    counts = []
    for members in (1, 2):
        settings = Settings(
            load_rule(rule), widths=(300, 300), batch=8, device=torch.device("meta"), optimizer=optimizer
        )
        ensemble = Ensemble(settings, tasks(False)[:members], range(members), [1e-3, 2e-3][:members])
        ensemble.train(2)
        with Counter() as counter:
            ensemble.train(1)
        counts.append(counter.count)
    assert counts[0] == counts[1] > 10


def test_waiting_for_a_number_would_be_noticed() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        torch.ones(3, device="meta").tolist()
    with pytest.raises(RuntimeError, match="device"):
        torch.ones(3, device="meta") + torch.ones(3)

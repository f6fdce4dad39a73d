"""The spiking experiments: what they compare with computes the same network, and the demo's first stimuli."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plastic.config.settings import Stimuli
from plastic.experiments.benchmarks import brian2_by_hand
from plastic.experiments.benchmarks.plain_snntorch import PlainNetwork
from plastic.experiments.benchmarks.spiking_cost import Steps, make
from plastic.experiments.studies.spiking import RUNS, beside_reference


@pytest.mark.usefixtures("numpy_code")
def test_the_first_200_stimuli_of_the_online_run_are_those_of_the_reference() -> None:
    pytest.importorskip("brian2")
    found = beside_reference(RUNS["online"][0], 200)
    assert found["stimuli"] == 200
    assert found["spikes"] > 5000
    assert found["spikes_differing"] == 0
    assert found["largest_weight_error"] < 1e-6
    assert found["smallest_weight_change"] > 0.01


def test_plain_snntorch_is_the_same_network() -> None:
    steps = Steps(make(Stimuli(levels=2), time_steps=10))
    spikes, _, labels = steps.next()
    weights = [steps.learner.parameters[f"layer{k}.weight"][0] for k in (1, 2)]
    plain = PlainNetwork(steps.learner.network, steps.simulator.step, weights)
    expected = steps.simulator.features(steps.learner.parameters, spikes)[-1][0]
    torch.testing.assert_close(plain(spikes[0]).detach(), expected)
    assert expected.mean() > 0.01
    plain.learn(spikes[0], labels[0], torch.optim.SGD(plain.parameters(), lr=1.0))
    assert all((p.weight != w).any() for p, w in zip(plain.linear, weights, strict=True))


@pytest.mark.usefixtures("numpy_code")
def test_the_script_by_hand_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("brian2")
    monkeypatch.setattr(brian2_by_hand, "STIMULI", 20)
    (row,) = brian2_by_hand.side_by_side_with_backend(1)["table"]
    assert row["largest_relative_difference_of_a_weight"] < 1e-9
    assert np.isfinite(row["plastic_over_by_hand"])

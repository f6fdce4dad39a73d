"""What a float run tells the quantiser: ranges of weights, eligibilities and modulators, by loops of its own."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from plastic.experiments.studies.chip_exact import settings, task
from plastic.hardware.compiler import calibration
from plastic.models.learning.learner import Observation
from plastic.models.learning.observer import Look
from plastic.models.training.ensemble import Ensemble


@pytest.mark.parametrize("decays", [(), (0.9,), (0.9, 0.5)])
def test_what_a_step_holds_and_is_sent_is_what_a_filter_step_by_step_says(decays: tuple[float, ...]) -> None:
    """Σ_t m L_t ē_t of one eligibility that is filtered once per decay: what it is weighed by comes from autograd."""
    generator = torch.Generator().manual_seed(0)
    time, neurons, fan_in = 7, 3, 4
    signal = torch.randn(1, time, 1, 1, neurons, generator=generator, dtype=torch.float64)
    post = torch.rand(1, time, 1, 1, neurons, generator=generator, dtype=torch.float64)
    pre = torch.rand(1, time, 1, 1, fan_in, generator=generator, dtype=torch.float64)
    modulator = torch.randn(1, 1, 1, neurons, generator=generator, dtype=torch.float64)

    grown = torch.einsum("tn,tk->tnk", post[0, :, 0, 0], pre[0, :, 0, 0]).requires_grad_()
    course = list(grown)
    for decay in decays:
        for t in range(1, time):
            course[t] = decay * course[t - 1] + course[t]
    eligibility = torch.stack(course)
    (factor,) = torch.autograd.grad((signal[0, :, 0, 0, :, None] * eligibility).sum(), grown)

    weighed = SimpleNamespace(factor=factor[None, :, None, None, :, 0])
    sent = calibration._sent(SimpleNamespace(response=weighed, modulator=modulator), decays)  # type: ignore[arg-type]
    torch.testing.assert_close(sent, (modulator[:, None] * signal)[0])
    largest = calibration._largest(SimpleNamespace(post=post, pre=pre), decays)  # type: ignore[arg-type]
    torch.testing.assert_close(largest[0, 0].double(), eligibility.detach().amax(0), atol=1e-6, rtol=1e-6)


def test_ranges_are_those_of_a_run_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Ensemble] = []

    class Kept(Ensemble):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            made.append(self)

    monkeypatch.setattr(calibration, "Ensemble", Kept)
    streams, stimuli, rate = 4, 12, 0.1
    given = settings("clapp", "loihi")
    ranges = calibration.float_run(given, task(1), 1, rate, stimuli, streams)
    assert made[0].learned == stimuli

    floating = replace(given, backend="snntorch", batch=streams, dtype=torch.float32)
    ensemble = Ensemble(floating, [task(1)], [1], [rate])
    seen: list[list[Any]] = [[[], [], 0.0] for _ in ranges]

    def watch(index: int, now: Observation) -> None:
        seen[index][0].append(now.modulator.numpy().ravel())
        seen[index][1].append(now.response.eligibility.per_synapse().numpy().ravel())

    for _ in range(stimuli):
        ensemble.train(1, Look(watch, None))
        for index, one in enumerate(seen):
            one[2] = max(one[2], float(np.abs(ensemble.parameters[f"layer{index + 1}.weight"].numpy()).max()))
    for found, (modulators, eligibilities, weight) in zip(ranges, seen, strict=True):
        m, e = (np.abs(np.concatenate(parts)) for parts in (modulators, eligibilities))
        m, e = m[m > 0], e[e > 0]
        assert len(m) > 20
        assert found.measured_on == "snntorch"
        assert found.weight == pytest.approx(weight)
        assert found.modulator == pytest.approx(np.percentile(m, 99.5))
        assert found.typical_modulator == pytest.approx(m.mean())
        assert np.percentile(e, 98.5) < found.eligibility < np.percentile(e, 99.9)  # of a sample
        assert found.typical_eligibility == pytest.approx(e.mean(), rel=0.05)

    calibration.float_run(given, task(1), 1, rate, 101, 1)
    assert made[1].learned == 101  # with stimuli between its looks, and a rest

"""snnTorch's neurons on a GPU: the same spikes and, in float64, the same learning as on the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from plastic.models.backends.refusals import refusal
from plastic.models.studies.case import Case, case_task
from plastic.models.training.ensemble import Ensemble
from plastic.rules import all_rules

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

CASES = {name: (name, {}, 4) for name, rule in all_rules().items() if refusal(rule(), "snntorch", 4) is None}
CASES |= {
    "lpl, one stream": ("lpl", {}, 1),
    "infonce, memory": ("infonce", {"negatives_from": "memory"}, 1),
    "simclr, memory": ("simclr", {"negatives_from": "memory"}, 1),
    "eprop, every step": ("eprop", {"learning_signal": "step"}, 4),
    "espp, online": ("espp", {"gate": "online"}, 4),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("name", CASES)
def test_a_gpu_learns_as_a_cpu_does(name: str, optimizer: str) -> None:
    rule, options, streams = CASES[name]
    settings = Case(rule, tuple(options.items()), streams=streams, optimizer=optimizer).settings("snntorch", "float64")
    ensembles = []
    for device in ("cpu", "cuda"):
        ensemble = Ensemble(replace(settings, device=torch.device(device)), [case_task(0)], [0], [0.01])
        start = {k: v.clone() for k, v in ensemble.parameters.items()}
        ensemble.train(8)
        again = Ensemble(replace(settings, device=torch.device(device)), [case_task(0)], [0], [0.01])
        again.restore({k: v.cpu() for k, v in ensemble.snapshot().items()})
        for one in (ensemble, again):
            one.train(4)
        ensembles += [ensemble, again]
    truth = ensembles[0].parameters
    if ensembles[0].settings.rule.acts.learn:
        assert any((truth[k] - v.cpu()).abs().max() > 1e-6 for k, v in start.items())
    for ensemble in ensembles[1:]:
        for key, value in ensemble.parameters.items():
            torch.testing.assert_close(value.cpu(), truth[key], rtol=1e-9, atol=1e-12)


def test_spikes_are_the_same() -> None:
    settings = Case("clapp").settings("snntorch", "float64")
    counts = []
    for device in ("cpu", "cuda"):
        ensemble = Ensemble(replace(settings, device=torch.device(device)), [case_task(0)], [0], [0.01])
        counts.append(ensemble.features(0, ensemble.tasks[0].test, "probe-test"))
    for one, other in zip(*counts, strict=True):
        assert one.sum() > 0
        assert (one == other).all()

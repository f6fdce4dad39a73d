"""The plain torch loop that the sweep is timed against trains the same networks."""

from __future__ import annotations

import pytest
import torch

from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.experiments.benchmarks.plain_torch import PlainTorch
from plastic.experiments.benchmarks.sweep import groups_of_the_figure
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Ensemble


@pytest.mark.parametrize("rule", ["clapp", "bp", "dfa", "vicreg", "infonce", "simclr", "lpl"])
def test_plain_torch_and_the_sweep_learn_the_same(rule: str) -> None:
    """A few steps of Adam from the same weights on the same streams.

    The first stimulus has no held view, which the loop makes up for the rules of two views by taking it
    twice: for these it starts from the second one's weights. Views are computed again with the present
    weights, as autograd has to.
    """
    two_views = rule in ("vicreg", "simclr", "lpl")
    config = resolve(
        Config(
            rule,
            "rate",
            stimuli=Stimuli(levels=3, train_size=100, test_size=50),
            network=Architecture(width=8),
            training=Training(batch=32, steps=4, context="recomputed" if two_views else "held"),
        )
    )
    ensemble = Ensemble(make_settings(config), [make_task(config)], [0], [1e-3])
    plain = PlainTorch(config)
    start = {k: v.detach().clone() for k, v in plain.weights.items()}
    if two_views:
        stimulus = plain.stream.next()
        plain.before = [plain.table[torch.as_tensor(stimulus.inputs[0].astype("int64"))].flatten(1)]
        ensemble.stream.next()
        ensemble.simulator.responder.before = plain.before[0][None]
    for _ in range(4):
        plain.step()
    ensemble.train(4)
    for name, value in plain.weights.items():
        ours = ensemble.parameters[name][0]
        torch.testing.assert_close(ours, value.detach(), rtol=0, atol=2e-4)
        assert (value - start[name]).detach().abs().max() > 1e-3, name


def test_all_rules_of_the_figure_that_learn_are_timed() -> None:
    rules = {members[0].config.rule: count for _, members, count in groups_of_the_figure()}
    learning = ["clapp", "bp", "dfa", "vicreg", "infonce", "simclr", "lpl"]
    assert rules == dict.fromkeys(learning, 50)  # ten grammars, five sizes

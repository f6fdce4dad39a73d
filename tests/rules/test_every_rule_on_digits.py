"""Every rule on handwritten digits: a short training leaves the top layer better than it was."""

from __future__ import annotations

import functools

import pytest
from test_learning import LEARNING_AS_RATES, SATURATING

from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.task import Task


@functools.cache
def digits() -> Task:
    return digits_task(1000, test_size=360)


def network(name: str) -> Ensemble:
    activation = "tanh" if name in SATURATING else "relu"
    settings = Settings(load_rule(name), (24, 24), topology="dense", activation=activation, batch=64)
    return Ensemble(settings, [digits()], [0], [2e-3])


@pytest.mark.parametrize("name", LEARNING_AS_RATES)
def test_digits_are_told_apart_better_than_by_random_features(name: str) -> None:
    ensemble = network(name)
    before = ensemble.probe()[-1]["class"]
    ensemble.train(1500 if name == "sdfa" else 250)  # a signed error does not shrink, so weights settle late
    assert ensemble.probe()[-1]["class"] > before + 0.02, before

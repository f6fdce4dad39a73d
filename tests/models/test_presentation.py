"""What rules of right and wrong data are shown: the label of the stimulus before beside every patch, or a pair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.settings import Settings
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.stream import Stream
from plastic.stimuli.strings import rhm_task

SEED, BATCH, STIMULI, CLASSES = 3, 5, 12, 4


@pytest.mark.parametrize("rule", ["ff", "scff", "clapp"])
def test_what_is_shown_is_put_together_from_this_stimulus_and_the_one_before(
    rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By loops, from a stream and an input code of the test's own; a run that is taken up again goes on so."""
    task = rhm_task(RandomHierarchyModel(6, CLASSES, 3, 2, seed=SEED), 40, seed=SEED, test_size=20)
    given = Settings(rule=load_rule(rule), widths=(12, 10), batch=BATCH)
    shown, respond = [], RateSimulator.respond

    def spy(self: RateSimulator, parameters: Any, inputs: torch.Tensor, **more: Any) -> Any:
        shown.append(inputs[0].double().numpy())
        return respond(self, parameters, inputs, **more)

    monkeypatch.setattr(RateSimulator, "respond", spy)
    first, second = (Ensemble(given, [task], [SEED], [0.01]) for _ in range(2))
    first.train(7)
    second.restore(first.snapshot())
    second.train(STIMULI - 7)
    assert len(shown) == STIMULI

    stream, codes = Stream([task], [SEED], BATCH), Ensemble(given, [task], [SEED], [0.01])
    before_label, before, wrong = np.zeros((BATCH, CLASSES)), np.zeros((BATCH, 24)), 0
    for count, found in enumerate(shown):
        stimulus = stream.next()
        alone = codes.encode(stimulus.inputs, "spikes", count)[0].double().numpy()
        label = np.zeros((BATCH, CLASSES))
        for one, k in enumerate(stimulus.labels[0]):
            label[one, k] = 1
        wanted = alone
        if rule == "scff":
            wanted = np.zeros_like(alone)
            for row, patch in np.ndindex(BATCH, 2):
                own = slice(12 * patch, 12 * patch + 12)
                pair = [*alone[row, own], *before[row, own]]
                wanted[row, own] = (alone + before)[row, own] / (sum(x * x for x in pair) / 24) ** 0.5
        if rule == "ff":
            sites = codes.network.layers[0].positions
            assert sites == 2
            patches = np.split(alone, sites, axis=-1)
            beside = np.broadcast_to(before_label, (*alone.shape[:-1], CLASSES))
            wanted = np.concatenate([part for patch in patches for part in (patch, beside)], axis=-1)
            wrong += int((before_label != label).any(1).sum())
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        before_label, before = label, alone
    assert rule != "ff" or 10 < wrong < BATCH * STIMULI - 10  # right labels and wrong ones


def test_a_probe_of_a_rule_that_is_shown_labels_sees_none(monkeypatch: pytest.MonkeyPatch) -> None:
    task = rhm_task(RandomHierarchyModel(6, CLASSES, 3, 2, seed=SEED), 40, seed=SEED, test_size=20)
    ensemble = Ensemble(Settings(rule=load_rule("ff"), widths=(12, 10), batch=BATCH), [task], [SEED], [0.01])
    features, seen = RateSimulator.features, []

    def spy(self: RateSimulator, parameters: Any, inputs: torch.Tensor) -> Any:
        seen.append(inputs[0].double().numpy())
        return features(self, parameters, inputs)

    monkeypatch.setattr(RateSimulator, "features", spy)
    ensemble.features(0, task.test, "probe-test")
    (found,) = seen
    alone = ensemble.encode(task.test.inputs[None], "probe-test", 0)[0].double().numpy()
    none = np.full((len(task.test), CLASSES), 1 / CLASSES)
    left, right = np.split(alone, 2, axis=1)
    np.testing.assert_allclose(found, np.concatenate([left, none, right, none], axis=1), atol=1e-6)

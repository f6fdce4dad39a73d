"""Synonyms are exchanged where they should be, and S_{k,l} is what its definition says."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from plastic.config.defaults import resolve
from plastic.config.settings import Config, Stimuli
from plastic.experiments.sweeps.measures import grammar_of, invariance
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.random import generator
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.synonyms import choices_of, exchange

GRAMMAR = RandomHierarchyModel(symbols=6, classes=4, synonyms=3, levels=3, seed=5)


def test_choices_are_those_that_the_strings_were_derived_by() -> None:
    random = np.random.default_rng(0)
    top = random.integers(4, size=(50, 1)).astype(np.uint8)
    chosen = random.integers(3, size=(50, GRAMMAR.choices)).astype(np.uint32)
    found = choices_of(GRAMMAR, GRAMMAR.derive(top, chosen))
    assert np.array_equal(np.concatenate(found, axis=1), chosen)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_exchange_keeps_all_above_and_changes_the_level(level: int) -> None:
    latents = GRAMMAR.sample(400, seed=1)
    strings = exchange(GRAMMAR, latents, level, generator(0, "test"))
    parsed_all = [parse(s) for s in strings]
    for k in range(GRAMMAR.levels - level + 1):
        assert np.array_equal([p[k] for p in parsed_all], latents[k])
    tuples = np.array([p[GRAMMAR.levels - level + 1] for p in parsed_all])
    changed = (tuples != latents[GRAMMAR.levels - level + 1]).reshape(-1, 2).any(1).mean()
    assert changed == pytest.approx(2 / 3, abs=0.06), "a random synonym is another one with probability 1 − 1/m"
    exchanged = tuple(np.array([p[k] for p in parsed_all]) for k in range(GRAMMAR.levels + 1))
    numbers = zip(choices_of(GRAMMAR, latents), choices_of(GRAMMAR, exchanged), strict=True)
    same = [np.array_equal(before, after) for before, after in numbers]
    assert same == [table != GRAMMAR.levels - level for table in range(GRAMMAR.levels)]


def parse(string: np.ndarray) -> list[list[int]]:
    """Read a string upwards, by looking every tuple up."""
    levels = [[int(x) for x in string]]
    for table in reversed(GRAMMAR.rules):
        parents = {tuple(int(x) for x in t): p for p, own in enumerate(table) for t in own}
        below = levels[0]
        levels.insert(0, [parents[tuple(below[i : i + 2])] for i in range(0, len(below), 2)])
    return levels


def test_invariance_of_a_class_code_is_0_and_of_the_input_is_its_share() -> None:
    config = resolve(Config(backend="rate", stimuli=Stimuli(levels=3, symbols=6, classes=4, synonyms=3), seed=5))
    assert grammar_of(config) == GRAMMAR
    task = rhm_task(GRAMMAR, 500, seed=5, test_size=900)

    def features(member: int, examples: object, purpose: str) -> list[np.ndarray]:
        """Layer 1: the input; layer 2: the class, found by parsing; layer 3 says the same of everything."""
        assert (member, purpose) == (0, "invariance")
        inputs = examples.inputs  # type: ignore[attr-defined]
        classes = [parse(s)[0][0] for s in inputs]
        return [np.eye(6)[inputs].reshape(len(inputs), -1), np.eye(4)[classes], np.ones((len(inputs), 2))]

    found = invariance(SimpleNamespace(tasks=[task], features=features), 0, config)  # type: ignore[arg-type]
    assert found[1] == found[2] == [0, 0, 0]
    # both symbols of a tuple change or stay; by hand: share of input symbols that a level-1 exchange alters,
    # over the share that differs between two strings
    strings = task.test.inputs
    tables = GRAMMAR.rules[-1]
    alters = np.mean([[(a != b).mean() for a in own for b in own] for own in tables])
    differs = np.mean(strings[:450] != strings[450:])
    assert found[0][0] == pytest.approx(alters / differs, rel=0.08)
    assert all(0.3 < share < 1.3 for share in found[0])

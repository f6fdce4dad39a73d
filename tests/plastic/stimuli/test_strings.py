"""Strings as a task: disjoint sets, what a pairing shows, which sizes there are."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.errors import PlasticError
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stream
from plastic.stimuli.strings import InputFormat, rhm_task, symbol_table
from plastic.stimuli.task import Examples

SMALL = RandomHierarchyModel(4, 3, 2, 2, 2, seed=1)  # 24 strings
MEDIUM = RandomHierarchyModel(4, 4, 2, 3, 2, seed=2)  # 512 strings
LARGE = RandomHierarchyModel(8, 8, 4, 5, 2)  # 2^65 strings, whose keys are bytes


def strings(examples: Examples) -> list[tuple[int, ...]]:
    return [tuple(row) for row in examples.inputs.tolist()]


@given(train_size=st.integers(2, 500), seed=st.integers(0, 2**32), pairing=st.sampled_from(["class", "latent:2+fresh"]))
@settings(max_examples=40, deadline=None)
def test_train_and_test_have_no_string_in_common(train_size: int, seed: int, pairing: str) -> None:
    task = rhm_task(MEDIUM, train_size, pairing, seed)
    train, test = strings(task.train), strings(task.test)
    assert len(set(train)) == len(train) == train_size
    assert len(set(test)) == len(test) == 512 - train_size
    assert not set(train) & set(test)


def test_test_set_has_the_size_asked_for_or_4000() -> None:
    assert len(rhm_task(MEDIUM, 100, test_size=37).test) == 37
    task = rhm_task(RandomHierarchyModel(8, 8, 4, 3, 2), 1000)
    assert len(task.test) == 4000
    assert not set(strings(task.train)) & set(strings(task.test))


def test_latents_and_labels_come_with_their_strings() -> None:
    task = rhm_task(MEDIUM, 200)
    table = {tuple(string): row for row, string in enumerate(MEDIUM.sample(512, seed=9)[-1].tolist())}
    levels = MEDIUM.sample(512, seed=9)
    for examples in (task.train, task.test):
        assert list(examples.latents) == ["class", "level 1", "level 2"]
        rows = [table[string] for string in strings(examples)]
        assert np.array_equal(examples.labels, levels[0][rows, 0])
        for level, values in zip(levels[:-1], examples.latents.values(), strict=True):
            assert np.array_equal(values, level[rows])


def test_seed_draws_the_strings_of_a_task() -> None:
    one, same, other = (strings(rhm_task(MEDIUM, 100, seed=seed).train) for seed in (0, 0, 1))
    assert one == same
    assert 5 < len(set(one) & set(other)) < 50  # by chance 100 · 100 / 512


def test_class_pairing_makes_an_object_of_a_class() -> None:
    task = rhm_task(MEDIUM, 100)
    assert task.view is None
    assert np.array_equal(task.objects, task.train.labels)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_latent_pairing_makes_an_object_of_the_top_levels(level: int) -> None:
    task = rhm_task(MEDIUM, 100, f"latent:{level}")
    top = np.concatenate(list(task.train.latents.values())[:level], axis=1)
    same = (top[:, None] == top[None]).all(-1)
    assert np.array_equal(task.objects[:, None] == task.objects[None], same)
    assert 100 < same.sum() < 100 * 100


def test_latent_pairing_never_shows_a_test_string() -> None:
    task = rhm_task(SMALL, 12, "latent:1+fresh", test_size=6)
    train, test = set(strings(task.train)), set(strings(task.test))
    assert task.view is not None
    index = np.tile(np.arange(12), (300, 1))
    shown = task.view(index, np.ones(index.shape, dtype=bool), generator(0, "stream"))
    seen = Counter((i, tuple(s)) for row in shown.tolist() for i, s in enumerate(row))
    assert not {string for _, string in seen} & test
    # without the ban every test string would have come up
    train_latents = tuple(level[:12] for level in SMALL.sample(18, 0))
    assert strings(task.train) == [tuple(s) for s in train_latents[-1].tolist()]
    at_risk = [SMALL.redraw(train_latents, 1, generator(k, "stream"))[-1].tolist() for k in range(50)]
    assert {tuple(s) for redrawn in at_risk for s in redrawn} >= test
    # strings of neither set are shown, and each shares its class with the string it stands for
    parsed = {tuple(s): int(c[0]) for s, c in zip(*(SMALL.sample(24)[k].tolist() for k in (-1, 0)), strict=True)}
    for i, string in seen:
        assert parsed[string] == task.train.labels[i]
    assert {string for _, string in seen} - train


def test_latent_pairing_bans_test_strings_whose_keys_are_bytes() -> None:
    """Strings of 32 symbols: redrawing only the lowest level gives 4^16 of them, so the test set is planted."""
    task = rhm_task(LARGE, 4, "latent:5+fresh", test_size=8)
    view = task.view
    assert view is not None
    index, fixation = np.zeros((1, 64), dtype=np.int64), np.arange(64)[None] % 3 == 0
    free = view(index, fixation, generator(0, "stream"))[0]
    assert len({tuple(s) for s in free.tolist()}) == 64
    planted = type(view)(LARGE, view.train, 5, np.sort(LARGE.code(free[::2])))  # type: ignore[attr-defined, call-arg]
    again = planted(index, fixation, generator(0, "stream"))[0]
    assert np.array_equal(again[1::2], free[1::2])
    assert np.array_equal(again[::2], np.repeat(task.train.inputs[:1], 32, axis=0))


@pytest.mark.parametrize("branching", [2, 3, 4])
def test_within_pairing_shows_the_two_halves_in_turn(branching: int) -> None:
    model = RandomHierarchyModel(8, 8, 4, 3, branching)
    task = rhm_task(model, 8, "within", test_size=10)
    assert len(set(task.objects.tolist())) == 8
    d = model.length
    cut = d // branching * (branching // 2)
    blank = [model.symbols]
    halves = {}
    for i, string in enumerate(task.train.inputs.tolist()):
        halves[tuple(string[:cut] + blank * (d - cut))] = (i, "left")
        halves[tuple(blank * cut + string[cut:])] = (i, "right")
    assert len(halves) == 16  # of these eight strings no two share a half
    stream = Stream([task], [0], 50)
    before, sides, fixations = None, Counter[str](), 0
    for _ in range(150):  # across blocks of the stream
        stimulus = stream.next()
        now = [halves[tuple(row)] for row in stimulus.inputs[0].tolist()]
        for stays, a, b in zip(stimulus.fixation[0], before or now, now, strict=True):
            if stays:
                assert a[0] == b[0]
                assert a[1] != b[1]
                fixations += 1
            else:
                sides[b[1]] += 1
                assert before is None or a[0] != b[0]
        before = now
    assert fixations > 3000
    assert abs(sides["left"] - sides["right"]) < 5 * np.sqrt(sides.total())


@pytest.mark.parametrize(("v", "s"), [(2, 2), (3, 2), (8, 2), (2, 3)])
def test_within_is_refused_where_it_carries_no_information(v: int, s: int) -> None:
    model = RandomHierarchyModel(v, v, v ** (s - 1), 2, s)
    with pytest.raises(PlasticError, match="'within' carries no information"):
        rhm_task(model, 3, "within")
    rhm_task(model, 3, "class")  # the same sizes are right for another pairing


@pytest.mark.parametrize(
    ("train_size", "test_size"), [(1, None), (0, None), (-5, None), (512, None), (509, None), (10**9, None),
                                  (500, 13), (510, 2), (100, 4000)]
)  # fmt: skip
def test_sizes_that_the_grammar_has_not_are_refused(train_size: int, test_size: int | None) -> None:
    with pytest.raises(PlasticError, match="--train-size") as caught:
        rhm_task(MEDIUM, train_size, test_size=test_size)
    if at_most := re.search(r"at most (-?\d+)", str(caught.value)):  # the advice is good
        largest = int(at_most[1])
        if largest >= 2:
            test_size = None if test_size == 2 else test_size
            assert len(rhm_task(MEDIUM, largest, test_size=test_size).train) == largest
            with pytest.raises(PlasticError):
                rhm_task(MEDIUM, largest + 1, test_size=test_size)


@pytest.mark.parametrize("test_size", [3, 0, -1])
def test_a_test_set_that_is_too_small_is_named(test_size: int) -> None:
    with pytest.raises(PlasticError, match="--test-size"):
        rhm_task(MEDIUM, 100, test_size=test_size)


@given(symbols=st.integers(2, 40))
def test_whitened_symbols_have_zero_mean_and_unit_norm(symbols: int) -> None:
    table = symbol_table(symbols, "whitened")
    assert table.shape == (symbols + 1, symbols)
    assert np.allclose(table[:-1].sum(1), 0)
    assert np.allclose((table[:-1] ** 2).sum(1), 1)
    assert not table[-1].any()
    # all pairs of symbols are equally far apart, so nothing but identity is encoded
    gram = table[:-1] @ table[:-1].T
    assert np.allclose(gram[~np.eye(symbols, dtype=bool)], -1 / (symbols - 1))


def test_one_hot_symbols() -> None:
    assert symbol_table(3, "onehot").tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("input_format", ["whitened", "onehot"])
def test_intensity_for_spikes_is_one_hot_and_blank_is_silent(input_format: InputFormat) -> None:
    task = rhm_task(SMALL, 12, input_format=input_format)
    inputs = np.array([[0, 3, 4, 1]], dtype=np.uint8)  # 4 is the blank of four symbols
    expected = [1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0]
    assert task.intensity(inputs).tolist() == [expected]


def test_chance_is_the_share_of_the_commonest_test_class() -> None:
    task = rhm_task(MEDIUM, 450)
    commonest = Counter(task.test.labels.tolist()).most_common(1)[0][1]
    assert task.chance == commonest / 62

"""Pairings of strings: what stays at a fixation, which strings are shown how often, and how many there are."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from plastic.errors import PlasticError
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.stream import Stream
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Examples, Task

String = tuple[int, ...]
TINY = RandomHierarchyModel(4, 3, 2, 2, 2, seed=1)  # 24 strings
MEDIUM = RandomHierarchyModel(4, 4, 2, 3, 2, seed=2)  # 512 strings


def strings(examples: Examples) -> list[String]:
    return [tuple(row) for row in examples.inputs.tolist()]


def enumerated(grammar: RandomHierarchyModel) -> dict[String, tuple[String, ...]]:
    """Every string with its levels from the class on, by the rules alone."""
    derived: list[tuple[String, ...]] = [((c,),) for c in range(grammar.classes)]
    for table in grammar.rules:
        derived = [
            (*levels, tuple(itertools.chain.from_iterable(written)))
            for levels in derived
            for written in itertools.product(*(table[symbol].tolist() for symbol in levels[-1]))
        ]
    return {levels[-1]: levels[:-1] for levels in derived}


LATENTS = {grammar: enumerated(grammar) for grammar in (TINY, MEDIUM)}


def objects(task: Task, grammar: RandomHierarchyModel, keep: int) -> dict[tuple[String, ...], list[String]]:
    """The training strings of each object of latent:keep."""
    found = defaultdict(list)
    for string in strings(task.train):
        found[LATENTS[grammar][string][:keep]].append(string)
    return found


def test_the_grammars_are_enumerated() -> None:
    assert (len(LATENTS[TINY]), len(LATENTS[MEDIUM])) == (24, 512)


@given(
    keep=st.integers(1, 3), drawn=st.sampled_from(["", "+fresh"]), size=st.integers(60, 400), seed=st.integers(0, 2**32)
)
@settings(max_examples=40, deadline=None)
def test_a_fixation_keeps_the_top_latents_and_a_saccade_does_not(keep: int, drawn: str, size: int, seed: int) -> None:
    task = rhm_task(MEDIUM, size, f"latent:{keep}{drawn}", seed, 100)
    latents, train, test = LATENTS[MEDIUM], set(strings(task.train)), set(strings(task.test))
    of = objects(task, MEDIUM, keep)
    stream, before = Stream([task], [seed], 8), None
    for _ in range(70):
        stimulus = stream.next()
        now = [tuple(row) for row in stimulus.inputs[0].tolist()]
        assert [latents[string][0][0] for string in now] == stimulus.labels[0].tolist()
        assert not set(now) & test
        assert {latents[string][:keep] for string in now} <= of.keys()
        if not drawn:
            assert set(now) <= train
        for a, b, stays in zip(before or now, now, stimulus.fixation[0], strict=True):
            if before is not None:
                assert (latents[a][:keep] == latents[b][:keep]) == bool(stays)
            if stays and not drawn:
                assert (a == b) == (len(of[latents[b][:keep]]) == 1), "another one, where there is one"
        before = now


def exact_law(task: Task, pairing: str, keep: int) -> dict[String, float]:
    """How often a string of TINY is shown, from the rules of the pairing alone."""
    names, latents = strings(task.train), LATENTS[TINY]
    if pairing == "within":
        blank, law = (TINY.symbols,) * 2, defaultdict[String, float](float)
        for name in names:
            for half in (name[:2] + blank, blank + name[2:]):
                law[half] += 1 / (2 * len(names))
        return law
    of = objects(task, TINY, keep)
    alike = np.array([[latents[a][:keep] == latents[b][:keep] for b in names] for a in names])
    leap = np.where(alike, 0, 1 / (~alike).sum(1, keepdims=True))
    values, vectors = np.linalg.eig(leap.T)
    rest = np.real(vectors[:, np.argmin(abs(values - 1))])  # the law that a saccade does not change
    rest /= rest.sum()
    if not pairing.endswith("+fresh"):
        return dict(zip(names, rest, strict=True))
    test, law = set(strings(task.test)), defaultdict[String, float](float)
    for name, share in zip(names, rest, strict=True):
        below = [string for string, levels in latents.items() if levels[:keep] == latents[name][:keep]]
        for string in below:
            law[name if string in test else string] += share / len(below)
    assert len(of) < len(names)
    return law


def counted(task: Task, seed: int) -> dict[bool, Counter[String]]:
    """What 10 000 independent streams show after twenty stimuli, by whether they stayed."""
    stream = Stream([task], [seed], 10_000)
    stimulus = [stream.next() for _ in range(20)][-1]
    found: dict[bool, Counter[String]] = {True: Counter(), False: Counter()}
    for string, stays in zip(stimulus.inputs[0].tolist(), stimulus.fixation[0], strict=True):
        found[bool(stays)][tuple(string)] += 1
    return found


def surprise(counts: Counter[String], law: dict[String, float]) -> float:
    """p of a chi-square test; 0 where something was shown that the law does not know."""
    if not counts.keys() <= law.keys():
        return 0.0
    n = counts.total()
    assert min(law.values()) * n > 5
    return float(chisquare([counts[s] for s in law], [n * share for share in law.values()]).pvalue)


@pytest.mark.parametrize("size", [9, 14])  # objects of unequal sizes
@pytest.mark.parametrize("pairing", ["class", "latent:1", "latent:2", "latent:1+fresh", "latent:2+fresh", "within"])
def test_fixations_and_saccades_show_every_string_as_often(pairing: str, size: int) -> None:
    keep = int(pairing[7]) if pairing.startswith("latent") else 1
    task = rhm_task(TINY, size, pairing, seed=4, test_size=8)
    law = exact_law(task, pairing, keep)
    assert sum(law.values()) == pytest.approx(1)
    for counts in counted(task, 3).values():
        assert counts.total() > 4_700
        assert surprise(counts, law) > 1e-4


@pytest.mark.parametrize("keep", [1, 2])
def test_the_law_of_earlier_versions_showed_other_strings_at_saccades(keep: int) -> None:
    """So the test above could have seen it."""
    task = rhm_task(TINY, 9, f"latent:{keep}+fresh-fixations", seed=4, test_size=8)
    law, counts = exact_law(task, f"latent:{keep}+fresh", keep), counted(task, 3)
    assert surprise(counts[True], law) > 1e-4
    assert surprise(counts[False], law) < 1e-12
    assert surprise(counts[False], exact_law(task, f"latent:{keep}", keep)) > 1e-4


@pytest.mark.parametrize("pairing", ["class", "latent:1", "latent:2", "within", "latent:1+fresh", "latent:2+fresh"])
@pytest.mark.parametrize("size", [6, 12])
def test_as_many_strings_are_shown_as_the_task_says(pairing: str, size: int) -> None:
    """Of a grammar small enough that all are; halves of one string are one."""
    task = rhm_task(TINY, size, pairing, seed=4, test_size=8)
    stream, shown = Stream([task], [0], 200), set()
    for _ in range(200):
        shown |= {tuple(row) for row in stream.next().inputs[0].tolist()}
    most = 40_000
    if pairing == "within":
        assert len(shown) <= 2 * size
        shown = {name for name in strings(task.train) if {(*name[:2], 4, 4), (4, 4, *name[2:])} <= shown}
    assert len(shown) == task.shown_at_most(most)
    assert (task.shown_at_most(most) == size) == (not pairing.endswith("+fresh"))
    assert task.shown_at_most(5) == 5


def test_strings_that_no_list_can_hold_are_counted() -> None:
    """2^65 strings in all: 4^31 below each class, of which eight are to test on."""
    task = rhm_task(RandomHierarchyModel(8, 8, 4, 5, 2), 100, "latent:1+fresh", test_size=8)
    assert task.shown_at_most(2**80) == 8 * 4**31 - 8


def test_the_top_latent_is_the_class() -> None:
    one, other = (rhm_task(MEDIUM, 100, pairing, test_size=50) for pairing in ("latent:1", "class"))
    first, second = Stream([one], [3], 7), Stream([other], [3], 7)
    for _ in range(130):
        assert np.array_equal(first.next().inputs, second.next().inputs)


def test_strings_that_are_all_alone_with_their_latents_are_refused() -> None:
    task = rhm_task(TINY, 3, "latent:2+fresh", test_size=8)
    assert len(set(task.objects.tolist())) == 3
    with pytest.raises(PlasticError, match=r"no two of the 3 training strings .* --pairing latent:2\+fresh"):
        rhm_task(TINY, 3, "latent:2", test_size=8)


@pytest.mark.parametrize(
    "pairing", ["halves", "latent", "latent:", "latent:x", "latent:-1", "label:1", "latent:²", "", "latent:1+old",
                "latent:1+", "class+fresh", "within+fresh", "latent:1+fresh "],
)  # fmt: skip
def test_unknown_pairings_are_refused(pairing: str) -> None:
    with pytest.raises(PlasticError, match=r"unknown pairing .*class, latent:K .*, latent:K\+fresh or within"):
        rhm_task(MEDIUM, 100, pairing)


@pytest.mark.parametrize("pairing", ["latent:0", "latent:4", "latent:4+fresh"])
def test_levels_that_the_grammar_has_not_are_refused(pairing: str) -> None:
    with pytest.raises(PlasticError, match="choose latent:1 … latent:3"):
        rhm_task(MEDIUM, 100, pairing)

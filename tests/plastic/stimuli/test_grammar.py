"""The Random Hierarchy Model against derivations enumerated one by one in plain Python."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from plastic.errors import PlasticError
from plastic.stimuli.grammar import Latents, RandomHierarchyModel
from plastic.stimuli.random import generator

Symbols = tuple[int, ...]
Derivation = tuple[Symbols, ...]  # levels, class first

# v, n_c, m, L, s
SMALL = [(3, 2, 2, 2, 2), (4, 3, 2, 2, 2), (3, 3, 2, 1, 3), (3, 2, 2, 2, 3), (2, 2, 1, 3, 2), (4, 4, 2, 3, 2)]


def synonyms(model: RandomHierarchyModel, level: int, symbol: int) -> list[Symbols]:
    return [tuple(word) for word in model.rules[level][symbol].tolist()]


def derivations(model: RandomHierarchyModel, top: Symbols, level: int = 0) -> list[Derivation]:
    """Every way to rewrite `top`, a word of `level`, down to a string."""
    if level == model.levels:
        return [(top,)]
    found = []
    for words in itertools.product(*(synonyms(model, level, symbol) for symbol in top)):
        below = tuple(itertools.chain.from_iterable(words))
        found += [(top, *rest) for rest in derivations(model, below, level + 1)]
    return found


def every_derivation(model: RandomHierarchyModel) -> list[Derivation]:
    return [d for label in range(model.classes) for d in derivations(model, (label,))]


def as_derivations(latents: Latents) -> list[Derivation]:
    return list(zip(*([tuple(row) for row in level.tolist()] for level in latents), strict=True))


def parse(model: RandomHierarchyModel, string: Symbols) -> Derivation:
    """All levels of a string, bottom up; KeyError where it is not of the grammar."""
    levels = [string]
    for level in reversed(range(model.levels)):
        parents = model.classes if level == 0 else model.symbols
        parent_of = {word: symbol for symbol in range(parents) for word in synonyms(model, level, symbol)}
        below, s = levels[0], model.branching
        levels.insert(0, tuple(parent_of[below[i : i + s]] for i in range(0, len(below), s)))
    return tuple(levels)


def assert_uniform(counts: Counter[object] | np.ndarray, bins: int) -> None:
    """Chi-square of counts over `bins` equally likely cells."""
    observed = np.array(list(counts.values()) if isinstance(counts, Counter) else counts, dtype=float)
    observed = np.concatenate([observed, np.zeros(bins - len(observed))])
    expected = observed.sum() / bins
    assert expected >= 5, "too few draws for a chi-square test"
    assert chi2.sf(((observed - expected) ** 2 / expected).sum(), bins - 1) > 1e-4


@st.composite
def grammars(draw: st.DrawFn) -> RandomHierarchyModel:
    v, n_c = draw(st.integers(2, 6)), draw(st.integers(2, 8))
    s, levels = draw(st.integers(2, 3)), draw(st.integers(1, 3))
    parents = max(n_c, v) if levels > 1 else n_c
    n_c = min(n_c, v**s)
    m = draw(st.integers(1, max(v**s // max(parents, n_c), 1)))
    return RandomHierarchyModel(v, n_c, m, levels, s, draw(st.integers(0, 2**32)))


@pytest.mark.parametrize("size", SMALL)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_full_sample_is_every_derivation_once(size: tuple[int, ...], seed: int) -> None:
    model = RandomHierarchyModel(*size, seed=seed)
    expected = every_derivation(model)
    assert model.size == len(expected)
    assert len({d[-1] for d in expected}) == len(expected)  # one derivation per string
    assert Counter(as_derivations(model.sample(model.size, seed=5))) == Counter(expected)


def test_strings_of_a_small_grammar_are_equally_likely() -> None:
    model = RandomHierarchyModel(4, 3, 2, 2, 2)
    drawn = Counter(as_derivations(model.sample(1, seed))[0] for seed in range(1200))
    assert set(drawn) <= set(every_derivation(model))
    assert_uniform(drawn, 24)


def test_strings_of_a_large_grammar_are_equally_likely(monkeypatch: pytest.MonkeyPatch) -> None:
    model = RandomHierarchyModel(8, 8, 4, 3, 2)
    assert model.size == 131_072
    # more than 100 000 strings, of which fewer than a quarter: drawn one by one, not from a list
    monkeypatch.setattr(RandomHierarchyModel, "_from_index", None)
    latents = model.sample(30_000, seed=1)
    strings = as_derivations(latents)
    assert len(set(strings)) == 30_000
    chosen = []  # which class, and which synonym of the four at each of the seven rewritings
    for derivation in strings:
        picks = [derivation[0][0]]
        for level in range(3):
            above, below = derivation[level], derivation[level + 1]
            picks += [synonyms(model, level, symbol).index(below[2 * i : 2 * i + 2]) for i, symbol in enumerate(above)]
        chosen.append(picks)
    choices = np.array(chosen)
    bases = np.array([8] + [4] * 7)
    for i, j in itertools.combinations(range(8), 2):  # each pair of choices, jointly
        joint = np.bincount(choices[:, i] * bases[j] + choices[:, j], minlength=bases[i] * bases[j])
        assert_uniform(joint, int(bases[i] * bases[j]))
    # and all of them at once, in 1024 cells by an arbitrary weighing
    cell = choices @ np.array([1, 37, 91, 173, 211, 307, 401, 499]) % 1024
    expected = np.bincount(
        [sum(w * c for w, c in zip((1, 37, 91, 173, 211, 307, 401, 499), combination, strict=True)) % 1024
         for combination in itertools.product(range(8), *[range(4)] * 7)],
        minlength=1024,
    ) * (30_000 / 131_072)  # fmt: skip
    used = expected > 0
    observed = np.bincount(cell, minlength=1024)
    assert not observed[~used].any()
    statistic = ((observed[used] - expected[used]) ** 2 / expected[used]).sum()
    assert chi2.sf(statistic, int(used.sum()) - 1) > 1e-4
    # the first part of a sample, which is trained on, is like the rest
    assert_uniform(np.bincount(choices[:1000, 0], minlength=8), 8)


def test_drawn_strings_stay_different_where_collisions_are_certain() -> None:
    model = RandomHierarchyModel(8, 8, 4, 3, 2)
    count = 32_767  # just below a quarter: drawing that many once collides some 3700 times
    strings = model.sample(count, seed=2)
    assert len(set(map(tuple, strings[-1].tolist()))) == count
    assert all(len(level) == count for level in strings)


@given(model=grammars())
@settings(max_examples=60, deadline=None)
def test_no_two_symbols_share_a_tuple(model: RandomHierarchyModel) -> None:
    for level, table in enumerate(model.rules):
        parents = model.classes if level == 0 else model.symbols
        words = [tuple(word) for symbol in table.tolist() for word in symbol]
        assert table.shape == (parents, model.synonyms, model.branching)
        assert len(set(words)) == len(words) == parents * model.synonyms
        assert {symbol for word in words for symbol in word} <= set(range(model.symbols))


@given(model=grammars(), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_latents_are_the_parse_of_the_string(model: RandomHierarchyModel, seed: int) -> None:
    latents = model.sample(min(model.size, 20), seed)
    assert [level.shape[1] for level in latents] == [model.branching**k for k in range(model.levels + 1)]
    for derivation in as_derivations(latents):
        assert parse(model, derivation[-1]) == derivation


@pytest.mark.parametrize("keep", [1, 2])
def test_redraw_keeps_the_top_levels_and_draws_the_rest_uniformly(keep: int) -> None:
    model = RandomHierarchyModel(4, 3, 2, 2, 2, seed=4)
    one = tuple(np.repeat(level, 4000, axis=0) for level in model.sample(1))
    top = as_derivations(tuple(level[:1] for level in one))[0][:keep]
    again = as_derivations(model.redraw(one, keep, generator(0, "stream")))
    possible = {top[:-1] + rest for rest in derivations(model, top[-1], keep - 1)}
    assert len(possible) == {1: 8, 2: 4}[keep]
    drawn = Counter(again)
    assert set(drawn) == possible
    assert_uniform(drawn, len(possible))


@given(model=grammars(), data=st.data())
@settings(max_examples=40, deadline=None)
def test_redraw_is_again_of_the_grammar(model: RandomHierarchyModel, data: st.DataObject) -> None:
    keep = data.draw(st.integers(1, model.levels))
    latents = model.sample(min(model.size, 10), 1)
    again = model.redraw(latents, keep, generator(7, "stream"))
    for before, after in zip(as_derivations(latents), as_derivations(again), strict=True):
        assert before[:keep] == after[:keep]
        assert parse(model, after[-1]) == after


def test_the_number_of_strings_is_exact_beyond_any_float() -> None:
    model = RandomHierarchyModel(8, 8, 8, levels=5, branching=2)
    assert model.size == 8**32
    assert model.size + 1 != model.size
    assert model.size > 2**64
    strings = as_derivations(model.sample(200, seed=3))
    assert len(set(strings)) == 200
    assert all(parse(model, d[-1]) == d for d in strings)
    assert RandomHierarchyModel(3, 3, 3, levels=3, branching=3).size == 3 ** (1 + 1 + 3 + 9)


def test_seeds_of_grammar_and_sample_matter_apart() -> None:
    def model(seed: int) -> RandomHierarchyModel:
        return RandomHierarchyModel(8, 8, 4, 3, 2, seed=seed)

    def strings(grammar: int, sample: int) -> list[Derivation]:
        return as_derivations(model(grammar).sample(100, sample))

    assert strings(0, 0) == strings(0, 0)
    assert all(np.array_equal(a, b) for a, b in zip(model(0).rules, model(0).rules, strict=True))
    assert len(set(strings(0, 0)) & set(strings(0, 1))) < 5  # other strings, not another order
    assert all(not np.array_equal(a, b) for a, b in zip(model(0).rules, model(1).rules, strict=True))
    # levels have tables of their own
    assert not np.array_equal(model(0).rules[1], model(0).rules[2])


def integer(string: Symbols, base: int) -> int:
    return sum(symbol * base**place for place, symbol in enumerate(reversed(string)))


@pytest.mark.parametrize(("symbols", "levels"), [(2, 2), (3, 2), (15, 4), (16, 4), (8, 5), (300, 3)])
def test_codes_are_equal_for_equal_strings_only(symbols: int, levels: int) -> None:
    """15^16 < 2^64 <= 16^16, 8^32 and 300^8: both kinds of key."""
    model = RandomHierarchyModel(symbols, 2, 1, levels)
    base = np.random.default_rng(0).integers(symbols, size=(60, model.length))
    variants = [base, base.copy()]
    for position in range(model.length):  # neighbours that differ in one place, also by the most that there is
        for value in (0, symbols - 1):
            near = base[:2].copy()
            near[:, position] = value
            variants.append(near)
    strings = np.concatenate(variants).astype(model.rules[0].dtype)
    keys = model.code(strings)
    assert keys.shape == (len(strings),)
    exact = [integer(tuple(row), symbols) for row in strings.tolist()]
    assert len(set(exact)) < len(exact)
    same = np.array([[a == b for b in exact] for a in exact])
    assert np.array_equal(keys[:, None] == keys[None], same)
    assert len(np.unique(keys)) == len(set(exact))
    if symbols**model.length < 2**64:
        assert keys.tolist() == exact


def information(pairs: list[tuple[Symbols, Symbols]]) -> float:
    """H(left) + H(right) − H(both) in bits, of equally likely pairs."""

    def entropy(counts: Counter[object]) -> float:
        return -sum(n / len(pairs) * math.log2(n / len(pairs)) for n in counts.values())

    return entropy(Counter(a for a, _ in pairs)) + entropy(Counter(b for _, b in pairs)) - entropy(Counter(pairs))


@pytest.mark.parametrize("size", [*SMALL, (2, 2, 3, 2, 3), (4, 2, 2, 2, 2), (3, 4, 2, 2, 2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_half_information_is_that_between_the_halves_of_all_strings(size: tuple[int, ...], seed: int) -> None:
    model = RandomHierarchyModel(*size, seed=seed)
    half = model.length // model.branching * (model.branching // 2)
    expected = information([(d[-1][:half], d[-1][half:]) for d in every_derivation(model)])
    assert model.half_information() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("v", "s"), [(2, 2), (3, 2), (2, 3)])
def test_halves_say_nothing_where_all_tuples_are_in_use(v: int, s: int) -> None:
    model = RandomHierarchyModel(v, v, v ** (s - 1), 2, s)
    half = model.length // s * (s // 2)
    assert information([(d[-1][:half], d[-1][half:]) for d in every_derivation(model)]) == pytest.approx(0, abs=1e-9)
    assert model.half_information() == pytest.approx(0, abs=1e-12)


def test_halves_say_something_elsewhere() -> None:
    assert RandomHierarchyModel(4, 4, 2, 2, 2).half_information() > 0.1


@pytest.mark.parametrize(
    ("size", "named"),
    [
        ((2, 2, 3, 2, 2), "--synonyms to 2"),  # 2 · 3 tuples of 4
        ((8, 9, 8, 3, 2), "--synonyms to 7"),  # a level of 9 classes has 9 · 8 of 64
        ((8, 8, 9, 1, 2), "--synonyms to 8"),
        ((2, 5, 1, 1, 2), "--symbols"),  # 5 classes, 4 tuples: no number of synonyms helps
        ((1, 2, 1, 2, 2), "--symbols"),
        ((8, 1, 1, 2, 2), "--classes"),
        ((8, 8, 0, 2, 2), "--synonyms"),
        ((8, 8, 4, 0, 2), "--levels"),
        ((8, 8, 4, -1, 2), "--levels"),
        ((8, 8, 4, 2, 1), "--branching"),
        ((500, 8, 4, 2, 3), "--symbols"),  # 125 million tuples
        ((8, 8, 4, 60, 2), "--levels"),  # 2^60 symbols
        ((8, 8, 4, 2, 2000), "--branching"),
    ],
)
def test_impossible_grammars_are_refused(size: tuple[int, ...], named: str) -> None:
    with pytest.raises(PlasticError, match=named) as caught:
        RandomHierarchyModel(*size)
    assert "to 0" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [(2, 2, 2, 2, 2), (8, 8, 8, 2, 2), (8, 9, 7, 3, 2), (2, 4, 1, 1, 2), (9, 2, 2, 1, 2)])
def test_grammars_that_just_fit_are_taken(size: tuple[int, ...]) -> None:
    model = RandomHierarchyModel(*size)
    for derivation in as_derivations(model.sample(2)):
        assert parse(model, derivation[-1]) == derivation


def test_more_strings_than_there_are_is_refused() -> None:
    model = RandomHierarchyModel(4, 3, 2, 2, 2)
    with pytest.raises(PlasticError, match=r"24 strings .* 25 were asked for"):
        model.sample(25)

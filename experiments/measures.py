"""What a sweep can measure of a trained network, by name.

Each takes the ensemble, the member's index and its config, and returns plain JSON data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plastic.config import Config
from plastic.data.random import generator
from plastic.data.rhm import RandomHierarchyModel
from plastic.data.synonyms import exchange
from plastic.data.task import Examples
from plastic.models.training import Ensemble

Measure = Callable[[Ensemble, int, Config], Any]
EXCHANGED = 1000  # test strings whose synonyms are exchanged


def probe(ensemble: Ensemble, index: int, config: Config) -> list[dict[str, float]]:
    """Linear-probe test accuracy per layer: latent level → accuracy."""
    del config
    return [{k: round(v, 6) for k, v in layer.items()} for layer in ensemble.probe(index)]


def grammar_of(config: Config) -> RandomHierarchyModel:
    """The grammar that a resolved config draws its strings from."""
    s = config.stimuli
    assert s.levels is not None
    return RandomHierarchyModel(s.symbols, s.classes, s.synonyms, s.levels, s.branching, config.seed)


def invariance(ensemble: Ensemble, index: int, config: Config) -> list[list[float]]:
    """S_{k,l}: rows are layers k, columns levels l = 1 … L, level 1 being the input tuples.

    S = ⟨‖f_k(x) − f_k(P_l x)‖²⟩ / ⟨‖f_k(x) − f_k(y)‖²⟩, where P_l rewrites every level-l tuple by a
    random synonym and y is another string (Cagnetta et al. 2024). 1: as sensitive to synonyms as to
    anything else; 0: invariant. Averaged over test strings.
    """
    task, grammar = ensemble.tasks[index], grammar_of(config)
    test = _some(task.test, EXCHANGED)
    latents = (*test.latents.values(), test.inputs)
    here = ensemble.features(index, test, "invariance")
    random = generator(config.seed, "invariance")
    others = random.permutation(len(test))
    columns = []
    for level in range(1, grammar.levels + 1):
        swapped = Examples(exchange(grammar, latents, level, random), test.labels, test.latents)
        there = ensemble.features(index, swapped, "invariance")
        columns.append([_ratio(a, b, a[others]) for a, b in zip(here, there, strict=True)])
    return [[round(value, 6) for value in row] for row in zip(*columns, strict=True)]


def _some(examples: Examples, count: int) -> Examples:
    latents = {k: v[:count] for k, v in examples.latents.items()}
    return Examples(examples.inputs[:count], examples.labels[:count], latents)


def _ratio(here: np.ndarray, there: np.ndarray, others: np.ndarray) -> float:
    between = float(((here - others) ** 2).sum(1).mean())
    return float(((here - there) ** 2).sum(1).mean()) / between if between > 0 else 0.0


MEASURES: dict[str, Measure] = {"probe": probe, "invariance": invariance}

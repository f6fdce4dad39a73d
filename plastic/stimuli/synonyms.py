"""Strings of the Random Hierarchy Model with their synonyms exchanged at one level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from plastic.stimuli.grammar import Latents, RandomHierarchyModel, Symbols


def choices_of(grammar: RandomHierarchyModel, latents: Latents) -> list[NDArray[np.int64]]:
    """Which synonym every symbol was rewritten into: table k → (n, s^k). The inverse of `derive`."""
    found = []
    for table, above, below in zip(grammar.rules, latents[:-1], latents[1:], strict=True):
        tuples = below.reshape(*above.shape, grammar.branching)
        same = (table[above] == tuples[:, :, None]).all(-1)  # (n, s^k, m)
        assert same.any(-1).all(), "these latents are not of this grammar"
        found.append(same.argmax(-1))
    return found


def exchange(grammar: RandomHierarchyModel, latents: Latents, level: int, random: np.random.Generator) -> Symbols:
    """The strings (n, s^L) with every level-`level` tuple rewritten by a random synonym.

    Levels are counted from the input: 1 are the tuples of input symbols, L the tuple of the class.
    Below that level every symbol takes the synonym of the same number as before. The random synonym
    may be the one that was there, with probability 1/m, as in Cagnetta et al. 2024.
    """
    choices = choices_of(grammar, latents)
    table = grammar.levels - level
    choices[table] = random.integers(grammar.synonyms, size=choices[table].shape)
    strings = latents[table]
    for k in range(table, grammar.levels):
        strings = grammar.rules[k][strings, choices[k]].reshape(len(strings), -1)
    return strings

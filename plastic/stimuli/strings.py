"""Strings of the Random Hierarchy Model as a task: train and test sets, input format."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.grammar import Latents, RandomHierarchyModel
from plastic.stimuli.pairings import Pairing
from plastic.stimuli.task import Examples, Task

InputFormat = Literal["whitened", "onehot"]


def rhm_task(
    grammar: RandomHierarchyModel,
    train_size: int,
    pairing: str = "class",
    seed: int = 0,
    test_size: int | None = None,
    input_format: InputFormat = "whitened",
) -> Task:
    """P training strings and a test set without a string in common; what pairs them as one object.

    Pairings: `class`, `latent:K`, `latent:K+fresh`, `within` (see plastic.stimuli.pairings). Test size: 4000, or what
    is left.

    Raises PlasticError for sizes that the grammar has not, and for pairings without information.
    """
    paired = Pairing.of(pairing, grammar)
    test_size = checked_test_size(grammar, train_size, test_size)
    strings = grammar.sample(train_size + test_size, seed)
    train = tuple(level[:train_size] for level in strings)
    test = tuple(level[train_size:] for level in strings)
    return Task(
        name="rhm",
        train=_examples(train),
        test=_examples(test),
        objects=paired.objects(train),
        classes=grammar.classes,
        channels=grammar.symbols,
        branching=grammar.branching,
        analog=symbol_table(grammar.symbols, input_format),
        view=paired.view(grammar, train, test),
        distinct=paired.distinct(grammar, train, test),
    )


def symbol_table(symbols: int, input_format: InputFormat) -> NDArray[np.float64]:
    """Row per symbol, plus a last row for "no symbol". Whitened: (x − 1/v)/√(1 − 1/v), zero mean and
    unit norm per position."""
    table = np.eye(symbols)
    if input_format == "whitened":
        table = (table - 1 / symbols) / np.sqrt(1 - 1 / symbols)
    return np.vstack([table, np.zeros((1, symbols))])


def default_train_size(strings: int) -> int:
    """How many to train on, of all strings."""
    return max(min(4096, strings * 3 // 4), 2)


def default_test_size(left: int) -> int:
    """How many to test on, of those that are left."""
    return min(4000, left)


def checked_test_size(grammar: RandomHierarchyModel, train_size: int, test_size: int | None) -> int:
    """The test size, or its default; PlasticError for sizes that the grammar has not."""
    if train_size < 2:
        raise PlasticError(f"--train-size {train_size} is too small; take at least 2.")
    left = grammar.size - train_size
    least = min(grammar.classes, grammar.size // 4)
    wanted = default_test_size(left) if test_size is None else test_size
    if wanted < least <= left:
        raise PlasticError(f"--test-size {wanted} is too small; take at least {least}, or leave it out.")
    if wanted > left or wanted < least:
        raise PlasticError(
            f"this RHM has {grammar.size} different strings in all (n_c·m^((s^L−1)/(s−1))), so {train_size} to train "
            f"on leave {max(left, 0)} to test on, {max(wanted, least)} are wanted; lower --train-size (at most "
            f"{grammar.size - max(wanted if test_size else least, least)}) or raise --levels or --synonyms."
        )
    return wanted


def _examples(strings: Latents) -> Examples:
    latents = {"class" if k == 0 else f"level {k}": level.astype(np.int64) for k, level in enumerate(strings[:-1])}
    return Examples(strings[-1], strings[0][:, 0].astype(np.int64), latents)

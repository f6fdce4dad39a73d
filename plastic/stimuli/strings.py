"""Strings of the Random Hierarchy Model as a task: train and test sets, pairings, input format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.grammar import Latents, RandomHierarchyModel
from plastic.stimuli.task import Examples, Task, View

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

    Pairings: `class` (another training string of the same class; the label builds the stream and
    never enters the rule), `latent:k` (the levels 0..k−1 stay, all below is drawn again), `within`
    (the two halves of one string, the other half blank). Test size: 4000, or what is left.

    Raises PlasticError for sizes that the grammar has not, and for pairings without information.
    """
    keep = _latents_kept(pairing, grammar)
    if pairing == "within" and grammar.half_information() < 1e-12:
        raise PlasticError(
            f"pairing 'within' carries no information here: with {grammar.symbols} symbols, {grammar.classes} "
            f"classes and {grammar.synonyms} synonyms (m = v^(s−1)) every tuple is in use, so one half of a string "
            f"says nothing about the other; lower --synonyms or take --pairing class."
        )
    test_size = checked_test_size(grammar, train_size, test_size)
    strings = grammar.sample(train_size + test_size, seed)
    train = tuple(level[:train_size] for level in strings)
    test = tuple(level[train_size:] for level in strings)
    views: dict[str, View] = {"within": _Halves(grammar, train[-1])}
    if keep:
        views[pairing] = _Redrawn(grammar, train, keep, np.sort(grammar.code(test[-1])))
    objects = {"class": train[0][:, 0], "within": np.arange(train_size)}
    return Task(
        name="rhm",
        train=_examples(train),
        test=_examples(test),
        objects=(_object_ids(train, keep) if keep else objects[pairing]).astype(np.int64),
        classes=grammar.classes,
        channels=grammar.symbols,
        branching=grammar.branching,
        analog=symbol_table(grammar.symbols, input_format),
        view=views.get(pairing),
    )


def symbol_table(symbols: int, input_format: InputFormat) -> NDArray[np.float64]:
    """Row per symbol, plus a last row for "no symbol". Whitened: (x − 1/v)/√(1 − 1/v), zero mean and
    unit norm per position."""
    table = np.eye(symbols)
    if input_format == "whitened":
        table = (table - 1 / symbols) / np.sqrt(1 - 1 / symbols)
    return np.vstack([table, np.zeros((1, symbols))])


def _latents_kept(pairing: str, grammar: RandomHierarchyModel) -> int:
    """k of latent:k, 0 for the other pairings."""
    if pairing in ("class", "within"):
        return 0
    kind, _, level = pairing.partition(":")
    if kind != "latent" or not level.isdecimal():
        raise PlasticError(f"unknown pairing {pairing!r}; choose class, latent:K (K from 1 to --levels) or within.")
    if not 1 <= int(level) <= grammar.levels:
        raise PlasticError(
            f"pairing {pairing!r} asks for {level} levels of latents, this RHM has 1 to {grammar.levels}; "
            f"choose latent:1 … latent:{grammar.levels}."
        )
    return int(level)


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


def _object_ids(strings: Latents, keep: int) -> NDArray[np.int64]:
    top = np.concatenate([level.astype(np.int64) for level in strings[:keep]], axis=1)
    return np.unique(top, axis=0, return_inverse=True)[1].ravel()


@dataclass(frozen=True)
class _Redrawn:
    """latent:k. Saccade: the training string. Fixation: its top k levels, the rest drawn again.

    A string of the test set is never presented: the training string stands in for it.
    """

    grammar: RandomHierarchyModel
    train: Latents
    keep: int
    test_codes: NDArray[Any]

    def __call__(
        self, index: NDArray[np.int64], fixation: NDArray[np.bool_], random: np.random.Generator
    ) -> NDArray[Any]:
        strings = self.train[-1][index]
        latents = tuple(level[index[fixation]] for level in self.train)
        redrawn = self.grammar.redraw(latents, self.keep, random)[-1]
        codes = self.grammar.code(redrawn)
        at = np.minimum(np.searchsorted(self.test_codes, codes), len(self.test_codes) - 1)
        in_test = self.test_codes[at] == codes
        strings[fixation] = np.where(in_test[:, None], latents[-1], redrawn)
        return strings


class _Halves:
    """within. Saccade: either half of a string. Fixation: the other half of the same string."""

    def __init__(self, grammar: RandomHierarchyModel, strings: NDArray[Any]) -> None:
        self.blank, self.strings = grammar.symbols, strings
        part = grammar.length // grammar.branching
        self.in_left = np.arange(grammar.length) < part * (grammar.branching // 2)
        self.side: NDArray[np.bool_] | None = None

    def __call__(
        self, index: NDArray[np.int64], fixation: NDArray[np.bool_], random: np.random.Generator
    ) -> NDArray[Any]:
        drawn = random.random(fixation.shape) < 0.5
        strings = self.strings[index]
        side = self.side if self.side is not None else drawn[0]
        for step in range(len(index)):
            side = np.where(fixation[step], ~side, drawn[step])
            hidden = side[:, None] == self.in_left[None]
            strings[step][hidden] = self.blank
        self.side = side
        return strings

"""What counts as the same object among strings of the Random Hierarchy Model, and which strings are then shown.

| pairing | the object | a fixation shows | different strings |
|---|---|---|---|
| `class` | the class | another training string of it | P |
| `latent:K` | the latents of the top K levels | another training string of it | P |
| `latent:K+fresh` | the same | them kept, all below drawn again | all strings of the objects, test strings aside |
| `within` | the string | its other half | P |

A saccade shows, by the same law, another object. Where a training string is alone with its latents, a fixation of
`latent:K` shows it again. Level 0 is the class, so `latent:1` is `class`.

So a string that is seen alone says nothing of y. `latent:K+fresh-fixations` breaks that: at saccades it shows a
training string, at fixations one that is mostly not in the training set. It was the `latent:K` of earlier versions, and
is here for their runs to go on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.grammar import Latents, RandomHierarchyModel

Drawn = Literal["", "fresh", "fresh-fixations"]  # which strings are drawn anew: none, all, or those of fixations
LATENT = re.compile(r"latent:([0-9]+)(?:\+(fresh|fresh-fixations))?")


@dataclass(frozen=True)
class Pairing:
    """The pairing of a grammar's strings that a text such as "latent:2+fresh" names."""

    text: str
    keep: int = 0  # K of latent:K: levels 0 to K − 1 are the object; 0 for the other pairings
    drawn: Drawn = ""

    @classmethod
    def of(cls, text: str, grammar: RandomHierarchyModel) -> Pairing:
        """PlasticError for a pairing that is not known, has levels that the grammar has not, or no information."""
        if text == "within" and grammar.half_information() < 1e-12:
            raise PlasticError(
                f"pairing 'within' carries no information here: with {grammar.symbols} symbols, {grammar.classes} "
                f"classes and {grammar.synonyms} synonyms (m = v^(s−1)) every tuple is in use, so one half of a string "
                f"says nothing about the other; lower --synonyms or take --pairing class."
            )
        if text in ("class", "within"):
            return cls(text)
        if (found := LATENT.fullmatch(text)) is None:
            raise PlasticError(
                f"unknown pairing {text!r}; choose class, latent:K (K from 1 to --levels), latent:K+fresh or within."
            )
        keep, drawn = int(found[1]), cast(Drawn, found[2] or "")
        if not 1 <= keep <= grammar.levels:
            raise PlasticError(
                f"pairing {text!r} asks for {keep} levels of latents, this RHM has 1 to {grammar.levels}; "
                f"choose latent:1 … latent:{grammar.levels}."
            )
        return cls(text, keep, drawn)

    def objects(self, train: Latents) -> NDArray[np.int64]:
        """The object of each training string: (n,). PlasticError where every one is alone with its latents."""
        if self.text == "within":
            return np.arange(len(train[0]))
        if self.text == "class":
            return train[0][:, 0].astype(np.int64)
        ids = _ids(train, self.keep)
        if not self.drawn and len(np.unique(ids)) == len(ids):
            raise PlasticError(
                f"pairing {self.text!r} carries no information here: no two of the {len(ids)} training strings share "
                f"the latents of the top {self.keep} levels; raise --train-size, or take --pairing {self.text}+fresh."
            )
        return ids

    def view(self, grammar: RandomHierarchyModel, train: Latents, test: Latents) -> Redrawn | Halves | None:
        """What is shown in place of a training string; None: that string."""
        if self.text == "within":
            return Halves(grammar, train[-1])
        if self.drawn:
            codes = np.sort(grammar.code(test[-1]))
            return Redrawn(grammar, train, self.keep, codes, saccades=self.drawn == "fresh")
        return None

    def distinct(self, grammar: RandomHierarchyModel, train: Latents, test: Latents) -> int:
        """How many different strings there are to be shown; a Python integer, so it never overflows."""
        size = len(train[0])
        if not self.drawn:
            return size
        both = tuple(np.concatenate(level) for level in zip(train, test, strict=True))
        ids = _ids(both, self.keep)
        objects = np.unique(ids[:size])
        below = grammar.synonyms ** sum(grammar.branching**k for k in range(self.keep - 1, grammar.levels))
        return len(objects) * below - int(np.isin(ids[size:], objects).sum())


def _ids(strings: Latents, keep: int) -> NDArray[np.int64]:
    """One number for each combination of the latents of the top `keep` levels: (n,)."""
    top = np.concatenate([level.astype(np.int64) for level in strings[:keep]], axis=1)
    return np.unique(top, axis=0, return_inverse=True)[1].ravel().astype(np.int64)


@dataclass(frozen=True)
class Redrawn:
    """latent:K+fresh. The top K levels of the training string, the rest drawn again.

    A string of the test set is never presented: the training string stands in for it. Without `saccades` these show
    the training string itself.
    """

    grammar: RandomHierarchyModel
    train: Latents
    keep: int
    test_codes: NDArray[Any]
    saccades: bool = True

    def __call__(
        self, index: NDArray[np.int64], fixation: NDArray[np.bool_], random: np.random.Generator
    ) -> NDArray[Any]:
        again = np.ones_like(fixation) if self.saccades else fixation
        strings = self.train[-1][index]
        latents = tuple(level[index[again]] for level in self.train)
        redrawn = self.grammar.redraw(latents, self.keep, random)[-1]
        codes = self.grammar.code(redrawn)
        at = np.minimum(np.searchsorted(self.test_codes, codes), len(self.test_codes) - 1)
        in_test = self.test_codes[at] == codes
        strings[again] = np.where(in_test[:, None], latents[-1], redrawn)
        return strings


class Halves:
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

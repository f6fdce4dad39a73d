"""The Random Hierarchy Model, exact.

n_c classes; each class, and each of the v symbols of every hidden level, is rewritten into one of m
s-tuples of the level below (its *synonyms*), all equally likely. The tuples are drawn without
replacement, so no two symbols share one and a string has exactly one derivation. After L levels a
string has s^L symbols; there are P_max = n_c · m^((s^L − 1)/(s − 1)) of them.

F. Cagnetta, L. Petrini, U. M. Tomasini, A. Favero, M. Wyart, "How deep neural networks learn
compositional data: the random hierarchy model", Physical Review X 14, 031001, 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.random import generator

Symbols = NDArray[np.integer[Any]]
Latents = tuple[Symbols, ...]  # level k of n strings: (n, s^k); level 0 is the class, level L the string

LARGEST_TUPLE_TABLE = 20_000_000
LONGEST_STRING = 2**20

CITATION = """@article{cagnetta2024how,
  title = {How deep neural networks learn compositional data: the random hierarchy model},
  author = {Cagnetta, Francesco and Petrini, Leonardo and Tomasini, Umberto M. and Favero, Alessandro
            and Wyart, Matthieu},
  journal = {Physical Review X},
  volume = {14},
  pages = {031001},
  year = {2024}
}"""


@dataclass(frozen=True)
class RandomHierarchyModel:
    """One grammar. `seed` draws its rules; samples have seeds of their own.

    Raises PlasticError where no such grammar exists (m · max(v, n_c) tuples must fit into v^s).
    """

    symbols: int = 8  # v
    classes: int = 8  # n_c
    synonyms: int = 4  # m
    levels: int = 3  # L
    branching: int = 2  # s
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("symbols", 2), ("classes", 2), ("synonyms", 1), ("levels", 1), ("branching", 2)):
            if getattr(self, name) < least:
                raise PlasticError(f"the RHM needs --{name} of at least {least}, not {getattr(self, name)}.")
        if self.levels * math.log(self.branching) > math.log(LONGEST_STRING) + 1e-9:
            raise PlasticError(
                f"strings of {self.levels} levels with branching {self.branching} are longer than {LONGEST_STRING} "
                f"symbols; lower --levels or --branching."
            )
        tuples = self.symbols**self.branching
        parents = max(self.classes, self.symbols if self.levels > 1 else 0)
        if self.synonyms * parents > tuples:
            remedy = f"lower --synonyms to {tuples // parents}" if tuples >= parents else "lower --classes"
            raise PlasticError(
                f"no such RHM: {parents} parents with {self.synonyms} synonyms each need "
                f"{parents * self.synonyms} different {self.branching}-tuples, and {self.symbols} symbols make "
                f"only {tuples}; {remedy} or raise --symbols."
            )
        if tuples > LARGEST_TUPLE_TABLE:
            raise PlasticError(
                f"the RHM with {self.symbols} symbols and branching {self.branching} has {tuples} tuples, more "
                f"than the {LARGEST_TUPLE_TABLE} that are listed; lower --symbols or --branching."
            )

    @cached_property
    def rules(self) -> tuple[Symbols, ...]:
        """Level k's rewriting table: (n_c or v parents, m synonyms, s symbols)."""
        return tuple(self._draw_rules(level) for level in range(self.levels))

    def _draw_rules(self, level: int) -> Symbols:
        parents = self.classes if level == 0 else self.symbols
        random = generator(self.seed, "rhm-rules", level)
        chosen = random.permutation(self.symbols**self.branching)[: parents * self.synonyms]
        digits = self.symbols ** np.arange(self.branching - 1, -1, -1)
        tuples = chosen[:, None] // digits % self.symbols
        return tuples.reshape(parents, self.synonyms, self.branching).astype(self._dtype)

    @property
    def _dtype(self) -> Any:
        return np.uint8 if max(self.symbols, self.classes) < 255 else np.uint16

    @property
    def length(self) -> int:
        """Symbols per string, d = s^L."""
        return int(self.branching**self.levels)

    @property
    def choices(self) -> int:
        """Rewritings per string, (s^L − 1)/(s − 1): the exponent of m in P_max."""
        return (self.length - 1) // (self.branching - 1)

    @property
    def size(self) -> int:
        """P_max, the number of strings; a Python integer, so it never overflows."""
        return int(self.classes) * int(self.synonyms) ** self.choices

    def derive(self, top: Symbols, choices: Symbols, level: int = 0) -> Latents:
        """Rewrite symbols (n, s^level) down to strings with the synonyms `choices` (n, …).

        Choices are read level by level, left to right. Returns levels `level` to L.
        """
        derived = [top]
        used = 0
        for table in self.rules[level:]:
            above = derived[-1]
            now = choices[:, used : used + above.shape[1]]
            used += above.shape[1]
            derived.append(table[above, now].reshape(len(above), -1))
        return tuple(derived)

    def sample(self, count: int, seed: int = 0) -> Latents:
        """`count` different strings, all P_max equally likely; all levels, class first.

        Raises PlasticError if the grammar has fewer strings.
        """
        if count > self.size:
            raise PlasticError(
                f"this RHM has {self.size} strings in all, {count} were asked for; lower --train-size, or raise "
                f"--levels or --synonyms."
            )
        random = generator(seed, "rhm-strings")
        if self.size <= max(4 * count, 100_000):
            return self._from_index(random.permutation(self.size)[:count])
        kept = self._draw(count, random)
        while True:
            first = np.sort(np.unique(self.code(kept[-1]), axis=0, return_index=True)[1])
            kept = tuple(level[first] for level in kept)
            if len(first) == count:
                return kept
            more = self._draw(count - len(first), random)
            kept = tuple(np.concatenate(pair) for pair in zip(kept, more, strict=True))

    def _draw(self, count: int, random: np.random.Generator) -> Latents:
        top = random.integers(self.classes, size=(count, 1), dtype=self._dtype)
        return self.derive(top, random.integers(self.synonyms, size=(count, self.choices), dtype=np.uint32))

    def _from_index(self, index: NDArray[np.int64]) -> Latents:
        """Strings by number: the class, then one base-m digit per choice."""
        digits = np.empty((len(index), self.choices), dtype=np.uint32)
        rest = index.astype(np.int64)
        for position in range(self.choices):
            rest, digits[:, position] = np.divmod(rest, self.synonyms)
        return self.derive(rest[:, None].astype(self._dtype), digits)

    def redraw(self, latents: Latents, keep: int, random: np.random.Generator) -> Latents:
        """The same strings with levels 0..keep−1 kept and everything below drawn again."""
        kept = latents[:keep]
        size = (len(kept[0]), sum(self.branching**k for k in range(keep - 1, self.levels)))
        choices = random.integers(self.synonyms, size=size, dtype=np.uint32)
        return kept[:-1] + self.derive(kept[-1], choices, level=keep - 1)

    def code(self, strings: Symbols) -> NDArray[np.void] | NDArray[np.uint64]:
        """One sortable key per string (n, d): equal keys mean equal strings."""
        if self.symbols**self.length < 2**64:
            key = np.zeros(len(strings), dtype=np.uint64)
            for column in strings.T:
                key = key * np.uint64(self.symbols) + column.astype(np.uint64)
            return key
        rows = np.ascontiguousarray(strings)
        return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()

    def half_information(self) -> float:
        """Mutual information in bits between the two halves of a string.

        A half determines its own top symbols, so this is the information between the two parts of
        a tuple drawn from the top table. It is 0 when all v^s tuples are in use: m = v^(s−1) with
        n_c = v.
        """
        tuples = self.rules[0].reshape(-1, self.branching)
        half = self.branching // 2
        _, left = np.unique(tuples[:, :half], axis=0, return_inverse=True)
        _, right = np.unique(tuples[:, half:], axis=0, return_inverse=True)
        joint = np.zeros((left.max() + 1, right.max() + 1))
        np.add.at(joint, (left.ravel(), right.ravel()), 1 / len(tuples))
        independent = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        used = joint > 0
        return float(np.sum(joint[used] * np.log2(joint[used] / independent[used])))

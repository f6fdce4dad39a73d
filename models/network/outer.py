"""A weight change before it is one: kept as its factors until the optimizer wants it.

Σ_batch post_i pre_j is one matrix product; plain SGD adds it straight into the weights and never
makes a second matrix of their size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from plastic.rules.rule import Product

Piece = tuple[slice, Tensor]  # members, and their update: (members, …)
CACHED = 2**16  # numbers per member above which members are taken one by one, to stay in the cache


@runtime_checkable
class Update(Protocol):
    """The change that a rule asks for, in the shape of the weights."""

    def value(self) -> Tensor:
        """As one tensor: (members, …)."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """As tensors, for all members at once or for one after the other."""
        ...

    def add_to(self, weight: Tensor, rates: Tensor) -> None:
        """weight += rate · value, in place; rates (members,)."""
        ...


@dataclass(frozen=True)
class Outer:
    """Σ_b post_b ⊗ pre_b in groups (members, or members × positions).

    post: (groups, b, n), pre: (groups, b, k), shape: that of the weights.
    """

    post: Tensor
    pre: Tensor
    shape: tuple[int, ...]

    def value(self) -> Tensor:
        return torch.bmm(self.post.mT, self.pre).view(self.shape)

    def pieces(self) -> Iterator[Piece]:
        members = self.shape[0]
        if members == 1 or math.prod(self.shape[1:]) < CACHED:
            yield slice(None), self.value()
            return
        groups = len(self.post) // members
        for member in range(members):
            own = slice(member * groups, (member + 1) * groups)
            yield slice(member, member + 1), Outer(self.post[own], self.pre[own], (1, *self.shape[1:])).value()

    def add_to(self, weight: Tensor, rates: Tensor) -> None:
        groups, weights = len(self.post), weight.view(len(self.post), *weight.shape[-2:])
        if rates.device.type != "cpu":  # which would have to wait for the rates as numbers
            each = rates.repeat_interleave(groups // len(rates)).view(-1, 1, 1)
            weights.baddbmm_((self.post * each).mT, self.pre)
            return
        parts: Iterable[tuple[Tensor, ...]] = [(weights, self.post, self.pre)]
        if len(rates) > 1:
            parts = zip(*(x.chunk(len(rates)) for x in (weights, self.post, self.pre)), strict=True)
        for (own, post, pre), rate in zip(parts, rates.tolist(), strict=True):
            own.baddbmm_(post.mT, pre, alpha=rate)


@dataclass(frozen=True)
class PerMember:
    """One update for each member of the ensemble."""

    parts: tuple[Update, ...]

    def value(self) -> Tensor:
        return torch.cat([part.value() for part in self.parts])

    def pieces(self) -> Iterator[Piece]:
        for member, part in enumerate(self.parts):
            yield slice(member, member + 1), part.value()

    def add_to(self, weight: Tensor, rates: Tensor) -> None:
        for member, part in enumerate(self.parts):
            part.add_to(weight[member : member + 1], rates[member : member + 1])


@dataclass(frozen=True)
class Whole:
    """An update that exists as a tensor already, or several that are added up."""

    tensors: tuple[Tensor, ...]

    def value(self) -> Tensor:
        return self.tensors[0] if len(self.tensors) == 1 else torch.stack(self.tensors).sum(0)

    def pieces(self) -> Iterator[Piece]:
        yield slice(None), self.value()

    def add_to(self, weight: Tensor, rates: Tensor) -> None:
        weight.addcmul_(self.value(), rates.view(-1, *([1] * (weight.dim() - 1))))


WORTHWHILE = 4_000_000  # multiply-adds per member below which looking for closed gates costs more than it saves
MOSTLY_OPEN = 0.8


def open_rows(gate: object, batch: int, work: int) -> list[Tensor] | None:
    """Stimuli whose gate is open, for each member, where leaving out the others saves time.

    A closed gate multiplies its whole row by zero, so leaving it out is exact. `work` is the number
    of multiply-adds per member with all rows. Not on a GPU, which would wait for the count.
    """
    if work < WORTHWHILE or not isinstance(gate, Tensor) or gate.device.type != "cpu":
        return None
    if gate.dim() != 3 or gate.shape[-1] != 1:
        return None
    opened = (gate[..., 0] != 0).expand(-1, batch)  # one gate may stand for all of them
    counts = opened.sum(1).tolist()
    if min(counts) > MOSTLY_OPEN * batch:
        return None
    everything = torch.arange(batch)
    return [
        everything if count > MOSTLY_OPEN * batch else own.nonzero()[:, 0]
        for own, count in zip(opened, counts, strict=True)
    ]


def of_product(product: Product) -> Update:
    """Σ_batch modulator · post_i · pre_j: (members, post, pre)."""
    modulator, post, pre = product.modulator, product.post, product.pre
    shape = (post.shape[-1], pre.shape[-1])
    rows = open_rows(modulator, post.shape[1], post[0].numel() * pre.shape[-1])
    if rows is None:
        return Outer(modulator * post, pre, (len(post), *shape))
    assert isinstance(modulator, Tensor)
    each = ((x[e : e + 1, r] for x in (modulator, post, pre)) for e, r in enumerate(rows))
    return PerMember(tuple(Outer(m * post, pre, (1, *shape)) for m, post, pre in each))

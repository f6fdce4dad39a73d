"""A stream of fixations and saccades.

Each of `batch` independent streams presents one stimulus after the other. With probability
`fixation_probability` the gaze stays: y = +1 and the next stimulus is of the same object (another
training example of it, or the same where there is no other; or another view, as the task's pairing
says). Otherwise it moves: y = −1 and the next stimulus is a training example of a different object,
uniformly drawn, and shown as after a fixation.

A stimulus alone says nothing of y, whatever the pairing. Of N examples, n of an object, a saccade leaves the object for
another one n′ with probability n′ / (N − n), so the share of stimuli that are of an object comes to rest at
n (N − n) / Σ n (N − n); a fixation does not change it, and within an object all examples are equally likely after
both. The first stimulus is uniform over the examples; where objects differ in size that is not yet the share at rest,
which the first few stimuli approach.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.random import generator
from plastic.stimuli.task import Task
from plastic.stimuli.views import COLUMNS

BLOCK = 64  # stimuli drawn at a time


@dataclass(frozen=True)
class Stimulus:
    """One stimulus for every stream of every member of an ensemble (members, batch, …)."""

    inputs: NDArray[Any]  # (members, batch, positions)
    fixation: NDArray[np.bool_]  # as it is sent to the network: (members, batch)
    labels: NDArray[np.int64]  # (members, batch)
    views: NDArray[np.float32] | None = None  # how images are changed (members, batch, 12), where a task has views

    def at(self, *index: Any) -> Stimulus:
        """The same indices of every part."""
        parts: dict[str, Any] = {k: None if part is None else part[index] for k, part in vars(self).items()}
        return Stimulus(**parts)


class Stream:
    """Streams of all members of an ensemble, drawn together, each from its own seed.

    With probability `fixation_error` the network is sent the opposite of what the gaze did.
    """

    def __init__(
        self, tasks: Sequence[Task], seeds: Sequence[int], batch: int, fixation_probability: float = 0.5,
        fixation_error: float = 0.0,
    ) -> None:  # fmt: skip
        self.tasks, self.seeds, self.batch = list(tasks), list(seeds), batch
        self.fixation_probability, self.fixation_error = fixation_probability, fixation_error
        self.order, self.start, self.end, self.first, self.total = _tables(self.tasks, batch)
        self.offset = np.cumsum([0] + [len(t.objects) for t in self.tasks])
        self.views = [copy(t.view) for t in self.tasks]  # a view may remember what it showed last
        self.inputs = np.concatenate([t.train.inputs for t in self.tasks])
        self.labels = np.concatenate([t.train.labels for t in self.tasks])
        self.place: NDArray[np.int64] = np.full(len(self.first), -1, dtype=np.int64)
        self.count = 0
        self._block: Stimulus | None = None  # with an axis of time before the others

    def next(self) -> Stimulus:
        """The next stimulus of every stream."""
        within = self.count % BLOCK
        if within == 0 or self._block is None:
            self._block = self._draw(self.count // BLOCK)
        self.count += 1
        return self._block.at(within)

    def _draw(self, block: int) -> Stimulus:
        shape = (BLOCK, len(self.tasks), self.batch)
        random = [generator(seed, "stream", block) for seed in self.seeds]
        uniform = np.stack([r.random((BLOCK, 2, self.batch)) for r in random], axis=1)
        stays = uniform[:, :, 0].reshape(BLOCK, -1) < self.fixation_probability
        where = uniform[:, :, 1].reshape(BLOCK, -1)
        if block == 0:
            stays[0] = False
        holds = np.repeat([t.view is not None for t in self.tasks], self.batch)
        places = np.empty(stays.shape, dtype=np.int64)
        for step in range(BLOCK):
            self.place = places[step] = self._move(stays[step], where[step], holds)
        index = self.order[places].reshape(shape)
        fixation = stays.reshape(shape)
        inputs, sent = self._inputs(index, fixation, random), fixation ^ self._errors(block)
        return Stimulus(inputs, sent, self.labels[index], self._views(random))

    def _views(self, random: list[np.random.Generator]) -> NDArray[np.float32] | None:
        if all(task.views is None for task in self.tasks):
            return None
        shape = (BLOCK, self.batch)
        unchanged = np.zeros((*shape, COLUMNS), dtype=np.float32)  # not read
        pairs = zip(self.tasks, random, strict=True)
        return np.stack([unchanged if t.views is None else t.views.draw(r, shape) for t, r in pairs], axis=1)

    def _errors(self, block: int) -> NDArray[np.bool_]:
        """Where the network is sent the opposite; from numbers of their own, so the stimuli stay the same."""
        shape = (BLOCK, self.batch)
        if self.fixation_error == 0:
            return np.zeros((BLOCK, len(self.tasks), self.batch), dtype=np.bool_)
        draws = [generator(seed, "fixation-error", block).random(shape) for seed in self.seeds]
        return np.stack(draws, axis=1) < self.fixation_error

    def _move(
        self, stays: NDArray[np.bool_], where: NDArray[np.float64], holds: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Places in the object-sorted order after one fixation or saccade of every stream."""
        if self.place[0] < 0:
            return self.first + (where * self.total).astype(np.int64)
        start, end = self.start[self.place], self.end[self.place]
        size = end - start
        others = np.maximum(size - 1, 1)
        sibling = start + (self.place - start + 1 + (where * others).astype(np.int64)) % size
        stay = np.where(holds, self.place, sibling)
        leap = end - self.first + (where * (self.total - size)).astype(np.int64)
        return np.where(stays, stay, self.first + leap % self.total)

    def _inputs(
        self, index: NDArray[np.int64], fixation: NDArray[np.bool_], random: list[np.random.Generator]
    ) -> NDArray[Any]:
        inputs = self.inputs[index]
        for member, view in enumerate(self.views):
            if view is not None:
                own = index[:, member] - self.offset[member]
                inputs[:, member] = view(own, fixation[:, member], random[member])
        return inputs


def _tables(tasks: Sequence[Task], batch: int) -> tuple[NDArray[np.int64], ...]:
    """Training examples of all members sorted by object, and each place's object range."""
    order, start, end, first, total = [], [], [], [], []
    offset = 0
    for task in tasks:
        by_object = np.argsort(task.objects, kind="stable")
        _, begins, counts = np.unique(task.objects[by_object], return_index=True, return_counts=True)
        if len(begins) < 2:
            raise PlasticError(
                "all training examples are one object, so the gaze has nowhere to move; raise --train-size."
            )
        order.append(by_object + offset)
        start.append(np.repeat(begins, counts) + offset)
        end.append(np.repeat(begins + counts, counts) + offset)
        first.append(np.full(batch, offset))
        total.append(np.full(batch, len(task.objects)))
        offset += len(task.objects)
    return tuple(np.concatenate(part).astype(np.int64) for part in (order, start, end, first, total))

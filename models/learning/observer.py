"""What looks at a training while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol, runtime_checkable

from plastic.models.learning.learner import Observation, Watch
from plastic.models.neuron.constants import Traces
from plastic.stimuli.stream import Stimulus


@runtime_checkable
class Observer(Protocol):
    """Looks at a training: what to collect during stimulus `step` (1, 2, …), and what to do after it."""

    def begin(self, step: int) -> tuple[Watch | None, Traces | None]: ...

    def end(self, step: int, stimulus: Stimulus) -> None: ...


@dataclass
class Look:
    """An observer of one stimulus, or of none."""

    watch: Watch | None = None
    traces: Traces | None = None

    def begin(self, step: int) -> tuple[Watch | None, Traces | None]:
        del step
        return self.watch, self.traces

    def end(self, step: int, stimulus: Stimulus) -> None:
        pass


def together(*watches: Watch | None) -> Watch | None:
    """One watch that shows every layer to several; None of none."""
    chosen = [watch for watch in watches if watch is not None]
    if len(chosen) < 2:
        return chosen[0] if chosen else None
    return partial(_show, chosen)


def _show(watches: list[Watch], index: int, observation: Observation) -> None:
    for one in watches:
        one(index, observation)

"""What networks of Lava's processes are told and what they show. numpy is all that it needs."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass
class LayerSpec:
    """One layer as Lava is told of it. weight: (positions, neurons, fan_in)."""

    weight: NDArray[Any]
    constants: tuple[Any, ...]  # of the population's model
    rule: dict[str, Any]  # dw, dt, x1_impulse, x1_tau; empty: no learning
    seed: int = 0
    weight_exp: int = 0
    weight_bits: int = 8


@dataclass
class Seen:
    """One stimulus: spikes (time, units of all layers), modulators (units), or of each step (time, units), and per
    layer, where they were asked for, tags before they were cleared and weights after it, (positions, neurons, fan_in).
    """

    spikes: NDArray[Any]
    modulators: NDArray[Any]
    tags: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)


@contextmanager
def limit(seconds):
    """TimeoutError after so many seconds; in the main thread of a system that has alarms, else no limit."""
    if seconds is None or not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(number, frame):
        raise TimeoutError(f"Lava did not answer for {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)

"""What networks of Lava's processes are made from, and what they answer."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray


@dataclass
class LayerSpec:
    """One layer as Lava takes it. weight: (positions, neurons, fan_in)."""

    weight: NDArray[Any]
    constants: tuple[Any, ...]  # of the population's model
    rule: dict[str, Any]  # dw, dt, x1_impulse, x1_tau; empty: no learning
    seed: int = 0
    weight_exp: int = 0
    weight_bits: int = 8


@dataclass(frozen=True)
class Delivery:
    """When modulators reach the synapses, in stimuli of `time_steps` steps.

    period: of steps in which post factors count; untagged: modulators are known before the stimulus or in the step, and
    are part of y2; stepwise: the circuit answers the spikes of every step; weighted: the tag adds up post factors that
    it has weighted.
    """

    time_steps: int
    period: int = 1
    untagged: bool = False
    stepwise: bool = False
    weighted: bool = False


@dataclass(frozen=True)
class Place:
    """So many neurons, where they stand (`at`) in what goes to the `above` inputs of the layer above, and where
    (`first`) in the `units` that go to and come from the modulatory circuit."""

    neurons: int
    above: int
    at: int
    units: int
    first: int


@dataclass
class ChipResponse:
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

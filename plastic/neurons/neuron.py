"""What a neuron is: the declaration of its state, its step and its post factor.

Every neuron takes the canonical step (dt = 1 ms), in this order, and declares what it does in it::

    state, I  →  integrate      the membrane u and what else it keeps, one step on; I = Σ_j W_ij s_j of the step before
                 post_factor    ψ_i, read before the reset; by default ψ(u − θ_i)
                 fires          s_i; by default u > θ_i, where `threshold` says what θ_i is
                 after_spike →  state   what a spike does to it, the reset; by default u = 0

It is a frozen dataclass in array code, as a rule is: the same lines run on numpy and on torch, and are written out as
equations of Brian2. Arrays have one number for each neuron, in whatever shape; every line is elementwise.

The eligibility is the same for all neurons: Σ_t ψ_i[t] x̄_j[t]. What a synapse would have to know of a second, slow
variable of the neuron (as e-prop's eligibility of adaptive neurons does) is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from plastic.rules.expressions import is_positive

Array = Any  # numpy.ndarray or torch.Tensor, one number for each neuron
State = dict[str, Array]  # what a neuron keeps from step to step, by name; "membrane" among it


@dataclass(frozen=True)
class Constants:
    """What the run says of every neuron's step."""

    decay: Any  # β = exp(−dt/τ_m), a number
    threshold: Any  # θ, a number
    psi: Callable[[Array], Array]  # ψ of the distance to threshold, 1 at 0; it leaves its argument as it is


@dataclass(frozen=True)
class Stepped:
    """What a neuron did in one step."""

    membrane: Array  # u, before the reset
    post_factor: Array  # ψ
    spike: Array  # s, 0 or 1


@dataclass(frozen=True)
class AboutNeuron:
    """What describes a neuron, for people."""

    title: str = ""
    equation: str = ""  # one line for each
    units: Mapping[str, str] = field(default_factory=dict)  # of its options, by name
    defaults_source: str = ""
    citation: str = ""  # BibTeX


def if_ready(x: Array, state: State) -> Array:
    """x where the neuron may fire, 0 where it is refractory; a neuron without a state `wait` never is."""
    return x * is_positive(1 - state["wait"]) if "wait" in state else x


@dataclass(frozen=True)
class Neuron:
    """Base of every neuron: subclass it, fill in the declaration, write `integrate`, and whatever else differs."""

    name: ClassVar[str] = ""
    about: ClassVar[AboutNeuron] = AboutNeuron()
    spiking: ClassVar[bool] = True  # one that never fires can be a readout, and no layer

    @property
    def state(self) -> dict[str, float]:
        """What it keeps from step to step, with the value that every stimulus begins with; `wait`, where it has that,
        is the steps for which it is refractory yet."""
        return {"membrane": 0.0}

    def integrate(self, state: State, drive: Array, constants: Constants) -> State:
        """The state after the drive of this step, before a reset; `state` stays as it is."""
        raise NotImplementedError

    def threshold(self, state: State, constants: Constants) -> Array:
        """θ_i, that the membrane must exceed."""
        del state
        return constants.threshold

    def post_factor(self, state: State, constants: Constants) -> Array:
        """ψ_i, from the state before the reset; 0 while the neuron is refractory."""
        return if_ready(constants.psi(state["membrane"] - self.threshold(state, constants)), state)

    def fires(self, state: State, constants: Constants) -> Array:
        """s_i, 0 or 1, from the state before the reset; 0 while the neuron is refractory."""
        return if_ready(is_positive(state["membrane"] - self.threshold(state, constants)), state)

    def after_spike(self, state: State, spike: Array, constants: Constants) -> State:
        """The state after the spikes; that of neurons that did not fire is left as it is."""
        del constants
        return {**state, "membrane": state["membrane"] * (1 - spike)}

    def step(self, state: State, drive: Array, constants: Constants) -> tuple[State, Stepped]:
        """The canonical step: the new state, and what the neuron did."""
        before = self.integrate(state, drive, constants)
        psi, spike = self.post_factor(before, constants), self.fires(before, constants)
        return self.after_spike(before, spike, constants), Stepped(before["membrane"], psi, spike)

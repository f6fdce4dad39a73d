"""How a layer's neurons are run through some steps: by snnTorch's own class where it is that neuron, otherwise by the
declared step (plastic.neurons).

    lif, reset to zero           snn.Leaky(reset_mechanism="zero"), in the simulator's own fast loop
    lif, reset=subtract or none  snn.Leaky(reset_mechanism="subtract" or "none")
    cuba, the same resets        snn.Synaptic likewise; with "zero" its Synaptic loses what arrives in the step after a
                                 spike, which neither Loihi's neuron nor ours does: the declared step
    all others, and refractory neurons, or with a floor: the declared step
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import snntorch as snn
import torch
from torch import Tensor

from plastic.models.neuron.constants import SpikingStep
from plastic.models.neuron.surrogate import above_zero, pseudo_derivative
from plastic.neurons import CUBA, LIF, Constants, Neuron


@lru_cache(maxsize=32)
def own_class(step: SpikingStep, dtype: torch.dtype, device: torch.device) -> Any:
    """snnTorch's neuron that takes this step, or None; it keeps no state between calls. Made once: snnTorch never lets
    one go."""
    neuron = step.neuron
    if type(neuron) not in (LIF, CUBA):  # not one that is made of them
        return None
    assert isinstance(neuron, LIF | CUBA)

    def number(value: Any) -> Tensor:
        return torch.tensor(value, dtype=dtype)

    given: dict[str, Any] = {
        "beta": number(step.membrane_decay), "threshold": number(step.threshold), "spike_grad": above_zero,
        "reset_mechanism": neuron.reset,
    }  # fmt: skip
    if neuron == LIF(reset=neuron.reset):
        return snn.Leaky(**given).to(device)
    if isinstance(neuron, CUBA) and neuron.reset != "zero" and not neuron.refractory:
        return snn.Synaptic(alpha=number(neuron.synapse_decay), **given).to(device)
    return None


@dataclass
class Cells:
    """A layer's neurons that are not the default ones, through a stimulus: they begin at rest."""

    step: SpikingStep
    state: dict[str, Tensor]

    @classmethod
    def at_rest(cls, step: SpikingStep, zero: Tensor) -> Cells:
        """zero: (members, batch, positions, neurons)."""
        return cls(step, {name: torch.full_like(zero, value) for name, value in step.neuron.state.items()})

    @property
    def neuron(self) -> Neuron:
        return self.step.neuron

    @cached_property
    def constants(self) -> Constants:
        psi = pseudo_derivative(self.step.surrogate)
        return Constants(
            self.step.membrane_decay, self.step.threshold, lambda distance: psi(distance.clone(), self.step.slope)
        )

    def run(self, current: Tensor, spike: Tensor) -> Tensor:
        """Membrane before the reset, in place of the current (members, time, …), and the spikes, into `spike`; ψ of
        every step is returned, shaped as they are."""
        own = own_class(self.step, current.dtype, current.device)
        return self._declared(current, spike, known=False) if own is None else self._by(own, current, spike)

    def again(self, current: Tensor, spike: Tensor) -> Tensor:
        """The same where the spikes are known already, so that they are what they were."""
        return self._declared(current, spike, known=True)

    def _by(self, own: Any, current: Tensor, spike: Tensor) -> Tensor:
        names = [name for name in ("current", "membrane") if name in self.state]
        states = [self.state[name] for name in names]
        for t in range(current.shape[1]):
            spike[:, t], *states = own(current[:, t], *states)
            current[:, t] = states[-1]
        self.state |= dict(zip(names, states, strict=True))
        return pseudo_derivative(self.step.surrogate)(current - self.step.threshold, self.step.slope)

    def _declared(self, current: Tensor, spike: Tensor, known: bool) -> Tensor:
        neuron, constants, post = self.neuron, self.constants, torch.empty_like(current)
        for t in range(current.shape[1]):
            before = neuron.integrate(self.state, current[:, t], constants)
            post[:, t] = neuron.post_factor(before, constants)
            if not known:
                spike[:, t] = neuron.fires(before, constants)
            current[:, t] = before["membrane"]
            self.state = neuron.after_spike(before, spike[:, t], constants)
        return post

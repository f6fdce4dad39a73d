"""Which backend has which neuron: computed from capabilities."""

from __future__ import annotations

from plastic.backends import Capabilities, backends
from plastic.neurons.neuron import Neuron


def has_neuron(can: Capabilities, neuron: Neuron) -> bool:
    """Whether a backend that can do this runs the neuron with the options that it has."""
    if not (can.spikes and neuron.spiking):
        return False
    return can.neurons is None or (neuron.name in can.neurons and neuron == type(neuron)())


def backends_of(neuron: Neuron) -> list[str]:
    """The backends that run it, by name."""
    return [name for name, backend in backends().items() if has_neuron(backend.can, neuron)]

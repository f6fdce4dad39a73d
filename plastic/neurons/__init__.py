"""The neurons, by name, and how to load one of your own.

Begin with neuron.py, what a neuron declares, and with one of them, as alif.py. membrane has what integrate-and-fire
neurons share, tried calls a neuron's lines once to see that they are what they must be. Rate functions and
pseudo-derivatives are in plastic.models.neuron. Imports errors, loading and the expressions of rules, and no backend.
"""

from __future__ import annotations

from plastic.loading import Kind, parse_options
from plastic.neurons.alif import ALIF
from plastic.neurons.cuba import CUBA
from plastic.neurons.integrator import LeakyIntegrator
from plastic.neurons.izhikevich import Izhikevich
from plastic.neurons.lif import LIF
from plastic.neurons.neuron import AboutNeuron, Constants, Neuron, State, Stepped
from plastic.neurons.tried import try_out

__all__ = [
    "ALIF",
    "CUBA",
    "LIF",
    "AboutNeuron",
    "Constants",
    "Izhikevich",
    "LeakyIntegrator",
    "Neuron",
    "State",
    "Stepped",
    "all_neurons",
    "load_neuron",
    "neuron_class",
    "register",
]

BUILT_IN: tuple[type[Neuron], ...] = (LIF, ALIF, CUBA, Izhikevich, LeakyIntegrator)
KIND = Kind("neuron", Neuron, "plastic.Neuron", BUILT_IN)


def register(neuron: type[Neuron]) -> None:
    """Make a neuron known by its name in this process, as an entry point in the group `plastic.neurons` does for all.

    Raises PlasticError for a class that is no frozen dataclass of the kind, or has the name of a built-in one.
    """
    KIND.register(neuron)


def all_neurons() -> dict[str, type[Neuron]]:
    """Built-in neurons, those registered in this process, and those that installed packages offer."""
    return KIND.all()


def neuron_class(spec: str) -> type[Neuron]:
    """A neuron by name, or by file as FILE.py:CLASS; PlasticError if there is none, naming those that there are."""
    found: type[Neuron] = KIND.find(spec)
    return found


def load_neuron(spec: str, options: dict[str, str] | None = None) -> Neuron:
    """The neuron with its options, given as text and read by the type of the field.

    Raises PlasticError for an option that the neuron has not, a value of the wrong type, and lines that are not those
    of a neuron.
    """
    cls = neuron_class(spec)
    neuron = cls(**parse_options(KIND, cls, options or {}))
    if cls not in BUILT_IN:
        try_out(neuron)
    return neuron

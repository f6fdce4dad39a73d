"""plastic: synaptic plasticity as three-factor rules (pre × post × modulator).

Here are the names that a script composes; docs/python.md shows them, docs/architecture.md where all lies.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from plastic import neurons, rules
from plastic.errors import PlasticError
from plastic.neurons import Neuron
from plastic.rules import (
    About,
    Acts,
    LayerShape,
    Ledger,
    Modulator,
    Product,
    Reads,
    Rule,
    Signals,
    Synapses,
    ThirdFactor,
    load_rule,
)

if TYPE_CHECKING:
    from plastic import stimuli
    from plastic.models.runs.simulation import Simulation, load
    from plastic.networks import Convolution, Dense, Input, Layer, Network, Patches, Readout, Sparse
    from plastic.networks.of_task import convolutional, dense, tree
    from plastic.traces.opened import open_run
    from plastic.traces.spec import Record

__version__ = "0.1.0"

__all__ = [
    "About",
    "Acts",
    "Convolution",
    "Dense",
    "Input",
    "Layer",
    "LayerShape",
    "Ledger",
    "Modulator",
    "Network",
    "Neuron",
    "Patches",
    "PlasticError",
    "Product",
    "Readout",
    "Reads",
    "Record",
    "Rule",
    "Signals",
    "Simulation",
    "Sparse",
    "Synapses",
    "ThirdFactor",
    "convolutional",
    "dense",
    "load",
    "load_rule",
    "neurons",
    "open_run",
    "rules",
    "stimuli",
    "tree",
]

_LATER = {  # imported when it is asked for, so that a rule file and the command line need no torch
    "Convolution": "plastic.networks",
    "Dense": "plastic.networks",
    "Input": "plastic.networks",
    "Layer": "plastic.networks",
    "Network": "plastic.networks",
    "Patches": "plastic.networks",
    "Readout": "plastic.networks",
    "Record": "plastic.traces.spec",
    "Simulation": "plastic.models.runs.simulation",
    "Sparse": "plastic.networks",
    "convolutional": "plastic.networks.of_task",
    "dense": "plastic.networks.of_task",
    "load": "plastic.models.runs.simulation",
    "open_run": "plastic.traces.opened",
    "tree": "plastic.networks.of_task",
}


def __getattr__(name: str) -> Any:
    if name == "stimuli":
        return importlib.import_module("plastic.stimuli")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'plastic' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

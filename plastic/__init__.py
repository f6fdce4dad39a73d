"""plastic: synaptic plasticity as three-factor rules (pre × post × modulator)."""

from plastic.errors import PlasticError
from plastic.rules import (
    LayerShape,
    Ledger,
    Modulator,
    Product,
    Rule,
    Signals,
    Synapses,
    ThirdFactor,
    load_rule,
)

__version__ = "0.1.0"

__all__ = [
    "LayerShape",
    "Ledger",
    "Modulator",
    "PlasticError",
    "Product",
    "Rule",
    "Signals",
    "Synapses",
    "ThirdFactor",
    "load_rule",
]

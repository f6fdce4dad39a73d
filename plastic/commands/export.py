"""plastic export."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import tyro

from plastic.config.settings import choice, flag
from plastic.errors import PlasticError
from plastic.terminal.console import Console

Record = dict[str, Any]


class Writers:
    """One for each format: writes command.out, whole or not at all, and returns what to tell of it."""

    @staticmethod
    def brian2(command: Export) -> Record:
        from plastic.models.export.brian2.script import export_brian2

        return export_brian2(command.source, command.out)

    @staticmethod
    def csv(command: Export) -> Record:
        from plastic.traces.exchange import export_csv

        return export_csv(command.source, command.out)

    @staticmethod
    def neo(command: Export) -> Record:
        from plastic.traces.exchange_neo import export_neo

        return export_neo(command.source, command.out)

    @staticmethod
    def nwb(command: Export) -> Record:
        from plastic.traces.exchange_nwb import export_nwb

        return export_nwb(command.source, command.out)

    @staticmethod
    def nir(command: Export) -> Record:
        from plastic.models.export.nir import export_nir

        return export_nir(command.source, command.out, command.dt)

    @staticmethod
    def lava(command: Export) -> Record:
        from plastic.hardware.bundle.export import export_lava
        from plastic.hardware.compiler.options import Chip

        chip = Chip(
            cast(Any, command.rounding), command.weight_bits, cast(Any, command.profile), command.seed,
            cast(Any, command.eligibility),
        )  # fmt: skip
        return export_lava(command.source, command.out, command.stimuli, command.start, chip)


FORMATS: dict[str, Callable[[Export], Record]] = {
    "brian2": Writers.brian2,
    "csv": Writers.csv,
    "neo": Writers.neo,
    "nir": Writers.nir,
    "lava": Writers.lava,
    "nwb": Writers.nwb,
}
OWN = {  # options of one format
    "nir": ("dt",),
    "lava": ("stimuli", "start", "rounding", "eligibility", "weight_bits", "profile", "seed"),
}


@dataclass(frozen=True)
class Export:
    """Write a run in the form that other tools read.

    Formats:
      brian2   a readable Brian2 script (OUT.py, its data beside it as OUT.npz) that repeats the run without plastic
      csv      a folder: what was recorded, a file per signal; stimuli, units and settings beside them
      neo      what was recorded as a Neo block (OUT.mat): signals, spike trains, stimuli as epochs
      nwb      what was recorded as Neurodata Without Borders (HDF5): time series, units, trials; validated
      nir      network and trained weights for NIR's readers (HDF5), the rule as metadata
      lava     a folder: integers, stimuli and code that learn on Lava's model of Loihi, with numpy and lava-nc alone

    Examples:
      plastic export runs/one-stream --to brian2 one_stream.py && python one_stream.py
      plastic export runs/on-chip --to lava bundle && plastic verify bundle
      plastic export runs/demo --to nwb demo.nwb
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
    stimuli: int = 200
    """lava: how many stimuli the bundle holds, from the first of the run on, and beyond its last."""
    start: Annotated[str, choice("initial", "trained")] = "initial"
    """lava: the chip begins with the run's initial weights, or goes on from its trained ones."""
    rounding: Annotated[str, choice("stochastic", "nearest")] = "stochastic"
    """lava: how the chip rounds."""
    eligibility: Annotated[str, choice("tag", "none")] = "tag"
    """lava: tag, it waits in the synapse for the modulator; none, weights change in every step, for rules whose
    modulator is known by then (see `plastic simulate --help`)."""
    weight_bits: int = 8
    """lava: bits of a weight, 2 to 8."""
    profile: Annotated[str, choice("sim-3f", "hw-2f")] = "sim-3f"
    """lava: neurons and circuit of our own for Lava's CPU models, or Lava's own processes only (two factors)."""
    seed: int = 0
    """lava: of the chip's random numbers."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        if self.to not in FORMATS:
            raise PlasticError(f"unknown format {self.to!r}; --to is one of: {', '.join(FORMATS)}.")
        self._refuse_unread()
        record = {"run": str(self.source), "to": self.to, "out": str(self.out)} | FORMATS[self.to](self)
        displayed = (f"{key} {value}" for key, value in record.items() if not isinstance(value, list | dict))
        console = Console(stderr=self.json)
        console.print(", ".join(displayed), soft_wrap=True, highlight=False)
        if self.json:
            print(json.dumps(record))
        return 0

    def _refuse_unread(self) -> None:
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for kind, names in OWN.items():
            for name in names:
                if kind != self.to and getattr(self, name) != defaults[name]:
                    raise PlasticError(f"{flag(name)} is of --to {kind}, and this is {self.to}; leave it out.")

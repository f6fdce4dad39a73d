"""Records that are kept in memory, as a script or a notebook looks at them; written when the run is saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from plastic.traces.opened import Run
from plastic.traces.plan import Plan
from plastic.traces.writer import TraceWriter

if TYPE_CHECKING:
    import xarray

HORIZON = 2**24  # stimuli until which a record without an end is planned


@dataclass
class MemoryWriter:
    """Takes what was recorded of one stimulus after the other, as plastic.traces.writer.TraceWriter does."""

    plan: Plan
    spiking: bool
    attributes: dict[str, Any]
    taken: list[tuple[int, Mapping[str, NDArray[Any]], NDArray[Any], NDArray[Any]]] = field(default_factory=list)

    def put(
        self, stimulus: int, values: Mapping[str, NDArray[Any]], fixation: NDArray[Any], label: NDArray[Any]
    ) -> None:  # fmt: skip
        """Samples of one stimulus, by variable: (samples, …); fixation ±1 and label of the recorded streams."""
        self.taken.append((stimulus, dict(values), fixation, label))

    def flush(self) -> None:
        """Nothing waits."""

    def write(self, folder: Path, steps: int) -> None:
        """All of it to the store of a run of so many stimuli, in this folder."""
        attributes = self.attributes | {"steps": steps}
        writer = TraceWriter.create(folder, replace(self.plan, steps=steps), self.spiking, attributes)
        for one in self.taken:
            writer.put(*one)
        writer.flush()

    def dataset(self, steps: int) -> xarray.Dataset:
        """As plastic.open_run gives it of a run folder."""
        with TemporaryDirectory() as folder:
            self.write(Path(folder), steps)
            return Run(Path(folder)).traces.load()

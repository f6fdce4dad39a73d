"""From samples to the store: buffered per time axis, written in whole chunks, coordinates last.

What a killed run leaves is read up to the last coordinate, so a sample counts only when all signals of its axis are on
disk. Memory is one chunk per axis, however long the run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.traces.plan import Axis, Plan, Variable
from plastic.traces.store import STORE, TraceStore

CHUNK_BYTES = 4_000_000  # of all signals of an axis together
CHUNK_SAMPLES = 2**16
PATIENCE = 10.0  # seconds until samples are written though their chunk is not full


@dataclass
class _Buffer:
    """Samples of one axis that are not in the store yet: from number `start`, `length` of them."""

    axis: Axis
    start: int
    samples: int  # in the whole run
    chunk: int = 0
    length: int = 0
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


class TraceWriter:
    """Takes what was recorded of one stimulus after the other, and writes it to the run's store."""

    def __init__(self, store: TraceStore, plan: Plan, spiking: bool, done: int) -> None:
        self.store, self.plan, self.spiking = store, plan, spiking
        self.buffers = {
            name: _Buffer(axis, axis.samples(done), axis.samples(plan.steps)) for name, axis in plan.axes.items()
        }
        self._flushed = time.monotonic()

    @classmethod
    def create(cls, folder: Path, plan: Plan, spiking: bool, attributes: dict[str, Any]) -> TraceWriter:
        """The store of a new run."""
        store = TraceStore.create(folder / STORE, attributes)
        for name, chosen in plan.coordinates.items():
            values = np.array(chosen, dtype=np.int64)
            store.add(name, values.shape, values.shape, values.dtype, (name,), {})
            store.write(name, 0, values)
        return cls(store, plan, spiking, 0)

    @classmethod
    def resume(cls, folder: Path, plan: Plan, spiking: bool, done: int) -> TraceWriter:
        """Go on after stimulus `done`; what was written of later ones is written again."""
        return cls(TraceStore.open(folder / STORE), plan, spiking, done)

    def put(
        self, stimulus: int, values: Mapping[str, NDArray[Any]], fixation: NDArray[Any], label: NDArray[Any]
    ) -> None:  # fmt: skip
        """Samples of one stimulus, by variable: (samples, …); fixation ±1 and label of the recorded streams."""
        by_axis: dict[str, dict[str, NDArray[Any]]] = {}
        for name, value in values.items():
            by_axis.setdefault(self.plan.variables[name].axis.name, {})[name] = value
        by_axis.setdefault("stimulus", {}).update(fixation=fixation[None], label=label[None])
        for name, own in by_axis.items():
            self._fill(self.buffers[name], own | self._coordinates(self.plan.axes[name], stimulus))
        if time.monotonic() - self._flushed > PATIENCE:
            self.flush()

    def flush(self) -> None:
        """Everything that was put, onto the disk."""
        for buffer in self.buffers.values():
            self._write(buffer)
        self._flushed = time.monotonic()

    def _coordinates(self, axis: Axis, stimulus: int) -> dict[str, NDArray[Any]]:
        """Coordinates of an axis, of which the last tells what was written."""
        if axis.clock == "stimulus":
            return {axis.name: np.array([stimulus])}
        steps = np.arange(0, self.plan.time_steps, axis.every)
        begin = (stimulus - 1) * self.plan.time_steps
        return {axis.name: begin + steps, f"{axis.name}_stimulus": np.full(len(steps), stimulus)}

    def _fill(self, buffer: _Buffer, values: dict[str, NDArray[Any]]) -> None:
        if not buffer.arrays:
            self._allocate(buffer, values)
        count, taken = len(next(iter(values.values()))), 0
        while taken < count:
            room = buffer.chunk - (buffer.start + buffer.length) % buffer.chunk
            part = min(room, count - taken)
            for name, value in values.items():
                buffer.arrays[name][buffer.length : buffer.length + part] = value[taken : taken + part]
            buffer.length += part
            taken += part
            if part == room:
                self._write(buffer)

    def _allocate(self, buffer: _Buffer, values: dict[str, NDArray[Any]]) -> None:
        """Buffers for one chunk, and the arrays in the store if this run is new."""
        each = sum(value[0].nbytes for value in values.values())
        buffer.chunk = max(1, min(CHUNK_BYTES // each, CHUNK_SAMPLES, buffer.samples))
        for name, value in values.items():
            buffer.arrays[name] = np.empty((buffer.chunk, *value.shape[1:]), value.dtype)
            if name not in self.store:
                dims, attributes = self._describe(buffer.axis, name)
                shape = (buffer.samples, *value.shape[1:])
                chunks = (buffer.chunk, *value.shape[1:])
                self.store.add(name, shape, chunks, value.dtype, (buffer.axis.name, *dims), attributes)

    def _describe(self, axis: Axis, name: str) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Dimensions beside time, and attributes."""
        if name in ("fixation", "label"):
            meaning = {"fixation": "+1 fixation, −1 saccade", "label": "class of the stimulus"}[name]
            return ("stream",), {"units": "1", "long_name": meaning}
        if name not in self.plan.variables:
            unit = "1" if name != axis.name or axis.clock == "stimulus" else "ms" if self.spiking else "stimuli"
            meaning = "time of the sample" if name == axis.name and axis.clock == "step" else "stimulus, from 1"
            return (), {"units": unit, "long_name": meaning}
        return _attributes(self.plan.variables[name], self.spiking)

    def _write(self, buffer: _Buffer) -> None:
        for name, values in buffer.arrays.items():  # coordinates are the last ones
            if buffer.length:
                self.store.write(name, buffer.start, values[: buffer.length])
        buffer.start, buffer.length = buffer.start + buffer.length, 0


def _attributes(variable: Variable, spiking: bool) -> tuple[tuple[str, ...], dict[str, Any]]:
    signal = variable.signal
    return variable.dims, {
        "units": signal.unit_on(spiking),
        "long_name": signal.meaning,
        "symbol": signal.symbol,
        "signal": signal.name,
        "layer": variable.layer,
        "axes": list(variable.of),
        "own": variable.own,
        "size": list(variable.size),
    }

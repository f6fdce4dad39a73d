"""Traces of a run in the forms that neuroscience exchanges: CSV files, Neo, Neurodata Without Borders.

All three are flat: a signal is a table of samples × components, and a component is one combination of stream,
position, post and pre neuron. Time is in seconds or ms of the simulation (dt = 1 ms; in rate networks a stimulus is one
step).
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.files import replacing
from plastic.traces.opened import Run, open_run

if TYPE_CHECKING:
    import xarray

BLOCK = 1_000_000  # numbers that are read at a time


@dataclass(frozen=True)
class Flat:
    """A signal as samples × components."""

    name: str
    array: xarray.DataArray
    stimulus: NDArray[np.int64]  # of each sample
    time: NDArray[np.float64]  # ms since the run began
    components: list[dict[str, int]]

    @property
    def attributes(self) -> dict[str, Any]:
        return dict(self.array.attrs)

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The samples, some at a time: (samples, components)."""
        each = max(1, BLOCK // max(1, len(self.components)))
        for start in range(0, len(self.time), each):
            part = self.array[start : start + each].values
            yield part.reshape(len(part), -1)

    def values(self) -> NDArray[Any]:
        """All samples: (samples, components)."""
        return np.concatenate(list(self.blocks())) if len(self.time) else np.zeros((0, len(self.components)))


def flattened(run: Run) -> Iterator[Flat]:
    """Every recorded signal of a run; PlasticError if there is none."""
    steps, some = int(run.traces.attrs["time_steps"]), False
    for name, array in run.traces.data_vars.items():
        axis = str(array.dims[0])
        by_stimulus = axis.startswith("stimulus")
        stimulus = array.coords[axis if by_stimulus else f"{axis}_stimulus"].values
        time = (stimulus - 1) * steps if by_stimulus else array.coords[axis].values
        axes = array.attrs["axes"]
        indices = [array.coords[dim].values for dim in array.dims[1:]]
        grid: Any = np.stack(np.meshgrid(*indices, indexing="ij"), axis=-1).reshape(-1, len(axes)) if axes else [[]]
        components = [dict(zip(axes, map(int, row), strict=True)) for row in grid]
        some = some or len(time) > 0
        yield Flat(str(name), array, stimulus, time.astype(np.float64), components)
    if not some:
        raise PlasticError(
            f"the run {str(run.path)!r} has recorded nothing (yet); run it with another --record, or wait."
        )


def stimulus_rows(run: Run) -> list[dict[str, Any]]:
    """One row per recorded stimulus: number, start and stop in ms, fixation and label of each recorded stream."""
    traces, steps = run.traces, int(run.traces.attrs["time_steps"])
    streams = traces["stream"].values.tolist() if "stream" in traces.coords else [0]
    rows = []
    for n, y, label in zip(
        traces["stimulus"].values, traces["fixation"].values, traces["label"].values, strict=True
    ):  # fmt: skip
        row: dict[str, Any] = {"stimulus": int(n), "start_ms": int(n - 1) * steps, "stop_ms": int(n) * steps}
        for k, stream in enumerate(streams):
            row |= {f"fixation_stream{stream}": bool(y[k] > 0), f"label_stream{stream}": int(label[k])}
        rows.append(row)
    return rows


def spike_trains(run: Run) -> Iterator[tuple[str, dict[str, int], NDArray[np.float64]]]:
    """Spike times (ms) of every recorded neuron: name of the signal, layer and indices, times; of spiking networks."""
    if not run.spiking:
        return
    for flat in flattened(run):
        if flat.array.attrs["signal"] not in ("spike", "pre_spike") or str(flat.array.dims[0]).startswith("stimulus"):
            continue
        values = flat.values() > 0
        for k, component in enumerate(flat.components):
            yield flat.name, {"layer": int(flat.array.attrs["layer"]), **component}, flat.time[values[:, k]]


def about(run: Run) -> dict[str, Any]:
    """What a reader needs to know of the run: the attributes of its traces and its whole config."""
    attributes = {k: v for k, v in run.traces.attrs.items() if k not in ("time_axes", "variables")}
    return attributes | {"config": (run.path / "config.toml").read_text(encoding="utf-8")}


@contextmanager
def exported(out: Path) -> Iterator[Path]:
    """A place to write to that becomes `out` when all went well; PlasticError if that cannot be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as place:
            yield place
            if place.is_dir() and out.is_dir():
                shutil.rmtree(out)
    except OSError as error:
        raise PlasticError(f"cannot write {str(out)!r} ({error}); choose another OUT.") from None


def export_csv(source: Path, out: Path) -> dict[str, Any]:
    """A folder: stimuli.csv, signals.csv (units, meanings), about.json, and a file per signal.

    Numbers are written so that reading them gives the same ones.
    """
    run = open_run(source)
    if out.exists() and not (out.is_dir() and (not any(out.iterdir()) or (out / "signals.csv").exists())):
        raise PlasticError(
            f"{str(out)!r} is there and no earlier export; --to csv writes a folder, choose another OUT."
        )
    signals = list(flattened(run))
    with exported(out) as folder:
        folder.mkdir()
        (folder / "about.json").write_text(json.dumps(about(run), indent=1, ensure_ascii=False), encoding="utf-8")
        _table(folder / "stimuli.csv", stimulus_rows(run))
        _table(folder / "signals.csv", [_described(flat) for flat in signals])
        for flat in signals:
            _samples(folder / f"{flat.name}.csv", flat)
    return {"signals": len(signals), "stimuli": len(run.traces["stimulus"])}


def _described(flat: Flat) -> dict[str, Any]:
    attributes = flat.attributes
    kept = ("signal", "layer", "symbol", "units", "long_name", "own")
    return {"file": f"{flat.name}.csv", "dtype": str(flat.array.dtype), **{k: attributes[k] for k in kept}}


def _table(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _samples(path: Path, flat: Flat) -> None:
    names = ["_".join(f"{axis}{index}" for axis, index in one.items()) or "value" for one in flat.components]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time_ms", "stimulus", *names])
        start = 0
        for block in flat.blocks():
            for row, time, stimulus in zip(block, flat.time[start:], flat.stimulus[start:], strict=False):
                writer.writerow([f"{time:g}" if time < 1e5 else int(time), int(stimulus), *row])
            start += len(block)

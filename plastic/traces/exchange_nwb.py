"""Traces in Neurodata Without Borders: time series, units, trials, and the run's settings."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.traces.exchange import Flat, about, exported, flattened, spike_trains, stimulus_rows
from plastic.traces.exchange_neo import load
from plastic.traces.opened import Run, open_run

NEEDED = "pynwb>=2.8"


def export_nwb(source: Path, out: Path) -> dict[str, Any]:
    """An NWB file (HDF5) that passes pynwb's validator; PlasticError, and no file, if it does not."""
    if out.suffix != ".nwb":
        raise PlasticError(f"--to nwb writes a .nwb file, not {str(out)!r}; end OUT in .nwb.")
    pynwb = load("pynwb", NEEDED)
    run = open_run(source)
    file = nwb_file(run)
    with exported(out) as place:
        with pynwb.NWBHDF5IO(str(place), "w") as io:
            io.write(file)
        found = pynwb.validate(path=str(place))
        errors = found[0] if isinstance(found, tuple) else found  # pynwb 2 gives a status as well
        if errors:
            raise PlasticError(f"pynwb's validator refuses the export of {str(source)!r}: {errors[0]}.")
    return {"signals": len(file.processing["traces"].data_interfaces) // 2, "units": len(file.units or ())}


def nwb_file(run: Run) -> Any:
    """A pynwb.NWBFile; the values are read when it is written."""
    pynwb = load("pynwb", NEEDED)
    settings, rule = about(run), run.traces.attrs
    config = run.path / "config.toml"
    file = pynwb.NWBFile(
        session_description=f"{rule['title']} on {rule['backend']}: simulated synapses. {rule['equation']}",
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, config.read_text(encoding="utf-8"))),
        session_start_time=datetime.fromtimestamp(config.stat().st_mtime, tz=timezone.utc),
        source_script=f"plastic export {run.path.name} --to nwb",
        source_script_file_name="plastic",
        related_publications=[str(rule["citation"])],
        keywords=["synaptic plasticity", "simulation", str(rule["rule"])],
        notes=json.dumps(settings, ensure_ascii=False),
    )
    _trials(file, run)
    module = file.create_processing_module("traces", "what the run recorded, with its components beside each signal")
    for flat in flattened(run):
        module.add(_series(pynwb, flat))
        module.add(_components(pynwb, flat))
    _units(file, run)
    return file


def _trials(file: Any, run: Run) -> None:
    """The stimuli as trials."""
    rows = stimulus_rows(run)
    streams = [key.removeprefix("label_") for key in rows[0] if key.startswith("label_")]
    file.add_trial_column("stimulus", "number of the stimulus in the run, from 1")
    for stream in streams:
        file.add_trial_column(f"fixation_{stream}", "whether the gaze had stayed (y = +1) or moved (y = −1)")
        file.add_trial_column(f"label_{stream}", "class of the stimulus")
    for row in rows:
        own = {key: value for key, value in row.items() if key not in ("start_ms", "stop_ms")}
        file.add_trial(start_time=row["start_ms"] / 1e3, stop_time=row["stop_ms"] / 1e3, **own)


def _series(pynwb: Any, flat: Flat) -> Any:
    from hdmf.data_utils import DataChunkIterator

    attributes, count = flat.attributes, len(flat.components)

    def rows() -> Iterator[NDArray[Any]]:
        for block in flat.blocks():
            yield from block

    return pynwb.TimeSeries(
        name=flat.name,
        data=DataChunkIterator(
            data=rows(), buffer_size=4096, maxshape=(None, count), dtype=np.dtype(flat.array.dtype)
        ),
        unit=attributes["units"],
        timestamps=flat.time / 1e3,
        description=f"{attributes['symbol']}: {attributes['long_name']} (layer {attributes['layer']})",
        comments=f"columns are the rows of {flat.name}_components",
    )  # fmt: skip


def _components(pynwb: Any, flat: Flat) -> Any:
    table = pynwb.core.DynamicTable(
        name=f"{flat.name}_components", description=f"which neuron or synapse each column of {flat.name} is of"
    )
    axes = list(flat.components[0]) or ["layer"]
    for axis in axes:
        table.add_column(axis, f"{axis} of the component")
    for component in flat.components:
        table.add_row(**(component or {"layer": int(flat.attributes["layer"])}))
    return table


def _units(file: Any, run: Run) -> None:
    """Every recorded neuron with its spike times."""
    trains = list(spike_trains(run))
    if not trains:
        return
    about_columns = {"signal": "recorded signal", "layer": "layer, from 1", "stream": "stream", "position": "position"}
    for name, description in (about_columns | {"neuron": "post neuron of the layer, or its input"}).items():
        file.add_unit_column(name, description)
    for name, place, times in trains:
        neuron = place.get("post", place.get("pre", place.get("channel", 0)))
        position = place.get("position", place.get("site", 0))
        file.add_unit(
            spike_times=times / 1e3, signal=name, layer=place["layer"], stream=place["stream"], position=position,
            neuron=neuron,
        )  # fmt: skip

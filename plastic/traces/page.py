"""The page for looking at plasticity: one HTML file with everything inside, or the same page fed by a server."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.files import write_file
from plastic.probes import NAMES
from plastic.traces.opened import Run
from plastic.traces.view import liveliest, typical_window

if TYPE_CHECKING:
    from pathlib import Path

    import xarray

LARGEST = 60_000_000  # bytes of traces that one file may hold
Window = tuple[int, int]


def write_page(run: Run, out: Path, window: Window | None = None) -> None:
    """One HTML file; PlasticError if the traces are too many for one, or it cannot be written."""
    size = sum(a.nbytes for a in _variables(run, window).values())
    if size > LARGEST:
        raise PlasticError(
            f"the traces of {str(run.path)!r} are {size / 1e6:.0f} MB, too many for one file; show some stimuli with "
            "--window A:B, or all with --serve."
        )
    try:
        write_file(out, page(run, window, served=False))
    except OSError as error:
        raise PlasticError(f"cannot write the page {str(out)!r} ({error}); choose another --out.") from None


def page(run: Run, window: Window | None, served: bool) -> str:
    """The HTML, with the values inside it unless a server gives them."""
    from plotly.offline import get_plotlyjs

    parts = files("plastic.traces") / "page"
    meta = json.dumps(describe(run, window, served), ensure_ascii=False).replace("<", "\\u003c")
    return Template((parts / "page.html").read_text(encoding="utf-8")).substitute(
        title=f"plastic: {run.path.name}".replace("<", "").replace("&", ""),
        style=(parts / "page.css").read_text(encoding="utf-8"),
        script=(parts / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        meta=meta,
    )


def describe(run: Run, window: Window | None, served: bool) -> dict[str, Any]:
    """All that the page knows of a run, and the values unless they are served."""
    chosen, attributes = _variables(run, window), run.traces.attrs
    displayed = window or typical_window(run)
    layers = [int(a.attrs["layer"]) for a in chosen.values()]
    synapse = liveliest(run, layers[-1], displayed) if run.signals("weight", layers[-1]) else None
    stimuli, steps = run.traces.isel(stimulus=_within(run.traces["stimulus"].values, window)), attributes["time_steps"]
    result = run.result or {}
    kept = ("rule", "equation", "citation", "record", "steps", "time_steps", "threshold", "layers", "learning_rate")
    return {
        "title": f"{run.path.name}: {attributes['rule']} on {attributes['backend']}",
        "served": served,
        "spiking": run.spiking,
        **{key: attributes[key] for key in kept if key in attributes},
        "chance": result.get("chance"),
        "probe": NAMES[run.config.training.probe],
        "axes": _axes(run, window),
        "streams": run.traces["stream"].values.tolist() if "stream" in run.traces.coords else [0],
        "fixation": _packed(stimuli["fixation"].values),
        "label": _packed(stimuli["label"].values),
        "variables": [_describe(name, a, None if served else a.values) for name, a in chosen.items()],
        "metrics": run.metrics,
        "start": {
            "layer": layers[-1],
            "post": synapse.post if synapse else 0,
            "pre": synapse.pre if synapse else 0,
            "stream": 0,
            "position": synapse.position if synapse else 0,
            "stimulus": displayed[0],
            "from": (displayed[0] - 1) * steps,
            "to": min(displayed[1], displayed[0] + 5) * steps,
        },
    }


def _within(stimulus: NDArray[np.int64], window: Window | None) -> slice:
    """Samples of the stimuli in the window."""
    if window is None:
        return slice(0, len(stimulus))
    begin, end = np.searchsorted(stimulus, [window[0], window[1] + 1])
    return slice(int(begin), int(end))


def _variables(run: Run, window: Window | None) -> dict[str, xarray.DataArray]:
    """All variables, cut to the window of stimuli; PlasticError if there is nothing in it."""
    chosen = {str(name): within_window(run, str(name), window) for name in run.traces.data_vars}
    recorded = run.traces["stimulus"].values if chosen else np.zeros(0, dtype=np.int64)
    if not len(recorded[_within(recorded, window)]):
        where = "" if window is None else f" in the stimuli {window[0]}:{window[1]}"
        raise PlasticError(
            f"the run {str(run.path)!r} has recorded nothing{where}; choose another --window, or run it with another "
            "--record."
        )
    return chosen


def within_window(run: Run, name: str, window: Window | None) -> xarray.DataArray:
    """A variable, cut to the window of stimuli. KeyError if there is none of that name."""
    array = run.traces.data_vars[name]
    return array.isel({str(array.dims[0]): _within(_stimuli(array), window)})


def _stimuli(array: xarray.DataArray) -> NDArray[np.int64]:
    """The stimulus of every sample."""
    axis = str(array.dims[0])
    values: NDArray[np.int64] = array.coords[axis if axis.startswith("stimulus") else f"{axis}_stimulus"].values
    return values


def _axes(run: Run, window: Window | None) -> dict[str, Any]:
    """Time axes: the recorded stimuli, samples per stimulus, and steps from one sample to the next."""
    axes: dict[str, Any] = {}
    steps = int(run.traces.attrs["time_steps"])
    numbers = run.traces["stimulus"].values
    axes["stimulus"] = {"stimuli": _packed(numbers[_within(numbers, window)]), "steps": 1, "every": 1}
    for array in run.traces.data_vars.values():
        name = str(array.dims[0])
        if name in axes:
            continue
        stimulus = _stimuli(array)
        stimulus = stimulus[_within(stimulus, window)]
        each = int((stimulus == stimulus[0]).sum()) if len(stimulus) else 1
        time = run.traces[name].values[:2]
        every = int(time[1] - time[0]) if each > 1 else steps
        axes[name] = {"stimuli": _packed(stimulus[::each]), "steps": each, "every": every}
    return axes


def _describe(name: str, array: xarray.DataArray, values: NDArray[Any] | None) -> dict[str, Any]:
    attributes, axis = array.attrs, str(array.dims[0])
    displayed = {
        "name": name,
        "axis": axis,
        "clock": "stimulus" if axis.startswith("stimulus") else "step",
        "unit": attributes["units"],
        "indices": [array.coords[dim].values.tolist() for dim in array.dims[1:]],
        **{key: attributes[key] for key in ("signal", "symbol", "layer", "axes", "own", "size")},
        "dtype": packable(array.dtype),
    }
    return displayed if values is None else displayed | _packed(values)


def packable(dtype: np.dtype[Any]) -> str:
    """The type that JavaScript reads: integers of 64 bits become float64, exact to 2^53."""
    name = str(dtype)
    return name if name in ("float32", "float64", "uint8", "int8", "int32") else "float64"


def _packed(values: NDArray[Any]) -> dict[str, Any]:
    """Base64 of the values in little-endian, row by row."""
    kind = "int32" if str(values.dtype) == "int64" and np.abs(values).max(initial=0) < 2**31 else packable(values.dtype)
    return {"dtype": kind, "data": base64.b64encode(encoded(values, kind)).decode()}


def encoded(values: NDArray[Any], kind: str) -> bytes:
    return np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes()

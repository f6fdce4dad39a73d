"""One synapse over a few stimuli: all its factors, cut out of the traces of a run. What pictures and tables are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.traces.opened import Run
from plastic.traces.signals import CONTEXT_SIGNALS, ROUNDING, SIGNALS

if TYPE_CHECKING:
    import xarray

ORDER = (*SIGNALS, ROUNDING.name, *CONTEXT_SIGNALS)


@dataclass(frozen=True)
class Synapse:
    """A synapse and one of the streams and positions at which it works."""

    layer: int
    post: int
    pre: int
    stream: int = 0
    position: int = 0

    def __str__(self) -> str:
        return f"layer {self.layer}, synapse {self.pre} → {self.post}"


@dataclass(frozen=True)
class Curve:
    """One signal over time. `time` is in steps of 1 ms since the run began (rate networks: in stimuli)."""

    name: str
    symbol: str
    unit: str
    clock: str  # step or stimulus
    stimulus: NDArray[np.int64]  # of each sample, from 1
    time: NDArray[np.int64]
    value: NDArray[Any]


@dataclass(frozen=True)
class Boundary:
    """One stimulus: where it begins and ends, and whether the gaze had stayed."""

    stimulus: int
    start: int
    end: int
    fixation: bool
    label: int


@dataclass(frozen=True)
class View:
    """The signals of one synapse in a window of stimuli."""

    synapse: Synapse
    curves: dict[str, Curve]
    stimuli: list[Boundary]


def bouts(run: Run, other: Run | None = None) -> list[tuple[int, int]]:
    """First and last stimulus of every uninterrupted stretch that was recorded; with `other`, in both, if any was."""
    recorded = _recorded(run)
    if other is not None and len(both := np.intersect1d(recorded, _recorded(other))):
        recorded = both
    if not len(recorded):
        raise PlasticError(
            f"the run {str(run.path)!r} has recorded nothing (yet); run it with another --record, or wait."
        )
    breaks = np.flatnonzero(np.diff(recorded) > 1)
    starts, ends = np.r_[recorded[0], recorded[breaks + 1]], np.r_[recorded[breaks], recorded[-1]]
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]


def _recorded(run: Run) -> NDArray[np.int64]:
    """The stimuli of which anything was recorded."""
    return run.traces["stimulus"].values if "stimulus" in run.traces.coords else np.zeros(0, dtype=np.int64)


def _stimuli(array: xarray.DataArray) -> NDArray[np.int64]:
    """The stimulus of every entry along the array's clock."""
    found: NDArray[np.int64] = array.coords["stimulus" if array.dims[0] == "stimulus" else "time_stimulus"].values
    return found


def typical_window(run: Run, most: int = 6, other: Run | None = None) -> tuple[int, int]:
    """A few recorded stimuli (in `other` too) early in the run, when the rule is still at work: the first bout after a
    fifth of it, or the last before with a modulator in the top layer."""
    steps, stretches = run.config.training.steps or 0, bouts(run, other)
    last = stretches[-1][1]
    before = [(a, b) for a, b in stretches if b <= steps // 5]
    after = [(max(a, steps // 5 + 1), b) for a, b in stretches if b > steps // 5]
    windows = [(a, min(b, a + most - 1, last)) for a, b in (after[:1] + before[::-1] or stretches)]
    return next((window for window in windows if _at_work(run, window)), windows[0])


WORKING = 1 / 3  # of the stimuli of a window


def _at_work(run: Run, window: tuple[int, int]) -> bool:
    """Whether a good part of the stimuli modulated the top layer, if that was recorded (of the first stream)."""
    for array in run.signals("modulator", len(run.traces.attrs["layers"])):
        stimulus = _stimuli(array)
        displayed = (stimulus >= window[0]) & (stimulus <= window[1])
        if not displayed.any():
            continue  # recorded at other stimuli
        modulated = (array.isel(stream=0).values[displayed] != 0).reshape(displayed.sum(), -1).any(1)
        return len(np.unique(stimulus[displayed][modulated])) >= WORKING * len(np.unique(stimulus[displayed]))
    return True


def view(run: Run, synapse: Synapse, window: tuple[int, int], names: Sequence[str] | None = None) -> View:
    """What was recorded of the synapse during the stimuli first … last.

    Raises PlasticError where nothing was recorded of this synapse, or not during these stimuli.
    """
    curves: dict[str, Curve] = {}
    missing = {"post", "pre"}  # unless something of this neuron was recorded
    for name in names or _names(run, synapse.layer):
        for array in run.signals(name, synapse.layer):
            for curve in _courses(run, array, synapse, window):
                curves.setdefault(curve.name, curve)
                missing -= set(array.attrs["axes"])
    if not curves or (missing and names is None):
        first, last = window
        recorded = ", ".join(f"{x}:{y}" for x, y in bouts(run)[:12])
        raise PlasticError(
            f"the run {str(run.path)!r} has not recorded {synapse}, stream {synapse.stream}, position "
            f"{synapse.position} in the stimuli {first}:{last}; recorded stimuli: {recorded}, …; recorded signals: "
            f"{run.traces.attrs['record']}."
        )
    return View(synapse, curves, _boundaries(run, window, synapse.stream))


def _names(run: Run, layer: int) -> list[str]:
    recorded = {str(a.attrs["signal"]) for a in run.traces.data_vars.values() if a.attrs["layer"] == layer}
    own = sorted(recorded - set(ORDER))
    return [name for name in ORDER if name in recorded] + own


def _courses(run: Run, array: xarray.DataArray, synapse: Synapse, window: tuple[int, int]) -> Iterator[Curve]:
    """The signal of the synapse, if it was recorded; component by component where it is not one per neuron."""
    axes, sizes = array.attrs["axes"], array.attrs["size"]
    if "site" in axes:  # the map below, which all synapses of a convolution read
        return
    if "unit" not in axes:
        yield from _course(run, array, {axis: getattr(synapse, axis) for axis in axes}, window, "")
        return
    positions, neurons, _ = run.traces.attrs["layers"][synapse.layer - 1]
    size = sizes[axes.index("unit")]
    at = {"stream": synapse.stream}
    if size in (neurons, positions * neurons):
        place = synapse.position if size > neurons else 0
        yield from _course(run, array, at | {"unit": place * neurons + synapse.post}, window, "")
        return
    for unit in array.coords["unit"].values:
        yield from _course(run, array, at | {"unit": int(unit)}, window, f"[{int(unit)}]")


def _course(
    run: Run, array: xarray.DataArray, at: dict[str, int], window: tuple[int, int], suffix: str
) -> Iterator[Curve]:
    """One component of a signal; nothing if it was not recorded."""
    clock, stimulus = str(array.dims[0]), _stimuli(array)
    begin, end = np.searchsorted(stimulus, [window[0], window[1] + 1])
    places = {axis: np.flatnonzero(array.coords[axis].values == index) for axis, index in at.items()}
    if begin == end or not all(len(place) for place in places.values()):
        return
    displayed = array.isel(
        {clock: slice(int(begin), int(end))} | {axis: int(place[0]) for axis, place in places.items()}
    )
    stimulus = stimulus[begin:end]
    steps = int(run.traces.attrs["time_steps"])
    time = (stimulus - 1) * steps if clock == "stimulus" else array.coords["time"].values[begin:end]
    kind = "stimulus" if clock == "stimulus" else "step"
    name, symbol, unit = (str(array.attrs[key]) for key in ("signal", "symbol", "units"))
    yield Curve(name + suffix, symbol + suffix, unit, kind, stimulus, time, displayed.values)


def _boundaries(run: Run, window: tuple[int, int], stream: int) -> list[Boundary]:
    traces, steps = run.traces, int(run.traces.attrs["time_steps"])
    number = traces["stimulus"].values
    begin, end = np.searchsorted(number, [window[0], window[1] + 1])
    at = int(np.flatnonzero(traces["stream"].values == stream)[0]) if stream in traces["stream"].values else 0
    fixation = traces["fixation"].isel(stimulus=slice(int(begin), int(end)), stream=at).values
    label = traces["label"].isel(stimulus=slice(int(begin), int(end)), stream=at).values
    return [
        Boundary(int(n), (int(n) - 1) * steps, int(n) * steps, bool(y > 0), int(c))
        for n, y, c in zip(number[begin:end], fixation, label, strict=True)
    ]


def liveliest(run: Run, layer: int, window: tuple[int, int], other: Run | None = None) -> Synapse:
    """Among the recorded synapses that are active on both sides and eligible, the one whose weight changes most; with
    `other`, of those that it has recorded too, if there are any."""
    weight = run.signal("weight", layer)
    for also in other.signals("weight", layer) if other is not None else []:
        there = {side: np.intersect1d(weight.coords[side].values, also.coords[side].values) for side in ("post", "pre")}
        if all(map(len, there.values())):
            weight = weight.sel(there)
            break
    number = weight.coords["stimulus"].values
    begin, end = np.searchsorted(number, [window[0], window[1] + 1])
    at: dict[str, Any] = {"stimulus": slice(int(begin), int(end))}
    values = weight.isel(at | ({"position": 0} if "position" in weight.dims else {})).values
    change = np.abs(np.diff(values, axis=0)).sum(0) if len(values) > 1 else np.abs(values).sum(0)
    for axis, name in ((0, "post_factor"), (0, "spike"), (1, "pre_trace")):
        change = change * _active(run, name, layer, window, weight.coords["post" if axis == 0 else "pre"].values, axis)
    eligible, position = _eligible(run, layer, window, weight)
    change = change * eligible if (change * eligible).any() else change
    post, pre = np.unravel_index(int(change.argmax()), change.shape)
    return Synapse(layer, int(weight.coords["post"][post]), int(weight.coords["pre"][pre]), position=position)


def _active(run: Run, name: str, layer: int, window: tuple[int, int], neurons: Any, axis: int) -> NDArray[np.bool_]:
    """Which of the neurons showed anything of a signal; all, where it was not recorded."""
    side = "post" if axis == 0 else "pre"
    shape = (-1, 1) if axis == 0 else (1, -1)
    for array in run.signals(name, layer):
        if side not in array.dims:
            continue
        active = _sum(array, window).values > 0
        alive = set(array.coords[side].values[active].tolist())
        return np.array([int(n) in alive for n in neurons]).reshape(shape)
    return np.ones((1, 1), dtype=np.bool_)


def _eligible(run: Run, layer: int, window: tuple[int, int], weight: xarray.DataArray) -> tuple[Any, int]:
    """Which synapses had an eligibility that is not 0, and at which position; all at 0, where it was not recorded."""
    for array in run.signals("eligibility", layer):
        if "position" in array.dims:
            there = {side: weight.coords[side].values for side in ("post", "pre")}
            eligible = _sum(array, window).reindex(there, fill_value=0).values > 0
            return eligible, int(array.coords["position"][0])
    return np.ones((1, 1), dtype=np.bool_), 0


def _sum(array: xarray.DataArray, window: tuple[int, int]) -> xarray.DataArray:
    """Σ |signal| over the window, of the first stream and position that were recorded."""
    clock, stimulus = str(array.dims[0]), _stimuli(array)
    begin, end = np.searchsorted(stimulus, [window[0], window[1] + 1])
    return abs(array.isel({clock: slice(int(begin), int(end)), "stream": 0, "position": 0})).sum(clock)

"""A run folder opened for looking at: settings, metrics, result, weights and traces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plastic.backends import capabilities
from plastic.config.file import read_config
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.rules.rule import Rule
from plastic.runs.folder import Arrays, read_arrays, read_metrics, read_result
from plastic.traces.plan import LayerSize, Plan
from plastic.traces.store import STORE, open_dataset, written

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Run:
    """A run that has ended, still goes on, or was killed."""

    path: Path

    @cached_property
    def config(self) -> Config:
        return read_config(self.path / "config.toml")

    @property
    def spiking(self) -> bool:
        return capabilities(self.config.backend).spikes

    @cached_property
    def metrics(self) -> list[dict[str, Any]]:
        return read_metrics(self.path) if (self.path / "metrics.jsonl").exists() else []

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """result.json; None while the run has not ended."""
        return read_result(self.path)

    @cached_property
    def weights(self) -> Arrays:
        """Weights at the end of the run, by name."""
        return read_arrays(self.path / "weights.safetensors")

    @cached_property
    def traces(self) -> xarray.Dataset:
        """All that was recorded so far, as one dataset that is read when it is used.

        Variables are named layer2_membrane, …; their dimensions are a time axis (time in steps of dt = 1 ms, or
        stimulus) and stream, position2, post2, pre2 as the signal has them. Every variable has the attributes units,
        long_name, symbol, signal, layer; the dataset has the rule, its equation, citation and the settings.
        """
        dataset = open_dataset(self.path / STORE)
        axes = list(dataset.attrs.get("time_axes", []))
        last = {axis: f"{axis}_stimulus" if f"{axis}_stimulus" in dataset else axis for axis in axes}
        counts = written(self.path / STORE, list(last.values()))
        displayed = {axis: slice(0, counts[name]) for axis, name in last.items() if axis in dataset.dims}
        extra = [name for name in (*last.values(), "fixation", "label") if name in dataset]
        dataset = dataset.isel(displayed).set_coords(extra)
        for variable in dataset.variables.values():
            variable.attrs.pop("_FillValue", None)
        chosen = dataset[[name for name in dataset.attrs["variables"] if name in dataset]]
        return chosen.assign_coords(
            {name: dataset.coords[name] for name in dataset.coords if name not in chosen.coords}
        )

    def signal(self, name: str, layer: int) -> xarray.DataArray:
        """One signal of one layer, with the plain dimensions time or stimulus, stream, position, post, pre.

        Where it was recorded more than once (of other neurons, at other times) this is the first record; see
        `signals`. Raises PlasticError if it was not recorded, naming what was.
        """
        found = self.signals(name, layer)
        if not found:
            recorded = ", ".join(str(key) for key in self.traces.data_vars) or "nothing"
            raise PlasticError(
                f"the run {str(self.path)!r} has not recorded {name!r} of layer {layer}; it has: {recorded}."
            )
        return found[0]

    def signals(self, name: str, layer: int) -> list[xarray.DataArray]:
        """All records of a signal of one layer, as `signal` gives them, that with most samples first."""
        arrays = [a for a in self.traces.data_vars.values() if (a.attrs["signal"], a.attrs["layer"]) == (name, layer)]
        return [_plain(array) for array in sorted(arrays, key=lambda a: -a.shape[0])]


def _plain(array: xarray.DataArray) -> xarray.DataArray:
    """The same with dimensions that do not name layer and schedule."""
    time, *others = (str(dim) for dim in array.dims)
    plain = "stimulus" if time.startswith("stimulus") else "time"
    renamed = dict(zip(others, array.attrs["axes"], strict=True)) | {time: plain, f"{time}_stimulus": "time_stimulus"}
    renamed = {old: new for old, new in renamed.items() if old != new and old in (*array.dims, *array.coords)}
    return array.drop_vars([c for c in array.coords if c in renamed.values()]).rename(renamed)


def open_run(path: str | Path) -> Run:
    """The run of a folder; PlasticError if it is none."""
    run = Run(Path(path))
    if not (run.path / "config.toml").is_file():
        raise PlasticError(f"{str(path)!r} is no run folder: it has no config.toml; see runs/ for those you have.")
    _ = run.config
    return run


def run_attributes(config: Config, rules: Sequence[Rule], plan: Plan, layers: Sequence[LayerSize]) -> dict[str, Any]:
    """What the dataset says of itself: the rules of the layers and their citations, how the run was made, its axes of
    time."""
    training, spiking = config.training, config.spiking
    own = list(dict.fromkeys(rules))
    return {
        "rule": " + ".join(dict.fromkeys(rule.name for rule in own)),
        "title": "; ".join(rule.about.title for rule in own),
        "equation": "; ".join(rule.about.equation for rule in own),
        "third_factor": "; ".join(rule.about.third for rule in own),
        "citation": "\n\n".join(dict.fromkeys(rule.about.citation for rule in own)),
        "backend": config.backend,
        "record": str(config.record),
        "optimizer": str(training.optimizer),
        "learning_rate": training.learning_rate,
        "batch": training.batch,
        "seed": config.seed,
        "steps": training.steps,
        "time_steps": plan.time_steps,
        "dt_ms": 1.0,
        "layers": [[layer.positions, layer.neurons, layer.fan_in] for layer in layers],
        **({"threshold": spiking.threshold} if capabilities(config.backend).spikes else {}),
        "time_axes": list(plan.axes),
        "variables": list(plan.variables),
    }

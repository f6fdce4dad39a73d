"""A run that has ended, read back from its folder: what every export begins with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plastic.backends import batched, first
from plastic.config.defaults import resolve
from plastic.config.file import read_config
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.models.network.layer import Layer, Own
from plastic.models.neuron.constants import SpikingStep
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Prepared
from plastic.runs.folder import read_arrays, read_result

Weights = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class FinishedRun:
    """Config, network with its initial weights and stream, and the weights that the run ended with."""

    path: Path
    config: Config
    ensemble: Prepared  # before its first stimulus
    final: Weights  # by the names of models/network/parameters.py, without the axis of members

    @property
    def step(self) -> SpikingStep:
        """Constants of the spiking step; PlasticError for a rate network."""
        if self.ensemble.settings.spiking is None:
            raise PlasticError(
                f"the run {str(self.path)!r} is of the backend {self.config.backend}, whose network has no spikes; "
                f"export a run of a spiking backend, as from: plastic simulate --backend {first(batched)}."
            )
        return self.ensemble.settings.spiking

    def refuse_overlapping(self, name: str) -> None:
        """PlasticError for layers that are not of patches side by side, which `name` does not know."""
        if any(type(layer) is not Layer for layer in self.ensemble.network.layers):
            raise PlasticError(
                f"the layers of the run {str(self.path)!r} are not of patches that lie side by side, and {name} has no "
                "others; take --topology tree or dense."
            )

    def refuse_own(self, name: str) -> None:
        """PlasticError for layers that have a rule, a learning rate or limits of their own, which `name` has not."""
        network = self.ensemble.network
        owners = [number for number, layer in enumerate(network.layers, 1) if layer.own != Own()]
        if owners or network.readout_rate is not None:
            where = f"layer {owners[0]}" if owners else "the readout"
            raise PlasticError(
                f"{where} of the run {str(self.path)!r} has a rule, a learning rate or limits of its own, and {name} "
                "has one rule and one rate for all synapses; export it --to nir, or train a network without."
            )

    @property
    def initial(self) -> Weights:
        """The weights that the run began with, by name."""
        dtype = self.ensemble.settings.dtype
        return {k: v[0].to(dtype).double().numpy().copy() for k, v in self.ensemble.initial.items()}


def open_finished(path: Path) -> FinishedRun:
    """The run of a folder; PlasticError if it is none, has not ended, or its weights do not fit its config."""
    from safetensors import SafetensorError

    if not (path / "config.toml").is_file():
        raise PlasticError(f"{str(path)!r} is not a run folder: it has no config.toml; give the folder of a run.")
    if read_result(path) is None:
        raise PlasticError(f"the run {str(path)!r} has not ended; finish it with: plastic simulate --resume {path}.")
    config = resolve(read_config(path / "config.toml"))
    ensemble = Prepared(make_settings(config), [make_task(config)], [config.seed])
    again = f"run it anew with: plastic simulate --config {path / 'config.toml'}"
    try:
        final = {k: v.astype(np.float64) for k, v in read_arrays(path / "weights.safetensors").items()}
    except (OSError, SafetensorError) as error:
        raise PlasticError(f"the weights of the run {str(path)!r} cannot be read ({error}); {again}.") from None
    expected = {k: tuple(v.shape[1:]) for k, v in ensemble.initial.items()}
    if {k: v.shape for k, v in final.items()} != expected:
        raise PlasticError(f"the weights of the run {str(path)!r} do not fit its config.toml; {again}.")
    if not all(np.isfinite(v).all() for v in final.values()):
        raise PlasticError(f"the weights of the run {str(path)!r} are not finite; {again} and a smaller learning rate.")
    return FinishedRun(path, config, ensemble, final)

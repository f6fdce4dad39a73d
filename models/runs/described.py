"""The network that a file or the folder of a run has, as `plastic show` tells of it."""

from __future__ import annotations

from pathlib import Path

from plastic.config.defaults import resolve
from plastic.config.file import read_config
from plastic.models.network.compiled import compiled
from plastic.models.network.summary import populations
from plastic.models.runs.build import make_settings, make_task
from plastic.models.settings import laid_out
from plastic.networks.file import load_network
from plastic.networks.population import Population


def described_in(spec: str) -> tuple[str, list[Population]]:
    """A title, and the populations bottom up.

    spec: FILE.toml, FILE.py:NAME, or a folder with the config.toml of a run. Raises PlasticError if there is none, or
    its layers do not fit one another.
    """
    config_file = Path(spec) / "config.toml"
    if not config_file.is_file():
        network = load_network(spec)
        return spec, populations(network, compiled(network), None)
    config = resolve(read_config(config_file))
    settings, task = make_settings(config), make_task(config)
    network = settings.layout or laid_out(settings, task)
    return spec, populations(network, compiled(network, task, settings.rule), settings.rule)

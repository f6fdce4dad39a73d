"""A network from a file that the user names: FILE.toml, FILE.py:NAME, or the config.toml of a run that has one."""

from __future__ import annotations

import sys
from pathlib import Path

from plastic.errors import PlasticError
from plastic.loading import module_of
from plastic.networks.network import Network
from plastic.networks.table import from_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FROM_FILE = "plastic_network_"  # begins the names of the modules that networks were loaded from


def load_network(spec: str) -> Network:
    """The network of FILE.toml, or the one named NAME in FILE.py:NAME, which is run.

    Raises PlasticError if the file cannot be read, does not run, or has none.
    """
    if ".py:" in spec:
        path, _, name = spec.rpartition(":")
        return _from_python(Path(path), name)
    if not spec.endswith(".toml"):
        raise PlasticError(f"{spec!r} is no network; give FILE.toml, or FILE.py:NAME for a Network of that name.")
    return _from_toml(Path(spec))


def _from_toml(path: Path) -> Network:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise PlasticError(f"cannot read the network {str(path)!r} ({error}); give a TOML file of a network.") from None
    inside = table.get("network")
    if isinstance(inside, dict) and "layout" in inside:  # the config of a run
        table = inside["layout"]
    try:
        return from_table(table)
    except PlasticError as error:
        raise PlasticError(f"{str(path)!r}: {error}") from None


def _from_python(path: Path, name: str) -> Network:
    if not path.is_file():
        raise PlasticError(f"no network file {str(path)!r}; give an existing file as FILE.py:NAME.")
    try:
        module = module_of(path, f"{FROM_FILE}{path.stem}")
    except PlasticError as error:
        raise PlasticError(f"{str(path)!r}: {error}") from None
    except (Exception, SystemExit) as error:
        raise PlasticError(f"the file {str(path)!r} does not run: {type(error).__name__}: {error}.") from error
    found = getattr(module, name, None)
    if not isinstance(found, Network):
        there = ", ".join(k for k, v in vars(module).items() if isinstance(v, Network)) or "no network at all"
        raise PlasticError(f"{str(path)!r} has no network {name!r}; it has: {there}.")
    return found

"""The settings of a run as TOML, and back: complete and typed."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any, get_type_hints

import tomli_w

from plastic.config.settings import Config
from plastic.config.typed import read
from plastic.errors import PlasticError
from plastic.networks import Network
from plastic.networks.table import to_table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Table = dict[str, Any]
VERSION = 3  # of the file; the first one did not say its version
SECTIONS: dict[str, Any] = {k: v for k, v in get_type_hints(Config).items() if dataclasses.is_dataclass(v)}


def to_toml(config: Config) -> str:
    """The config as TOML, with the version of its form; None is left out."""
    return f"version = {VERSION}\n{settings_text(config)}"


def settings_text(config: Config) -> str:
    """The settings alone, as TOML."""

    def plain(value: Any) -> Any:
        if isinstance(value, Network):
            return to_table(value)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if v is not None}
        return list(value) if isinstance(value, tuple) else value

    return tomli_w.dumps(plain(config))


def stored_settings_text(text: str) -> str:
    """The settings of a file that `to_toml` of any version wrote, alone and as they are in it, without comments."""
    return tomli_w.dumps({k: v for k, v in _parsed(text).items() if k != "version"})


def from_toml(text: str) -> Config:
    """The config that `to_toml` of this version or an earlier one wrote; PlasticError for anything else."""
    return from_table(converted(_parsed(text)), "config")


def from_table(table: Table, where: str) -> Config:
    """The config of a table of settings; PlasticError, naming `where` they stand, for what does not fit."""
    return read(Config, table, where)


def converted(table: Table) -> Table:
    """The table of a config file of any version as one of today's settings; PlasticError for a version not known."""
    settings = {k: v for k, v in table.items() if k != "version"}
    version = table.get("version", 1)
    if type(version) is not int or version < 1:
        raise PlasticError(f"'version' in config is {version!r}; it must be a whole number, {VERSION} or less.")
    if version > VERSION:
        raise PlasticError(
            f"the config has version {version}, newer than {VERSION}, which this plastic reads; install the plastic "
            "that wrote it."
        )
    return settings if version == VERSION else _as_it_was(settings, "version" in table)


def _as_it_was(settings: Table, said: bool) -> Table:
    """Of versions 1 and 2, which differ in the version alone: all probes were ridge, and latent:K is named as what it
    was.

    PlasticError for latent:K where no version is `said`, as in a file that was written by hand: then either law may be
    meant.
    """
    training, stimuli = settings.get("training", {}), settings.get("stimuli")
    if isinstance(training, dict):
        settings = settings | {"training": {"probe": "ridge", **training}}
    pairing = str(stimuli.get("pairing")) if isinstance(stimuli, dict) else ""
    if not isinstance(stimuli, dict) or "+" in pairing or not pairing.startswith("latent:"):
        return settings
    if not said:
        raise PlasticError(
            f"the config has pairing {pairing!r} and says no version, and what that shows has changed; put "
            f"'version = {VERSION}' above it for today's, 'version = 2' for a run made before."
        )
    return settings | {"stimuli": stimuli | {"pairing": f"{pairing}+fresh-fixations"}}


def read_config(path: Path) -> Config:
    """Config file of a run; PlasticError if it cannot be read, or says nothing."""
    return from_toml(read_text(path))


def read_text(path: Path) -> str:
    """Text of a config file; PlasticError if it cannot be read, or is empty, as a full disk can leave it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise PlasticError(f"cannot read the config {str(path)!r} ({error}); give the config.toml of a run.") from None
    if not text.strip():
        raise PlasticError(f"the config {str(path)!r} is empty; give the config.toml of a run, which has its settings.")
    return text


def _parsed(text: str) -> Table:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and of deep nesting
        raise PlasticError(f"the config is not valid TOML ({error}); take the config.toml of a run folder.") from None

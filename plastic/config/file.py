"""The settings of a run as TOML, and back: complete and typed."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from plastic.config.settings import Architecture, ChipOptions, Config, Spiking, Stimuli, Training
from plastic.errors import PlasticError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def to_toml(config: Config) -> str:
    """The config as TOML; None is left out."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if v is not None}
        return list(value) if isinstance(value, tuple) else value

    return tomli_w.dumps(plain(dataclasses.asdict(config)))


T = TypeVar("T")


def from_toml(text: str) -> Config:
    """The config that `to_toml` wrote; PlasticError for anything else."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers with thousands of digits, and of deep nesting
        raise PlasticError(f"the config is not valid TOML ({error}); take the config.toml of a run folder.") from None
    return from_table(table, "config")


def from_table(table: dict[str, Any], where: str) -> Config:
    """The config of a table of settings; PlasticError, naming `where` they stand, for what does not fit."""
    return _fill(Config, table, where)


SECTIONS = {"stimuli": Stimuli, "network": Architecture, "spiking": Spiking, "training": Training, "chip": ChipOptions}


def _fill(cls: type[T], table: dict[str, Any], where: str) -> T:
    known = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise PlasticError(f"unknown setting {key!r} in {where}; it has: {', '.join(known)}.")
        if key in SECTIONS and cls is Config:
            if not isinstance(value, dict):
                raise PlasticError(f"{key!r} in {where} must be a table: [{key}].")
            values[key] = _fill(SECTIONS[key], value, f"[{key}]")
        else:
            values[key] = _typed(key, value, str(known[key].type), where)
    return cls(**values)


def _typed(key: str, value: Any, annotation: str, where: str) -> Any:
    """The value if it has the field's type; TOML knows int from float, so 1 is taken for 1.0."""
    kinds: dict[str, type] = {"tuple": list, "str": str, "float": float, "int": int}
    kind = next(kind for name, kind in kinds.items() if name in annotation)
    if isinstance(value, list) and kind is list:
        if not all(isinstance(item, str) for item in value):
            raise PlasticError(f"{key!r} in {where} is {value!r}; it must be a list of str.")
        return tuple(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise PlasticError(f"{key!r} in {where} is {value!r}; it must be {kind.__name__}.")
    return value


def read_config(path: Path) -> Config:
    """Config file of a run; PlasticError if it cannot be read."""
    try:
        return from_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PlasticError(f"cannot read the config {str(path)!r} ({error}); give the config.toml of a run.") from None

"""Settings by the names that they have on the command line, in one flat table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from plastic.config.file import SECTIONS, Table
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.networks import Network
from plastic.networks.table import to_table

TOP_FIELDS = {f.name for f in dataclasses.fields(Config)} - set(SECTIONS)
SECTION_OF = {f.name: section for section, cls in SECTIONS.items() for f in dataclasses.fields(cls)}


def nested(flat: Mapping[str, Any], who: str) -> Table:
    """As the table of a run's config; PlasticError, naming who sets them, for one that there is not."""
    table: Table = {}
    for name, value in flat.items():
        if name in TOP_FIELDS:
            table[name] = value
        elif name in SECTION_OF:
            table.setdefault(SECTION_OF[name], {})[name] = value
        else:
            known = ", ".join(sorted([*TOP_FIELDS, *SECTION_OF]))
            raise PlasticError(f"unknown setting {name!r}; {who} sets the options of `plastic simulate`: {known}.")
    return table


def flattened(config: Config) -> dict[str, Any]:
    """The inverse of `nested`, with every setting in it; a network as its table."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        inside = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)} if field.name in SECTIONS else None
        flat |= {field.name: value} if inside is None else inside
    return {name: to_table(value) if isinstance(value, Network) else value for name, value in flat.items()}

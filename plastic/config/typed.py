"""Settings checked by their annotations: types, choices, ranges and units are written in the dataclass, and only there.

pydantic reads and checks: it takes dataclasses of the standard library as they are, knows `Literal` and the
constraints of annotated_types, and reports what is wrong as data, from which one sentence is made. It is imported with
the first check, so that commands that check nothing answer at once.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, Unit

from plastic.errors import PlasticError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import CoreSchema, ErrorDetails

T = TypeVar("T")
STRICT = {"strict": True, "extra": "forbid", "revalidate_instances": "always"}  # as __pydantic_config__ of a dataclass
FINITE = Lt(math.inf)


@dataclasses.dataclass(frozen=True)
class Made:
    """Of a field that is None or of a class of its own, which `make` makes of a table; it raises PlasticError."""

    cls: type
    make: Callable[[Any], Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        from pydantic_core import core_schema

        def read(given: Any) -> Any:
            return given if given is None or isinstance(given, self.cls) else self.make(given)

        return core_schema.no_info_plain_validator_function(read)


def check(settings: object) -> None:
    """PlasticError for the first setting that is not as its field is annotated; it is named by its flag."""
    from pydantic import ValidationError

    cls: Any = type(settings)
    try:
        _adapter(cls).validate_python(settings)
    except ValidationError as error:
        raise PlasticError(_sentence(cls, settings, error.errors()[0], None)) from None


def read(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """The settings of a table of TOML, where 1 may stand for 1.0; PlasticError, naming `where` they stand, otherwise.

    Read as JSON, in which pydantic takes lists for tuples and tables for dataclasses though it is strict.
    """
    from pydantic import ValidationError

    schema: Any = cls
    try:
        return _adapter(schema).validate_json(json.dumps(table, default=str))  # dates are text, which no number takes
    except ValidationError as error:
        raise PlasticError(_sentence(cls, table, error.errors()[0], where)) from None


def flag(name: str) -> str:
    """The option of the command line for a setting."""
    return "--" + name.replace("_", "-")


def unknown(name: str, value: object, options: tuple[str, ...]) -> str:
    """The sentence for a value that is none of the options."""
    known = f"choose one of: {', '.join(options)}, as in {flag(name)} {options[0]}"
    return f"unknown {name.replace('_', ' ')} {value!r}; {known}."


@cache
def _adapter(cls: type[T]) -> TypeAdapter[T]:
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def _sentence(cls: type, root: object, error: ErrorDetails, where: str | None) -> str:
    """What is wrong with the settings `root` of a class, from pydantic's report; where: None for an instance."""
    *path, name = [part for part in error["loc"] if isinstance(part, str)] or [cls.__name__]
    for part in path:
        cls, root, where = get_type_hints(cls)[part], _get(root, part), where and f"[{part}]"
    kind = error["type"]
    if kind == "unexpected_keyword_argument":
        known = ", ".join(field.name for field in dataclasses.fields(cls))
        return f"unknown setting {name!r} in {where}; it has: {known}."
    if kind.startswith("dataclass"):
        return f"{name!r} in {where or cls.__name__} must be a table: [{name}]."
    if kind == "value_error":  # of `Made`, in words already
        subject = f"{flag(name)} is {error['input']!r}" if where is None else f"{name!r} in {where}"
        return f"{subject}: {error['ctx']['error']}"
    value = _get(root, name)
    base, constraints = _annotation(cls, name)
    options = get_args(base) if get_origin(base) is Literal else ()
    if options and isinstance(value, str):
        return unknown(name, value, options)
    if options or kind.endswith("_type"):
        expected = "str" if options else "list of str" if get_origin(base) is tuple else base.__name__
        subject = flag(name) if where is None else f"{name!r} in {where}"
        return f"{subject} is {value!r}; it must be {expected}."
    if get_origin(base) is tuple:  # a number in it is out of its range
        value, constraints = error["input"], get_args(base)[0].__metadata__
    return f"{flag(name)} is {value!r}; it must be {_range(constraints) or error['msg']}."


def _get(settings: Any, name: str) -> Any:
    return settings.get(name) if isinstance(settings, Mapping) else getattr(settings, name, None)


def _annotation(cls: type, name: str) -> tuple[Any, tuple[Any, ...]]:
    """Type of a field without None, and its constraints."""
    hint = get_type_hints(cls, include_extras=True)[name]
    if type(None) in get_args(hint):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint, getattr(hint, "__metadata__", ())


def _range(constraints: tuple[Any, ...]) -> str:
    """The constraints of a number in words, with its unit."""
    low = next((one.ge for one in constraints if isinstance(one, Ge)), None)
    high = next((one.le for one in constraints if isinstance(one, Le)), None)
    parts = [f"greater than {one.gt}" for one in constraints if isinstance(one, Gt)]
    if low is not None:
        parts.append(f"at least {low}" if high is None else f"from {low} to {high}")
    unit = next((f" {one.unit}" for one in constraints if isinstance(one, Unit)), "")
    return " and ".join([part + unit for part in parts] + ["finite"] * (FINITE in constraints))

"""Classes that a user declares (rules, neurons): from a file, from an installed package; their options as text."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from plastic.errors import PlasticError

FROM_FILE = "plastic_user_"  # how the modules of users' files begin; the word for the kind of class follows


@dataclass(frozen=True)
class Kind:
    """What is declared by name: `word` says what it is, its classes are subclasses of `base`, which `said` names."""

    word: str
    base: type
    said: str
    built_in: tuple[Any, ...]
    check: Callable[[Any, str], None] = lambda cls, where: None  # beyond what every declaration must have
    registered: dict[str, Any] = field(default_factory=dict)  # in this process

    @property
    def group(self) -> str:
        """Of entry points."""
        return f"plastic.{self.word}s"

    def register(self, cls: Any) -> None:
        """Make a class known by its name in this process; PlasticError for one that does not declare what it must, or
        has the name of a built-in one."""
        where = f"the class {cls.__name__}"
        checked = self.checked(cls, where)
        if checked.name in {one.name for one in self.built_in}:
            raise PlasticError(f"{where} is named {checked.name!r}, as a {self.word} of plastic is; rename it.")
        self.registered[checked.name] = checked

    def all(self) -> dict[str, Any]:
        """Built-in ones, those registered in this process, and those that installed packages offer."""
        found = {cls.name: cls for cls in self.built_in} | self.registered
        for point in entry_points(group=self.group):
            found.setdefault(point.name, self.checked(*_from_entry_point(self, point)))
        return found

    def find(self, spec: str) -> Any:
        """A class by name, or by file as FILE.py:CLASS; PlasticError if there is none, naming those that there are."""
        if ".py:" in spec:
            return self.checked(*_from_file(self, spec))
        known = {cls.name: cls for cls in self.built_in} | self.registered
        if spec in known:  # without reading the entry points of every installed package
            return known[spec]
        found = self.all()
        if spec not in found:
            raise PlasticError(
                f"unknown {self.word} {spec!r}; choose one of: {', '.join(found)}; or a {self.word} of your own as "
                "FILE.py:CLASS."
            )
        return found[spec]

    def checked(self, found: Any, where: str) -> Any:
        """A class that declares what it must; PlasticError for another."""
        if not (isinstance(found, type) and issubclass(found, self.base)):
            raise PlasticError(f"{where} is not a subclass of {self.said}.")
        parameters = vars(found).get("__dataclass_params__")  # its own: without @dataclass it would inherit the base's
        if parameters is None or not parameters.frozen:
            raise PlasticError(f"{where} must be a frozen dataclass: write @dataclass(frozen=True) above it.")
        declared: Any = found
        if missing := [f.name for f in dataclasses.fields(declared) if f.default is dataclasses.MISSING]:
            raise PlasticError(f"{where} has options without a default: {', '.join(missing)}; give each one.")
        if not getattr(found, "name", ""):
            raise PlasticError(f'{where} has no name; give it one: name = "…".')
        self.check(found, where)
        return found

    def name(self, cls: Any) -> str:
        """By which a class is found again: its file, or its name; one of this process' own is registered."""
        if (file := _file_of(cls)) is not None:
            return file
        if cls not in self.built_in and (not cls.name or not self._finds(cls)):
            self.register(cls)
        return str(cls.name)

    def lasts(self, cls: Any) -> bool:
        """Whether another process finds the class by its name: it is built in, installed, or in a file."""
        if cls in self.built_in or _file_of(cls) is not None:
            return True
        return bool(cls.name) and cls.name not in self.registered and self._finds(cls)

    def _finds(self, cls: Any) -> bool:
        try:
            return self.find(cls.name) is cls
        except PlasticError:
            return False


def split_options(text: str) -> tuple[str, dict[str, str]]:
    """NAME:KEY=VALUE:… as the name (also FILE.py:CLASS) and its options."""
    words = text.strip().split(":")
    options = dict(word.split("=", 1) for word in words if "=" in word)
    return ":".join(word for word in words if "=" not in word), options


def key_values(items: Iterable[str], word: str) -> dict[str, str]:
    """KEY=VALUE … as options by name; PlasticError for one without a value."""
    options = {}
    for item in items:
        key, separator, value = item.partition("=")
        if not separator:
            raise PlasticError(f"{word} option {item!r} has no value; write it as KEY=VALUE.")
        options[key] = value
    return options


def parse_options(kind: Kind, cls: Any, options: Mapping[str, str]) -> dict[str, Any]:
    """Options of a class as values, from text, read by the type of the field's default.

    Raises PlasticError for an option that the class has not, or a value of the wrong type.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    values = {}
    for key, text in options.items():
        if key not in fields:
            known = f"it has: {', '.join(fields)}" if fields else "it has none"
            raise PlasticError(f"{kind.word} {cls.name!r} has no option {key!r}; {known}.")
        values[key] = _parse(kind, cls, key, fields[key].default, text)
    return values


def _parse(kind: Kind, cls: Any, key: str, default: Any, text: str) -> Any:
    """Text to the type of the default; choices are checked by the class itself."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        if isinstance(default, int | float):
            value = type(default)(text)
            if not math.isfinite(value):
                raise ValueError
            return value
    except (KeyError, ValueError):
        like = "true or false" if isinstance(default, bool) else "a number"
        if like == "a number" and math.isfinite(default):
            like += f" like {default}"
        raise PlasticError(f"option {key!r} of {kind.word} {cls.name!r} is {text!r}; it takes {like}.") from None
    return text


def options_of(value: Any) -> list[str]:
    """The options of a declared value that are not the default, as KEY=VALUE."""
    fields = (f for f in dataclasses.fields(value) if getattr(value, f.name) != f.default)
    return [f"{f.name}={_text(getattr(value, f.name))}" for f in fields]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file_of(cls: type) -> str | None:
    """FILE.py:CLASS of a class that was loaded from a user's file; None of others."""
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return f"{Path(file)}:{cls.__name__}" if file and cls.__module__.startswith(FROM_FILE) else None


def raised_at(error: BaseException) -> tuple[str, int, str] | None:
    """File, line and kind of file in which a rule or neuron of the user's raised an error, itself or below it; None if
    none did."""
    place, trace = None, error.__traceback__
    while trace is not None:
        if (module := trace.tb_frame.f_globals.get("__name__", "")).startswith(FROM_FILE):
            word = module.removeprefix(FROM_FILE).partition("_")[0]
            place = trace.tb_frame.f_code.co_filename, trace.tb_lineno, word
        trace = trace.tb_next
    before = error.__cause__ or error.__context__
    return place or (raised_at(before) if before is not None else None)


def _from_entry_point(kind: Kind, point: EntryPoint) -> tuple[Any, str]:
    """What an installed package offers, and where it is from."""
    where = f"entry point {point.name!r} of the group {kind.group}"
    try:
        return point.load(), where
    except Exception as error:
        raise PlasticError(
            f"{where} ({point.value}) does not load: {type(error).__name__}: {error}; repair or uninstall its package."
        ) from error


def module_of(path: Path, name: str) -> ModuleType:
    """The module that a file of the user's is, run and known by `name`; nothing is written beside the file.

    Raises whatever the file raises.
    """
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        found.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


def _from_file(kind: Kind, spec: str) -> tuple[Any, str]:
    """The class of FILE.py:CLASS, and where it is from; PlasticError where there is none."""
    place, _, name = spec.rpartition(":")
    path = Path(place)
    if not path.is_file():
        raise PlasticError(f"no {kind.word} file {str(path)!r}; give an existing file as FILE.py:CLASS.")
    try:
        module = module_of(path, f"{FROM_FILE}{kind.word}_{path.stem}")
    except (Exception, SystemExit) as error:
        raise PlasticError(
            f"the {kind.word} file {str(path)!r} does not run: {type(error).__name__}: {error}."
        ) from error
    return _attribute(kind, module, name, path), f"{path}:{name}"


def _attribute(kind: Kind, module: ModuleType, name: str, path: Path) -> Any:
    if not hasattr(module, name):
        base = kind.base
        found = [k for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, base) and v is not base]
        raise PlasticError(
            f"{str(path)!r} has no class {name!r}; it has: {', '.join(found) or f'no {kind.word} at all'}."
        )
    return getattr(module, name)

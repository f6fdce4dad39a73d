"""A rule's third factor as numpy source: the rule is run once on arrays that write down what is done to them.

What a rule computes is array code without branches on values, so one run shows all of it, for its
options as they are. Results that the rule gives a name to keep that name.
"""

from __future__ import annotations

import keyword
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any, ClassVar

import numpy as np

from plastic.errors import PlasticError

ATOM, POWER, UNARY, PRODUCT, SUM, COMPARISON = range(6)  # how loosely an expression holds together
BINARY: dict[str, tuple[str, int, int, int]] = {  # sign, looseness, loosest left and right without brackets
    "add": ("+", SUM, SUM, PRODUCT), "sub": ("-", SUM, SUM, PRODUCT), "mul": ("*", PRODUCT, PRODUCT, UNARY),
    "truediv": ("/", PRODUCT, PRODUCT, UNARY), "matmul": ("@", PRODUCT, PRODUCT, UNARY),
    "mod": ("%", PRODUCT, PRODUCT, UNARY), "pow": ("**", POWER, ATOM, UNARY),
    "lt": ("<", COMPARISON, SUM, SUM), "le": ("<=", COMPARISON, SUM, SUM), "gt": (">", COMPARISON, SUM, SUM),
    "ge": (">=", COMPARISON, SUM, SUM), "eq": ("==", COMPARISON, SUM, SUM), "ne": ("!=", COMPARISON, SUM, SUM),
    "and": ("&", COMPARISON, ATOM, ATOM), "or": ("|", COMPARISON, ATOM, ATOM),
}  # fmt: skip
OLDER = {"concat": "concatenate", "pow": "power", "permute_dims": "transpose"}  # words that numpy 1 knows too
LONGEST = 64  # numbers of a constant array that is written out


@dataclass(eq=False)
class Traced:
    """An array that knows its source: `value` is an example, `operands` what `write` puts together."""

    value: Any
    looseness: int = ATOM
    operands: tuple[tuple[Any, int], ...] = ()  # each with the loosest that needs no brackets
    write: Callable[..., str] | None = None  # operands as text → text; None: an input, known by its name
    name: str = ""
    mirror: Traced | None = None  # what this one is the transpose of

    __array_ufunc__: ClassVar[None] = None  # numpy arrays leave operations with this one to it
    __hash__ = object.__hash__

    def __array_namespace__(self, api_version: str | None = None) -> Namespace:
        del api_version
        return NAMESPACE

    def __getattr__(self, name: str) -> Any:
        """Shapes and types of the example; methods are written down."""
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("mT", "T"):
            return _transposed(self)
        found = getattr(self.value, name)
        return _recorded(found, name, self) if callable(found) else found

    def __getitem__(self, key: Any) -> Traced:
        return Traced(self.value[key], ATOM, ((self, ATOM),), lambda x: f"{x}[{_index(key)}]")

    def __neg__(self) -> Traced:
        return Traced(-self.value, UNARY, ((self, UNARY),), lambda x: f"-{x}")

    def __invert__(self) -> Traced:
        return Traced(~self.value, UNARY, ((self, UNARY),), lambda x: f"~{x}")

    def __abs__(self) -> Any:
        return NAMESPACE.abs(self)

    def __bool__(self) -> bool:
        raise PlasticError(
            "the rule branches on the value of an array, which cannot be written out; use where(condition, a, b) of "
            "its array namespace instead."
        )


def _binary(name: str, swapped: bool) -> Callable[[Traced, Any], Traced]:
    sign, looseness, left_loosest, right_loosest = BINARY[name]
    function: Callable[[Any, Any], Any] = getattr(operator, f"__{name}__")

    def method(self: Traced, other: Any) -> Traced:
        left, right = (other, self) if swapped else (self, other)
        value = function(_value(left), _value(right))
        operands = ((left, left_loosest), (right, right_loosest))
        return Traced(value, looseness, operands, lambda a, b: f"{a} {sign} {b}")

    return method


for _name in BINARY:
    setattr(Traced, f"__{_name}__", _binary(_name, False))
    if _name not in ("lt", "le", "gt", "ge", "eq", "ne"):
        setattr(Traced, f"__r{_name}__", _binary(_name, True))


def _transposed(x: Traced) -> Traced:
    if x.mirror is not None:
        return x.mirror
    form, loosest = ("{}.T", ATOM) if x.value.ndim == 2 else ("np.swapaxes({}, -1, -2)", COMPARISON)
    return Traced(np.swapaxes(x.value, -1, -2), ATOM, ((x, loosest),), form.format, mirror=x)


def _value(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return type(x)(_value(item) for item in x)
    return x.value if isinstance(x, Traced) else x


def _recorded(function: Callable[..., Any], name: str, owner: Traced | None) -> Callable[..., Any]:
    """The function, or the owner's method, that writes down its calls."""

    def call(*arguments: Any, **options: Any) -> Any:
        value = function(*(_value(a) for a in arguments), **{k: _value(v) for k, v in options.items()})
        operands: list[tuple[Any, int]] = [] if owner is None else [(owner, ATOM)]
        shown = [_argument(a, operands) for a in arguments]
        shown += [f"{k}={_argument(v, operands)}" for k, v in options.items()]
        if not any(isinstance(x, Traced) for x, _ in operands):
            return value
        form = f"{'np' if owner is None else '{0}'}.{OLDER.get(name, name)}({', '.join(shown)})"
        return Traced(value, ATOM, tuple(operands), lambda *texts: form.format(*texts))

    return call


def _argument(x: Any, operands: list[tuple[Any, int]]) -> str:
    """The place of an argument in the text of a call; arrays are collected as operands."""
    if isinstance(x, list | tuple) and any(isinstance(item, Traced) for item in x):
        return f"[{', '.join(_argument(item, operands) for item in x)}]"
    if isinstance(x, Traced | np.ndarray):
        operands.append((x, COMPARISON))
        return f"{{{len(operands) - 1}}}"
    if isinstance(x, np.dtype | type):
        return {"b": "bool", "i": "int"}.get(np.dtype(x).kind, "float")
    return repr(x)


def _index(key: Any) -> str:
    if isinstance(key, tuple):
        return ", ".join(_index(part) for part in key)
    if isinstance(key, slice):
        ends = ["" if end is None else str(end) for end in (key.start, key.stop)]
        return ":".join(ends) + ("" if key.step is None else f":{key.step}")
    return "..." if key is Ellipsis else repr(key)


class Namespace:
    """numpy, as the array API names it, or a part of it such as linalg, written down."""

    __name__ = "numpy"

    def __init__(self, module: Any = np, prefix: str = "") -> None:
        self._module, self._prefix = module, prefix

    def __getattr__(self, name: str) -> Any:
        if name == "astype":
            return lambda x, dtype: x.astype(dtype)
        found = getattr(self._module, name)
        if isinstance(found, ModuleType):
            return Namespace(found, f"{self._prefix}{name}.")
        return _recorded(found, self._prefix + name, None)


NAMESPACE = Namespace()


@contextmanager
def named_after(owner: object) -> Iterator[None]:
    """Arrays take the names of the local variables that hold them in the methods of `owner`."""

    def profile(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "return" and frame.f_locals.get("self") is owner:
            code = frame.f_code
            for name in code.co_varnames[code.co_argcount :]:
                value = frame.f_locals.get(name)
                if isinstance(value, Traced) and value.write is not None and not value.name:
                    value.name = name

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


@dataclass
class Source:
    """Statements that compute some arrays from named inputs."""

    taken: set[str]  # names of the inputs, and those not to be used
    lines: list[str] = field(default_factory=list)
    texts: dict[Traced, str] = field(default_factory=dict)
    uses: dict[Traced, int] = field(default_factory=dict)

    def of(self, results: Mapping[str, Any]) -> dict[str, str]:
        """The results as expressions in terms of inputs and of `lines`."""
        for result in results.values():
            self._count(result)
        return {name: self.text(result) for name, result in results.items()}

    def _count(self, x: Any) -> None:
        if not isinstance(x, Traced):
            return
        self.uses[x] = self.uses.get(x, 0) + 1
        if self.uses[x] == 1:
            for operand, _ in x.operands:
                self._count(operand)

    def text(self, x: Any) -> str:
        """An expression; what has a name, or is used twice, becomes a statement first."""
        if not isinstance(x, Traced):
            return _constant(x)
        if x not in self.texts:
            text = x.name if x.write is None else x.write(*(self._bracketed(*operand) for operand in x.operands))
            if x.write is not None and (x.name or self.uses[x] > 1):
                name = self._free(x.name or "value")
                self.lines.append(f"{name} = {text}")
                self.taken.add(name)
                text, x.looseness = name, ATOM
            self.texts[x] = text
        return self.texts[x]

    def _bracketed(self, x: Any, loosest: int) -> str:
        text = self.text(x)
        looseness = x.looseness if isinstance(x, Traced) else UNARY if text.startswith("-") else ATOM
        return text if looseness <= loosest else f"({text})"

    def _free(self, name: str) -> str:
        if not name.isidentifier() or keyword.iskeyword(name):
            name = "value"
        candidates = (name if n == 1 else f"{name}_{n}" for n in range(1, len(self.taken) + 3))
        return next(candidate for candidate in candidates if candidate not in self.taken)


def _constant(x: Any) -> str:
    if isinstance(x, np.ndarray):
        if x.size > LONGEST:
            raise PlasticError(f"the rule computes with a constant array of {x.size} numbers, too long to write out.")
        return f"np.array({x.tolist()})"
    return repr(x.item() if isinstance(x, np.generic) else x)

"""A rule's lines as a graph: they are run once on arrays that write down what is done to them.

What a rule computes is array code without branches on values, so one run shows all of it, for its
options as they are. Printers write the graph as source of numpy or of another language
(plastic.rules.source), or as a circuit in integers (plastic.hardware.compiler.tracer). The lines of a neuron are traced
in the same way.
"""

from __future__ import annotations

import itertools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, ModuleType
from typing import Any, ClassVar

import numpy as np

from plastic.errors import PlasticError
from plastic.rules.memory import Memory
from plastic.rules.statistics import Moments

COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")  # which Python swaps itself
_count = itertools.count()
Operator = Callable[["Traced", Any], "Traced"]


def _binary(op: str, swapped: bool = False) -> Operator:
    function = getattr(operator, f"__{op}__")
    if swapped:
        return lambda self, other: _made(function, op, other, self)
    return lambda self, other: _made(function, op, self, other)


def _both(op: str) -> tuple[Operator, Operator]:
    return _binary(op), _binary(op, swapped=True)


@dataclass(eq=False)
class Traced:
    """An array that knows where it comes from: `value` is an example, of its shape and type.

    op: an operator by Python's name (add, lt, getitem), transpose, a function of numpy as the array API calls it, or
    what a printer knows beside these; input: known by its name. The arguments are arrays, numbers, and lists of them.
    """

    value: Any
    op: str = "input"
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)  # arguments by keyword
    name: str = ""
    method: bool = False  # whether the function was called as a method of its first argument
    number: int = field(default_factory=lambda: next(_count))  # in the order in which the rule computes

    __array_ufunc__: ClassVar[None] = None  # numpy arrays leave operations with this one to it
    __hash__ = object.__hash__
    __add__, __radd__ = _both("add")
    __sub__, __rsub__ = _both("sub")
    __mul__, __rmul__ = _both("mul")
    __truediv__, __rtruediv__ = _both("truediv")
    __matmul__, __rmatmul__ = _both("matmul")
    __mod__, __rmod__ = _both("mod")
    __pow__, __rpow__ = _both("pow")
    __and__, __rand__ = _both("and")
    __or__, __ror__ = _both("or")

    def __array_namespace__(self, api_version: str | None = None) -> Namespace:
        del api_version
        return NAMESPACE

    def __getattr__(self, name: str) -> Any:
        """Shapes and types of the example; methods are written down."""
        if name.startswith("__"):
            raise AttributeError(name)
        if name in ("mT", "T"):
            return self.arguments[0] if self.op == "transpose" else _made(_transposed, "transpose", self)
        found = getattr(self.value, name)
        return _recorded(found, name, self) if callable(found) else found

    def __getitem__(self, key: Any) -> Traced:
        return _made(operator.getitem, "getitem", self, key)

    def __neg__(self) -> Traced:
        return _made(operator.neg, "neg", self)

    def __invert__(self) -> Traced:
        return _made(operator.invert, "invert", self)

    def __abs__(self) -> Any:
        return NAMESPACE.abs(self)

    def __bool__(self) -> bool:
        raise PlasticError(
            "the rule or neuron branches on the value of an array, which cannot be written out; use "
            "where(condition, a, b) of its array namespace instead."
        )

    @property
    def truth(self) -> bool:
        """Whether it has truth values, which are no numbers."""
        return bool(self.value.dtype == bool)

    def operands(self) -> Iterator[Traced]:
        """The arrays that it is computed from."""
        return _traced((*self.arguments, *self.options.values()))


def _traced(arguments: Iterable[Any]) -> Iterator[Traced]:
    for one in arguments:
        if isinstance(one, Traced):
            yield one
        elif isinstance(one, list | tuple):
            yield from _traced(one)


def _made(function: Callable[..., Any], op: str, *arguments: Any) -> Traced:
    with np.errstate(all="ignore"):  # the example's numbers mean nothing
        return Traced(function(*map(_value, arguments)), op, arguments)


def _value(x: Any) -> Any:
    if isinstance(x, list | tuple):
        return type(x)(_value(item) for item in x)
    return x.value if isinstance(x, Traced) else x


def _transposed(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


for _op in COMPARISONS:
    setattr(Traced, f"__{_op}__", _binary(_op))


def _recorded(function: Callable[..., Any], name: str, owner: Traced | None) -> Callable[..., Any]:
    """The function, or the owner's method, that writes down its calls."""

    def call(*arguments: Any, **options: Any) -> Any:
        with np.errstate(all="ignore"):
            value = function(*map(_value, arguments), **{k: _value(v) for k, v in options.items()})
        if owner is None and next(_traced((*arguments, *options.values())), None) is None:
            return value
        return Traced(
            value, name, arguments if owner is None else (owner, *arguments), options, method=owner is not None
        )

    return call


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
    """Arrays take the names of the local variables that hold them in the methods of `owner` and of what keeps its
    state."""

    def profile(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "return" and _is(frame.f_locals.get("self"), owner):
            code = frame.f_code
            arguments = code.co_varnames[: code.co_argcount]
            for name in (*code.co_varnames, *code.co_cellvars):
                if name in arguments:
                    continue
                value = frame.f_locals.get(name)
                if isinstance(value, Traced) and value.op != "input" and not value.name:
                    value.name = name

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def _is(found: object, owner: object) -> bool:
    return found is owner or isinstance(found, Moments | Memory)

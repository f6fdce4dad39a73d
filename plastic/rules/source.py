"""A graph of a rule's or neuron's lines (plastic.rules.tracing) as source: of numpy, or in another language's words.

Results that the rule gives a name to keep that name.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plastic.errors import PlasticError
from plastic.rules.tracing import Traced

ATOM, POWER, UNARY, PRODUCT, SUM, COMPARISON = range(6)  # how loosely an expression holds together
BINARY: dict[str, tuple[str, int, int, int]] = {  # sign, looseness, loosest left and right without brackets
    "add": ("+", SUM, SUM, PRODUCT), "sub": ("-", SUM, SUM, PRODUCT), "mul": ("*", PRODUCT, PRODUCT, UNARY),
    "truediv": ("/", PRODUCT, PRODUCT, UNARY), "matmul": ("@", PRODUCT, PRODUCT, UNARY),
    "mod": ("%", PRODUCT, PRODUCT, UNARY), "pow": ("**", POWER, ATOM, UNARY),
    "lt": ("<", COMPARISON, SUM, SUM), "le": ("<=", COMPARISON, SUM, SUM), "gt": (">", COMPARISON, SUM, SUM),
    "ge": (">=", COMPARISON, SUM, SUM), "eq": ("==", COMPARISON, SUM, SUM), "ne": ("!=", COMPARISON, SUM, SUM),
    "and": ("&", COMPARISON, ATOM, ATOM), "or": ("|", COMPARISON, ATOM, ATOM),
}  # fmt: skip
SIGNS = {"neg": "-", "invert": "~"}
OLDER = {"concat": "concatenate", "pow": "power", "permute_dims": "transpose"}  # words that numpy 1 knows too
LONGEST = 64  # numbers of a constant array that is written out
Written = tuple[str, int]  # an expression, and how loosely it holds together


@dataclass
class Source:
    """Statements that compute some arrays from named inputs."""

    taken: set[str]  # names of the inputs, and those not to be used
    functions: Mapping[str, str] = field(default_factory=dict)  # operations beside numpy's, as functions of that name
    words: Callable[[Source, Traced], Written | None] = lambda source, x: None  # what another language says otherwise
    lines: list[str] = field(default_factory=list)
    texts: dict[Traced, Written] = field(default_factory=dict)  # each with its looseness
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
            for operand in x.operands():
                self._count(operand)

    def text(self, x: Any, loosest: int = COMPARISON) -> str:
        """An expression, in brackets if it is looser than that; what has a name, or is used twice, becomes a
        statement first."""
        if not isinstance(x, Traced):
            text = _constant(x)
            looseness = UNARY if text.startswith("-") else ATOM
        else:
            if x not in self.texts:
                self.texts[x] = self._stated(x)
            text, looseness = self.texts[x]
        return text if looseness <= loosest else f"({text})"

    def _stated(self, x: Traced) -> Written:
        if x.op == "input":
            return x.name, ATOM
        text, looseness = self._written(x)
        if not x.name and self.uses[x] == 1:
            return text, looseness
        name = self._free(x.name or "value")
        self.lines.append(f"{name} = {text}")
        self.taken.add(name)
        return name, ATOM

    def _written(self, x: Traced) -> Written:
        """The operation on the texts of its arguments."""
        if (said := self.words(self, x)) is not None:
            return said
        if x.op in BINARY:
            sign, looseness, left, right = BINARY[x.op]
            return f"{self.text(x.arguments[0], left)} {sign} {self.text(x.arguments[1], right)}", looseness
        if x.op in SIGNS:
            return f"{SIGNS[x.op]}{self.text(x.arguments[0], UNARY)}", UNARY
        if x.op == "getitem":
            return f"{self.text(x.arguments[0], ATOM)}[{_index(x.arguments[1])}]", ATOM
        if x.op == "transpose" and x.value.ndim == 2:
            return f"{self.text(x.arguments[0], ATOM)}.T", ATOM
        if x.op == "transpose":
            return f"np.swapaxes({self.text(x.arguments[0])}, -1, -2)", ATOM
        owner, rest = (f"{self.text(x.arguments[0], ATOM)}.", x.arguments[1:]) if x.method else ("np.", x.arguments)
        function = self.functions.get(x.op) or f"{owner}{OLDER.get(x.op, x.op)}"
        given = [self._argument(a) for a in rest] + [f"{k}={self._argument(v)}" for k, v in x.options.items()]
        return f"{function}({', '.join(given)})", ATOM

    def _argument(self, x: Any) -> str:
        if isinstance(x, list | tuple) and any(isinstance(item, Traced) for item in x):
            return f"[{', '.join(self._argument(item) for item in x)}]"
        if isinstance(x, Traced | np.ndarray):
            return self.text(x)
        if isinstance(x, np.dtype | type):
            return {"b": "bool", "i": "int"}.get(np.dtype(x).kind, "float")
        return repr(x)

    def _free(self, name: str) -> str:
        if not name.isidentifier() or keyword.iskeyword(name):
            name = "value"
        candidates = (name if n == 1 else f"{name}_{n}" for n in range(1, len(self.taken) + 3))
        return next(candidate for candidate in candidates if candidate not in self.taken)


def _index(key: Any) -> str:
    if isinstance(key, tuple):
        return ", ".join(_index(part) for part in key)
    if isinstance(key, slice):
        ends = ["" if end is None else str(end) for end in (key.start, key.stop)]
        return ":".join(ends) + ("" if key.step is None else f":{key.step}")
    return "..." if key is Ellipsis else repr(key)


def _constant(x: Any) -> str:
    if isinstance(x, np.ndarray):
        if x.size > LONGEST:
            raise PlasticError(f"the rule computes with a constant array of {x.size} numbers, too long to write out.")
        return f"np.array({x.tolist()})"
    return repr(x.item() if isinstance(x, np.generic) else x)

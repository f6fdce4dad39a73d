"""A neuron as it is declared (plastic.neurons), as statements of Brian2: its lines are traced, and printed. Needs no
Brian2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plastic.errors import PlasticError
from plastic.models.neuron.constants import SpikingStep
from plastic.neurons import Constants, Neuron
from plastic.rules.source import ATOM, COMPARISON, PRODUCT, SUM, UNARY, Source, Written
from plastic.rules.tracing import Traced, named_after

FUNCTIONS = {  # by the names of the array API
    **{name: name for name in ("abs", "ceil", "cos", "cosh", "exp", "expm1", "floor", "log", "log10", "log1p", "sign")},
    **{name: name for name in ("sin", "sinh", "sqrt", "tan", "tanh")},
    **{"acos": "arccos", "asin": "arcsin", "atan": "arctan"},
}
# what a variable of a group cannot be called, as something else is
RESERVED = {
    *("u", "drive", "psi", "count", "post_sum", "arrivals", "g", "w", "theta", "slope", "beta", "tau_x", "pre_trace"),
    *("eligibility", "t", "dt", "t_in_timesteps", "i", "j", "N", "lastspike", "not_refractory", "pi", "e", "inf"),
    *("clip", "int", "rand", "randn", "poisson", "timestep", "exprel", *FUNCTIONS.values()),
}


@dataclass(frozen=True)
class Statements:
    """The step of one neuron."""

    variables: str  # their equations
    at_rest: str
    driven: str  # the variable that arriving spikes add their weights to
    post_factor: str  # every step: what comes of the drive, then psi
    threshold: str  # a condition
    reset: str


def declared(neuron: Neuron, step: SpikingStep, post_factor: str) -> Statements:
    """The step as the neuron declares it; post_factor: ψ as text, of the {distance} to threshold.

    Raises PlasticError for lines that Brian2 has no words for.
    """
    tracer = _Tracer(neuron, step, post_factor)
    names, state, drive = tracer.names, tracer.inputs(), tracer.input("drive", 0.5)
    spike = tracer.input("spike", 1.0)
    with named_after(neuron):
        after = neuron.integrate(state, drive, tracer.constants)
        psi = neuron.post_factor(state, tracer.constants)
        fires = neuron.fires(state, tracer.constants)
        left = neuron.after_spike(state, spike, tracer.constants)
    notes = {"u": "membrane, in thresholds"}
    variables = [f"{own} : 1".ljust(24) + f"# {notes.get(own, 'of the neuron')}" for own in names.values()]
    return Statements(
        variables="\n".join([*variables, "drive : 1".ljust(24) + "# weights of the spikes that arrive"]),
        at_rest="\n".join([*(f"{names[k]} = {float(v)!r}" for k, v in neuron.state.items()), "drive = 0"]),
        driven="drive",
        post_factor="\n".join([tracer.assigned(after, {}), "drive = 0", tracer.assigned({"psi": psi}, {})]),
        threshold=tracer.condition(fires),
        reset=tracer.assigned(left, {spike: 1.0}),
    )


class _Tracer:
    """What the statements of one neuron are made with."""

    def __init__(self, neuron: Neuron, step: SpikingStep, post_factor: str) -> None:
        self.neuron, self.template = neuron, post_factor
        self.names = {
            key: "u" if key == "membrane" else f"state_{key}" if key in RESERVED else key for key in neuron.state
        }
        decay, threshold = self.input("beta", step.membrane_decay), self.input("theta", step.threshold)
        self.constants = Constants(decay, threshold, lambda x: Traced(x.value, "psi", (x,)))

    def input(self, name: str, value: float) -> Traced:
        return Traced(np.array([float(value)]), name=name)

    def inputs(self) -> dict[str, Traced]:
        return {key: self.input(self.names[key], value + 0.25) for key, value in self.neuron.state.items()}

    def source(self) -> Source:
        return Source(RESERVED | set(self.names.values()), words=self.words)

    def assigned(self, results: Mapping[str, Any], known: Mapping[Traced, float]) -> str:
        """Statements that give each result to the variable of its name; one that others still read comes last."""
        source, done = self.source(), dict[Traced, Any]()
        folded = {self.names.get(k, k): _folded(v, known, done) for k, v in results.items()}
        texts = {k: text for k, text in source.of(folded).items() if text != k}
        lines, late = list(source.lines), []
        for position, (name, text) in enumerate(texts.items()):
            later = " ".join(list(texts.values())[position + 1 :])
            if re.search(rf"\b{name}\b", later):
                lines.append(f"next_{name} = {text}")
                late.append(f"{name} = next_{name}")
            else:
                lines.append(f"{name} = {text}")
        return "\n".join([*lines, *late])

    def condition(self, fires: Any) -> str:
        """Where the neuron fires: the conditions that its 0 or 1 is made of, if it is made of these."""
        found = _folded(fires, {}, {})
        if isinstance(found, Traced) and found.op == "astype" and found.arguments[0].truth:
            return self.inline(found.arguments[0])
        if isinstance(found, Traced) and found.op == "mul":
            return " and ".join(self.condition(argument) for argument in found.arguments)
        return f"{self.inline(found, SUM)} > 0"

    def inline(self, x: Any, loosest: int = COMPARISON) -> str:
        """As one expression, without statements before it."""
        source, alone = self.source(), _once(x)
        source.of({"": alone})
        return source.text(alone, loosest)

    def words(self, source: Source, x: Traced) -> Written | None:
        """What Brian2 says otherwise than numpy; None for what both say alike."""
        if x.op == "psi":
            return self.template.format(distance=source.text(x.arguments[0], SUM)), PRODUCT
        if x.op == "astype":
            inner = x.arguments[0]
            return (f"int({source.text(inner)})", ATOM) if _truth(inner) else (source.text(inner, ATOM), ATOM)
        if x.op == "where":
            condition, one, other = x.arguments
            here = source.text(condition)
            chosen = f"int({here}) * {source.text(one, UNARY)}"
            if isinstance(other, float) and other == 0:
                return chosen, PRODUCT
            return f"{chosen} + int(not ({here})) * {source.text(other, UNARY)}", SUM
        if x.op in ("and", "or", "logical_and", "logical_or"):
            one, other = (source.text(argument, ATOM) for argument in x.arguments)
            return f"({one}) {x.op.removeprefix('logical_')} ({other})", COMPARISON
        if x.op in ("invert", "logical_not"):
            return f"not ({source.text(x.arguments[0])})", COMPARISON
        if x.op in ("maximum", "minimum", "clip"):
            one, *bounds = (source.text(argument) for argument in x.arguments)
            low = "-inf" if x.op == "minimum" else bounds[0]
            return f"clip({one}, {low}, {'inf' if x.op == 'maximum' else bounds[-1]})", ATOM
        if x.op in ("zeros_like", "ones_like"):
            return ("0.0" if x.op == "zeros_like" else "1.0"), ATOM
        if x.op in FUNCTIONS:
            return f"{FUNCTIONS[x.op]}({source.text(x.arguments[0])})", ATOM
        if x.op in ("add", "sub", "mul", "truediv", "mod", "pow", "neg", "lt", "le", "gt", "ge", "eq", "ne"):
            return None
        raise PlasticError(
            f"neuron {self.neuron.name!r} computes with {x.op}, for which Brian2 has no word; write it with "
            f"arithmetic, where, and {', '.join(FUNCTIONS)}, or take another backend."
        )


def _truth(x: Any) -> bool:
    return isinstance(x, bool | np.bool_) or (isinstance(x, Traced) and x.truth)


def _once(x: Any) -> Any:
    """The graph without names, so that nothing of it becomes a statement."""
    if not isinstance(x, Traced) or x.op == "input":
        return x
    return Traced(x.value, x.op, tuple(map(_once, x.arguments)), x.options, method=x.method)


def _folded(x: Any, known: Mapping[Traced, float], done: dict[Traced, Any]) -> Any:
    """The graph without what is known beforehand: times 0 and 1, plus 0, a choice that is made."""
    if not isinstance(x, Traced):
        return x
    if x in known or x.op == "input":
        return known.get(x, x)
    if x not in done:
        arguments = tuple(_folded(argument, known, done) for argument in x.arguments)
        done[x] = _simple(x, arguments)
    return done[x]


def _simple(x: Traced, arguments: tuple[Any, ...]) -> Any:
    one, other = (*arguments, None, None)[:2]

    def is_number(value: Any, number: int) -> bool:
        return isinstance(value, int | float | np.generic) and not isinstance(value, bool) and value == number

    if not any(isinstance(argument, Traced) for argument in arguments):
        return x.value.ravel()[0].item() + (0 if x.truth else 0.0)  # no −0
    if x.op == "mul" and (is_number(one, 0) or is_number(other, 0)):
        return 0.0
    if (x.op == "mul" and is_number(one, 1)) or (x.op == "add" and is_number(one, 0)):
        return other
    if (x.op in ("mul", "truediv") and is_number(other, 1)) or (x.op in ("add", "sub") and is_number(other, 0)):
        return one
    if x.op == "where" and not isinstance(one, Traced):
        return arguments[1] if one else arguments[2]
    return Traced(x.value, x.op, arguments, x.options, x.name, x.method)

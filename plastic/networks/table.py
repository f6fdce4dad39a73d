"""A network as tables of TOML, and back.

    [input]
    units = 16
    positions = 4

    [[layers]]
    neurons = 128
    projection = { kind = "patches", branching = 2 }
    rule = "clapp"                        # or "FILE.py:CLASS"; "none": fixed weights; left out: that of the simulation
    rule_options = ["margin=1.0"]
    learning_rate = 0.05

    [readout]
    classes = 8

What is left out has its default. Networks say no version: a key that is not known is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from plastic.errors import PlasticError
from plastic.loading import options_of
from plastic.networks.network import FIXED, RUN, Input, Layer, Network, Readout
from plastic.networks.projections import KINDS, Dense, Projection
from plastic.rules import KIND, Rule, load_rule

Table = dict[str, Any]


def to_table(network: Network) -> Table:
    """As `from_table` reads it."""
    table: Table = {"input": _plain(network.input), "layers": [_layer_table(layer) for layer in network.layers]}
    return table | ({} if network.readout is None else {"readout": _plain(network.readout)})


def from_table(table: Any) -> Network:
    """The network of a table; PlasticError, naming the place, for what is unknown, missing or cannot be."""
    _known(table, ("input", "layers", "readout"), "a network")
    layers = table.get("layers", [])
    if "input" not in table or not layers:
        raise PlasticError("a network needs [input] and [[layers]]; write units of the input, neurons of each layer.")
    if not isinstance(layers, list | tuple):
        raise PlasticError("'layers' of a network must be tables: [[layers]].")
    parts: list[Any] = [_value(Input, table["input"], "[input]")]
    parts += [_layer(one, f"layer {number}") for number, one in enumerate(layers, 1)]
    if "readout" in table:
        parts.append(_value(Readout, table["readout"], "[readout]"))
    return Network(*parts)


def _layer_table(layer: Layer) -> Table:
    table = _plain(layer, but=("projection", "rule"))
    if layer.projection != Dense():
        kind = next(name for name, cls in KINDS.items() if type(layer.projection) is cls)
        table["projection"] = {"kind": kind, **_plain(layer.projection)}
    if layer.rule != RUN:
        table["rule"] = rule_text(layer)
    if isinstance(layer.rule, Rule) and (options := options_of(layer.rule)):
        table["rule_options"] = options
    return table


def rule_text(layer: Layer) -> str:
    """The rule of a layer as files say it, without its options."""
    return KIND.name(type(layer.rule)) if isinstance(layer.rule, Rule) else layer.rule or FIXED


def _layer(given: Any, where: str) -> Layer:
    table = dict(_known(given, (*(f.name for f in fields(Layer)), "rule_options"), where))
    options = table.pop("rule_options", [])
    if "projection" in table:
        table["projection"] = _projection(table["projection"], where)
    if not (isinstance(options, list | tuple) and all(isinstance(one, str) and "=" in one for one in options)):
        raise PlasticError(f"'rule_options' of {where} is {options!r}; write options as [\"KEY=VALUE\"].")
    if isinstance(name := table.get("rule"), str) and name != RUN:
        pairs = dict(one.split("=", 1) for one in options)
        in_file = ".py:" in name
        if name == FIXED:
            table["rule"] = None
        elif not in_file or pairs:
            table["rule"] = load_rule(name, pairs)
    elif options:
        raise PlasticError(f'{where} has options of a rule and no rule; give it one: rule = "…".')
    return _value(Layer, table, where)


def _projection(given: Any, where: str) -> Projection:
    table = dict(_known(given, None, f"the projection of {where}"))
    kind = table.pop("kind", None)
    if kind not in KINDS:
        said = "no kind" if kind is None else f"the unknown kind {kind!r}"
        raise PlasticError(f"the projection of {where} has {said}; choose one of: {', '.join(KINDS)}.")
    if isinstance(table.get("indices"), list):
        table["indices"] = tuple(tuple(one) if isinstance(one, list) else one for one in table["indices"])
    for name in ("bounds", "sign"):
        if isinstance(table.get(name), list):
            table[name] = tuple(table[name])
    return _value(KINDS[kind], table, f"the {kind} projection of {where}")


def _value(cls: type, given: Any, where: str) -> Any:
    """An object of the class, of a table of its fields; what it refuses itself is said with the place."""
    table = _known(given, tuple(f.name for f in fields(cls)), where)
    missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in table]
    if missing:
        raise PlasticError(f"{where} does not say {missing[0]!r}; add it.")
    try:
        return cls(**table)
    except PlasticError as error:
        raise PlasticError(f"{where}: {error}") from None


def _known(given: Any, names: tuple[str, ...] | None, where: str) -> Mapping[str, Any]:
    """The same table; PlasticError if it is none, or has other keys than `names`."""
    if not isinstance(given, Mapping):
        raise PlasticError(f"{where} must be a table, not {given!r}.")
    if names is not None and (others := [key for key in given if key not in names]):
        raise PlasticError(f"unknown key {others[0]!r} in {where}; it has: {', '.join(names)}.")
    return given


def _plain(value: Any, but: tuple[str, ...] = ()) -> Table:
    """What is not its default, as TOML has it."""
    given = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in but}
    defaults = {f.name: f.default for f in fields(value)}
    return {k: _listed(v) for k, v in given.items() if v != defaults[k]}


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value

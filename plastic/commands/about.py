"""plastic rules, neurons, cite and doctor: what there is, without running anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from plastic.doctor import diagnose
from plastic.errors import PlasticError
from plastic.neurons import all_neurons, load_neuron
from plastic.rules import all_rules, rule_class
from plastic.stimuli.grammar import CITATION
from plastic.terminal.console import Console
from plastic.terminal.declared import (
    RATE_FUNCTIONS,
    neuron_page,
    neuron_record,
    neurons_table,
    rule_page,
    rule_record,
    rules_table,
)


@dataclass(frozen=True)
class Rules:
    """The rules with their three factors, kind of modulator, and what is not local in them."""

    action: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[show]")] = "list"
    """`show` for one rule in full."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""
    """The rule to show, by name or as FILE.py:CLASS."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        if self.action not in ("list", "show"):
            raise PlasticError(f"unknown action {self.action!r}; write `plastic rules` or `plastic rules show NAME`.")
        if self.action == "show" and not self.name:
            raise PlasticError(f"which rule? plastic rules show NAME, with one of: {', '.join(all_rules())}.")
        console = Console()
        if self.action == "show":
            rule = rule_class(self.name)
            _print(console, self.json, rule_record(rule), lambda: rule_page(rule))
        else:
            rules = all_rules()
            record = {"rules": [rule_record(rule) for rule in rules.values()]}
            _print(console, self.json, record, lambda: rules_table(rules))
        return 0


@dataclass(frozen=True)
class Neurons:
    """The neurons of spiking networks, with their equations, options and the backends that run them.

    Examples:
      plastic neurons show alif
      plastic simulate --neuron alif --neuron-options adaptation=0.3
    """

    action: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[show]")] = "list"
    """`show` for one neuron in full."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""
    """The neuron to show, by name or as FILE.py:CLASS."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        if self.action not in ("list", "show"):
            raise PlasticError(
                f"unknown action {self.action!r}; write `plastic neurons` or `plastic neurons show NAME`."
            )
        if self.action == "show" and not self.name:
            raise PlasticError(f"which neuron? plastic neurons show NAME, with one of: {', '.join(all_neurons())}.")
        console = Console()
        if self.action == "show":
            neuron = load_neuron(self.name)
            _print(console, self.json, neuron_record(neuron), lambda: neuron_page(neuron))
        else:
            neurons = [neuron() for neuron in all_neurons().values()]
            record = {"neurons": [neuron_record(neuron) for neuron in neurons], "rate_functions": list(RATE_FUNCTIONS)}
            _print(console, self.json, record, lambda: neurons_table(neurons))
        return 0


def _print(console: Console, as_json: bool, record: dict[str, Any], table: Callable[[], Any]) -> None:
    if as_json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        console.print(table())


@dataclass(frozen=True)
class Cite:
    """BibTeX of the rules and of the model: for all, or for those named."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Rules by name; none means all."""

    def run(self) -> int:
        entries = [rule_class(name).about.citation for name in self.names or all_rules()]
        print("\n\n".join(dict.fromkeys([*entries, CITATION])))
        return 0


@dataclass(frozen=True)
class Doctor:
    """Versions, devices, which backends and extras are usable, and how to get the others."""

    def run(self) -> int:
        return 0 if diagnose(Console()) else 1

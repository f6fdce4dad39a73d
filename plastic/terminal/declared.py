"""What the terminal shows of rules and neurons: tables of all, a page for one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, get_args, get_type_hints

from rich.markup import escape
from rich.table import Table

from plastic.config.settings import Architecture
from plastic.neurons import Neuron
from plastic.neurons.where import backends_of
from plastic.rules import About, Rule

RATE_FUNCTIONS = get_args(get_type_hints(Architecture)["activation"])


def rule_record(rule: type[Rule]) -> dict[str, Any]:
    """A rule's declaration as plain data."""
    return {
        "name": rule.name,
        "title": rule.about.title,
        "family": rule.about.family,
        "equation": rule.about.equation,
        "pre": rule.about.pre,
        "post": rule.about.post,
        "third": rule.about.third,
        "modulator": rule.modulator,
        "sides": list(rule.acts.sides),
        "ledger": dataclasses.asdict(rule.about.ledger),
        "options": {f.name: f.default for f in dataclasses.fields(rule)},
        "defaults_source": rule.about.defaults_source,
        "probeable": list(rule.about.probeable),
        "citation": rule.about.citation,
    }


def declares_ledger(rule: type[Rule]) -> bool:
    """Whether the rule says itself what is not local in it."""
    return rule.about.ledger is not About.ledger


def rules_table(rules: dict[str, type[Rule]]) -> Table:
    """The rules with their three factors and what is not local in them."""
    table = Table(title="ΔW_ij = η · third · post · pre, summed over a stimulus", show_lines=True)
    for heading in ("rule", "third factor m_i", "post", "pre", "modulator", "not local"):
        table.add_column(heading, overflow="fold")
    for name, rule in rules.items():
        parts = [f"{k.replace('_', ' ')}: {v}" for k, v in rule.about.ledger.nonlocal_parts().items()]
        factors = (escape(rule.about.third), escape(rule.about.post), escape(rule.about.pre))
        local = "nothing" if declares_ledger(rule) else "not declared"
        table.add_row(f"[bold]{name}[/]", *factors, rule.modulator, "\n".join(parts) or local)
    return table


def rule_page(rule: type[Rule]) -> Table:
    """One rule in full."""
    title = rule.about.title or (rule.__doc__ or "").partition("\n")[0]
    table = Table(title=f"{rule.name}: {escape(title)}", show_header=False, show_lines=True)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    record = rule_record(rule)
    for key in ("family", "equation", "third", "post", "pre", "modulator"):
        table.add_row(key, escape(record[key]))
    table.add_row("sides", ", ".join(record["sides"]))
    ledger = "\n".join(f"{k.replace('_', ' ')}: {v}" for k, v in record["ledger"].items())
    table.add_row("locality ledger", ledger if declares_ledger(rule) else "not declared")
    table.add_row("options", "\n".join(f"{k} = {v}" for k, v in record["options"].items()))
    table.add_row("defaults from", record["defaults_source"] or "not declared")
    table.add_row("own signals", ", ".join(record["probeable"]) or "none")
    table.add_row("citation", escape(record["citation"]) or "none")
    return table


def neuron_record(neuron: Neuron) -> dict[str, Any]:
    """A neuron's declaration as plain data."""
    about, cls = neuron.about, type(neuron)
    return {
        "name": neuron.name,
        "title": about.title or (cls.__doc__ or "").partition("\n")[0],
        "equation": about.equation,
        "state": neuron.state,
        "options": {f.name: str(f.default) for f in dataclasses.fields(neuron)},
        "units": dict(about.units),
        "backends": backends_of(neuron),
        "defaults_source": about.defaults_source,
        "citation": about.citation,
    }


def _options(record: dict[str, Any]) -> str:
    units = {name: f" {unit}" if unit else "" for name, unit in record["units"].items()}
    return "\n".join(f"{name} = {value}{units.get(name, '')}" for name, value in record["options"].items())


def _runs_on(record: dict[str, Any]) -> str:
    return ", ".join(record["backends"]) or "no layer: a readout"


def neurons_table(neurons: Sequence[Neuron]) -> Table:
    """The neurons with their equations, options and the backends that run them as they are by default."""
    table = Table(
        title="neurons of spiking networks, dt = 1 ms; β, θ and ψ: --membrane-decay, --threshold, --surrogate",
        caption=f"rate networks have a function instead: --activation {', '.join(RATE_FUNCTIONS)}",
        show_lines=True,
    )  # fmt: skip
    for heading in ("neuron", "equations", "options", "backends"):
        table.add_column(heading, overflow="fold")
    for record in map(neuron_record, neurons):
        table.add_row(f"[bold]{record['name']}[/]", escape(record["equation"]), _options(record), _runs_on(record))
    return table


def neuron_page(neuron: Neuron) -> Table:
    """One neuron in full."""
    record = neuron_record(neuron)
    table = Table(title=f"{neuron.name}: {escape(record['title'])}", show_header=False, show_lines=True)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("equations", escape(record["equation"]) or "not declared")
    table.add_row(
        "state", "\n".join(f"{name} = {value:g} when a stimulus begins" for name, value in neuron.state.items())
    )
    table.add_row("options", _options(record) or "none")
    table.add_row("backends", _runs_on(record))
    table.add_row("defaults from", record["defaults_source"] or "not declared")
    table.add_row("citation", escape(record["citation"]) or "none")
    return table

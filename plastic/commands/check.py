"""plastic check."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from plastic.backends import declared
from plastic.config.settings import Architecture, Config, Spiking, validate
from plastic.errors import PlasticError
from plastic.rules import rule_class
from plastic.terminal.console import Console
from plastic.terminal.report import check_table


@dataclass(frozen=True)
class Check:
    """Do a rule and a neuron do the same on every spiking backend? The same spikes, learned from on each.

    A small network learns with plain SGD; spikes and weights are compared with the reference, and the
    differences are drawn. The weight error is relative to how far the weights moved. Status 1 where a
    backend differs, or where the network was silent or did not learn, so that agreement says nothing.

    Examples:
      plastic check --rule clapp --rule-options sides=both
      plastic check --rule my_rule.py:MyRule
      plastic check --neuron my_neuron.py:MyNeuron
    """

    rule: str = "clapp"
    """A rule by name, or your own as FILE.py:CLASS."""
    rule_options: tuple[str, ...] = ()
    """Options of the rule as KEY=VALUE."""
    neuron: str = Spiking.neuron
    """A neuron by name, or your own as FILE.py:CLASS."""
    neuron_options: tuple[str, ...] = ()
    """Options of the neuron as KEY=VALUE."""
    stimuli: int = 200
    """Stimuli to learn from."""
    topology: Literal["tree", "dense"] = "tree"
    """The network: a tree of patches, or all to all."""
    weights: Literal["shared", "local"] = "local"
    """In a tree: positions share their weights, or each has its own."""
    out: Path | None = None
    """The picture of the differences (default check-RULE.png)."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.models.studies.check import check, comparable

        if self.stimuli < 1:
            raise PlasticError(f"--stimuli is {self.stimuli}; it must be greater than 0.")
        config = Config(rule=self.rule, rule_options=self.rule_options)
        validate(dataclasses.replace(config, network=Architecture(topology=self.topology, weights=self.weights)))
        name, neuron = rule_class(self.rule).name, Spiking(self.neuron, self.neuron_options).chosen
        out = self.out or Path(f"check-{name}.png")
        found = check(self.rule, config.options(), out, neuron, self.stimuli, self.topology, self.weights)
        records = [one.record() for one in found]
        console = Console(stderr=self.json)
        title = name if neuron.name == Spiking.neuron else f"{name}, neuron {neuron.name}"
        console.print(check_table(title, records))
        console.print(f"picture: {out}", soft_wrap=True)
        for left in sorted(set(comparable()) - {str(one["backend"]) for one in records}):
            package = declared(left).package
            why = f"has no neuron {neuron.name!r}" if package.installed else "is not installed"
            console.print(f"{left} {why} and was left out" + ("" if package.installed else f": {package.remedy}"))
        if self.json:
            print(json.dumps({"rule": name, "neuron": neuron.name, "comparisons": records, "picture": str(out)}))
        return 0 if all(one["agrees"] for one in records) else 1

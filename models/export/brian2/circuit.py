"""The third factor of each layer of a run, written out as a numpy function for its exported script."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plastic.models.network.parameters import layer_shape, needs_readout, readout_layer
from plastic.models.runs.finished import FinishedRun
from plastic.rules.returned import third_factor_of
from plastic.rules.rule import Signals, ThirdFactor
from plastic.rules.source import Source
from plastic.rules.tracing import Traced, named_after

RESERVED = {"np", "data", "weights", "layers", "change", "learn", "main", "sent_down", "output_error"}
STATE = "state"  # the argument that holds what the rule keeps


@dataclass(frozen=True)
class ThirdFactorSource:
    """The third factor of one layer, written out."""

    inputs: tuple[str, ...]  # those that it reads, by name
    own: tuple[str, ...]  # of these, its weights
    lines: tuple[str, ...]
    results: Mapping[str, str]
    state: tuple[str, ...]  # what it keeps, by name
    product_mask: str = ""  # which ψ is between the weights that it reads multiplied, if it does

    @classmethod
    def of(cls, run: FinishedRun, index: int) -> ThirdFactorSource:
        rule, example = run.ensemble.settings.rule, _Example(run, index)
        with named_after(rule):
            third, after = third_factor_of(rule, example.signals, example.state, example.weights, shapes=False)
        kept = {name: after.get(name, value) for name, value in example.state.items()}
        for name, value in kept.items():
            value.name = value.name or name.replace(".", "_")
        source = Source(RESERVED | set(example.made), {"sent_down": "sent_down"})
        results = source.of(_results(third) | {f"{STATE}:{name}": value for name, value in kept.items()})
        text = "\n".join([*source.lines, *results.values()])
        used = [name for name in example.made if _names(text, name)]
        return cls(
            (*used, *([STATE] if kept else [])),
            tuple(n for n in used if n in example.weights),
            tuple(source.lines),
            results,
            tuple(kept),
            example.product_mask,
        )

    @property
    def learned(self) -> list[str]:
        """Names of its own weights that learn."""
        return sorted({key.partition(":")[2] for key in self.results if key.startswith("post:")})

    @property
    def both(self) -> bool:
        """Whether it credits the stimulus before, too."""
        return self.results["before"] != "None"

    def text(self, name: str) -> str:
        """As a function of this name; returns m, and what there is of m_before, learned and the new state."""
        returned, meaning = [self.results["m"]], "m of every unit"
        if self.both:
            returned.append(self.results["before"])
            meaning += "; m of the stimulus before"
        if self.learned:
            parts = {w: [self.results[f"{part}:{w}"] for part in ("modulator", "post", "pre")] for w in self.learned}
            returned.append("{" + ", ".join(f'"{w}": ({", ".join(three)})' for w, three in parts.items()) + "}")
            meaning += "; (modulator, post, pre) of the circuit's own weights"
        if self.state:
            kept = "".join(f'    "{one}": {self.results[f"{STATE}:{one}"]},\n' for one in self.state)
            returned.append(f"{{\n{kept}}}")
            meaning += "; the new state"
        lines = [f'"""{meaning}."""', *self.lines, f"return {', '.join(returned)}"]
        return f"def {name}({', '.join(self.inputs)}):\n" + textwrap.indent("\n".join(lines), "    ")


def _results(third: ThirdFactor) -> dict[str, Any]:
    results = {"m": third.current.value, "before": None if third.context is None else third.context.value}
    for name, product in third.learn.items():
        results |= {f"modulator:{name}": product.modulator, f"post:{name}": product.post, f"pre:{name}": product.pre}
    return results


def _names(text: str, name: str) -> bool:
    """Whether the text has the name as a word."""
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text) is not None


class _Example:
    """Signals, state and circuit weights of one layer, of the right shapes, named as the script names them."""

    def __init__(self, run: FinishedRun, index: int) -> None:
        rule, network = run.ensemble.settings.rule, run.ensemble.network
        self.made: dict[str, Traced] = {}
        self.product_mask = ""
        self.random = np.random.default_rng(0)
        batch, decay = run.ensemble.settings.batch, run.ensemble.settings.statistics_decay
        shape = layer_shape(network, rule, index, batch, decay)
        reads = rule.reads.signals
        self.signals = Signals(
            activity=self.make("z", batch, shape.units),
            context=self.make("c", batch, shape.units),
            fixation=self.make("y", batch, 1),
            error=self.make("error", batch, network.classes) if needs_readout(rule) else None,
            target=self.make("target", batch, network.classes) if "target" in reads else None,
            above=_Above(self, run, index) if "above" in reads and (not shape.last or needs_readout(rule)) else None,
            top_context=self.make("top_context", batch, shape.top_units) if "top_context" in reads else None,
            input_activity=self.make("input_activity", batch, 1) if "input_activity" in reads else None,
            last=shape.last,
            begun=self.make("begun", 1, 1),
            statistics_decay=decay,
        )
        prefix = f"layer{index + 1}."
        circuit = {k.removeprefix(prefix): v for k, v in run.initial.items() if k.startswith(prefix)}
        self.weights = {k: self.make(k, *v.shape) for k, v in circuit.items() if k != "weight"}
        self.state = {k: Traced(self.random.random(s), name=f'{STATE}["{k}"]') for k, s in rule.state(shape).items()}

    def make(self, name: str, *shape: int) -> Traced:
        self.made[name] = Traced(self.random.random(shape), name=name)
        return self.made[name]


class _Above:
    """The projection to the layer above (plastic.rules.rule.Above)."""

    def __init__(self, example: _Example, run: FinishedRun, index: int) -> None:
        network, batch = run.ensemble.network, run.ensemble.settings.batch
        last = index == len(network.layers) - 1
        weight = run.initial["readout.weight" if last else f"layer{index + 2}.weight"]
        self.units, self.batch, self.classes = network.layers[index].units, batch, network.classes
        upper = readout_layer(network) if last else network.layers[index + 1]
        self.example = example
        self.weight = example.make("weight_above", *weight.shape)
        self.credited = example.make("credited_above", batch, upper.positions, upper.neurons)

    def down(self, weight: Traced | None = None) -> Traced:
        operands = (self.weight if weight is None else weight, self.credited)
        return Traced(np.zeros((self.batch, self.units)), "sent_down", operands)

    def product(self, mask: str) -> Traced:
        self.example.product_mask = mask
        return self.example.make("product_above", self.batch, self.units, self.classes)

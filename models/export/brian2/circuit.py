"""The modulatory circuit of each layer of a run, written out as a numpy function for its exported script."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from plastic.models.export.brian2.source import ATOM, COMPARISON, Source, Traced, named_after
from plastic.models.network.parameters import needs_readout, readout_layer
from plastic.models.runs.finished import FinishedRun
from plastic.rules.returned import third_factor_of
from plastic.rules.rule import Rule, Signals, ThirdFactor
from plastic.rules.statistics import Known, Statistics

MOMENTS = frozenset(f"{key}{name}" for key in ("", "c_") for name in ("count", "mean", "variance", "covariance"))
RECALLED = MOMENTS | {"cross_covariance", "memory", "remembered"}  # inputs that a script computes over many stimuli
RESERVED = {"np", "data", "weights", "layers", "change", "learn", "main", "sent_down", "output_error"}


@dataclass(frozen=True)
class Circuit:
    """The modulatory circuit of one layer, written out."""

    inputs: tuple[str, ...]  # those that it reads, by name
    own: tuple[str, ...]  # of these, its weights
    lines: tuple[str, ...]
    results: Mapping[str, str]
    product_mask: str = ""  # which ψ is between the weights that it reads multiplied, if it does

    @classmethod
    def of(cls, run: FinishedRun, index: int) -> Circuit:
        rule, example = run.ensemble.settings.rule, _Example(run, index)
        with named_after(rule):
            third, _ = third_factor_of(rule, example.signals, {}, example.weights, shapes=False)
        source = Source(RESERVED | set(example.made))
        results = source.of(_results(third))
        text = "\n".join([*source.lines, *results.values()])
        used = [name for name in example.made if _names(text, name)]
        return cls(
            tuple(used),
            tuple(n for n in used if n in example.weights),
            tuple(source.lines),
            results,
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
        """As a function of this name; returns m, and what there is of m_before and learned."""
        returned, meaning = [self.results["m"]], "m of every unit"
        if self.both:
            returned.append(self.results["before"])
            meaning += "; m of the stimulus before"
        if self.learned:
            parts = {w: [self.results[f"{part}:{w}"] for part in ("modulator", "post", "pre")] for w in self.learned}
            returned.append("{" + ", ".join(f'"{w}": ({", ".join(three)})' for w, three in parts.items()) + "}")
            meaning += "; (modulator, post, pre) of the circuit's own weights"
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
    """Signals and circuit weights of one layer, of the right shapes, named as the script names them."""

    def __init__(self, run: FinishedRun, index: int) -> None:
        rule, network = run.ensemble.settings.rule, run.ensemble.network
        self.made: dict[str, Traced] = {}
        self.product_mask = ""
        self.random = np.random.default_rng(0)
        batch, layer = run.ensemble.settings.batch, network.layers[index]
        units, top = layer.summary_units(rule.summary), network.layers[-1].summary_units(rule.summary)
        last = index == len(network.layers) - 1
        reads = rule.reads
        self.signals = Signals(
            activity=self.make("z", batch, units),
            context=self.make("c", batch, units),
            fixation=self.make("y", batch, 1),
            error=self.make("error", batch, network.classes) if needs_readout(rule) else None,
            target=self.make("target", batch, network.classes) if "target" in reads else None,
            above=None if "above" not in reads or (last and not needs_readout(rule)) else _Above(self, run, index),
            top_context=self.make("top_context", batch, top) if "top_context" in reads else None,
            last=last,
            **self.recalled(rule, batch, units),
        )
        prefix = f"layer{index + 1}."
        circuit = {k.removeprefix(prefix): v for k, v in run.initial.items() if k.startswith(prefix)}
        self.weights = {k: self.make(k, *v.shape) for k, v in circuit.items() if k != "weight"}

    def recalled(self, rule: Rule, batch: int, units: int) -> dict[str, Any]:
        """Input activity, statistics, memory: those that the rule reads."""
        reads, found = rule.reads, dict[str, Any]()
        if "input_activity" in reads:
            found["input_activity"] = self.make("input_activity", batch, 1)
        past = dict[str, Any]()
        if rule.averages is not None:
            known = {}
            for key in ("", "c_"):
                count, joint = self.make(f"{key}count", 1, 1), None
                mean, variance = (self.make(f"{key}{moment}", 1, units) for moment in ("mean", "variance"))
                if rule.averages.covariance:
                    joint = self.make(f"{key}covariance", units, units)
                known[key] = Statistics(count, mean, variance, self.made["c" if key else "z"], joint)
            cross = self.make("cross_covariance", units, units) if rule.averages.cross else None
            past["statistics"] = Known(known[""], known["c_"], cross)
        if slots := rule.memory_slots:
            past["memory"] = self.make("memory", batch, slots, units), self.make("remembered", batch, slots)
        found["recalled"] = past
        return found

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
        operands = ((self.weight if weight is None else weight, COMPARISON), (self.credited, COMPARISON))
        return Traced(np.zeros((self.batch, self.units)), ATOM, operands, "sent_down({}, {})".format)

    def product(self, mask: str) -> Traced:
        self.example.product_mask = mask
        return self.example.make("product_above", self.batch, self.units, self.classes)

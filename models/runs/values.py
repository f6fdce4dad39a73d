"""A simulation that was put together from values, as the settings of a run say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plastic import neurons, rules
from plastic.backends import usual
from plastic.config.defaults import resolve
from plastic.config.file import from_table
from plastic.config.flat import nested
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.loading import options_of
from plastic.models.network.convolution import Convolution
from plastic.models.network.layer import Network
from plastic.neurons import Neuron
from plastic.rules.rule import Rule
from plastic.stimuli.task import Task


def config_of(
    network: Network, task: Task, rule: Rule | str, neuron: Neuron | str | None, backend: str,
    learning_rate: float | None, seed: int, settings: Mapping[str, Any],
) -> Config:  # fmt: skip
    """The resolved config; settings: others, by their names on the command line.

    Raises PlasticError for a task or network that settings cannot say, and for settings that cannot be.
    """
    if not task.settings:
        raise PlasticError(f"{task!r} was not made by plastic.stimuli; make it by rhm, digits, images or events.")
    given: dict[str, Any] = {
        **task.settings,
        **architecture(network),
        **rule_settings(rule),
        **neuron_settings(neuron),
        **settings,
    }
    given |= {"backend": backend or usual(), "seed": seed}
    if learning_rate is not None:
        given["learning_rate"] = float(learning_rate)
    given.setdefault("record", "none")
    return resolve(from_table(nested(given, "a simulation"), "the simulation"))


def architecture(network: Network) -> dict[str, Any]:
    """A network as settings say it."""
    layers, widths = network.layers, tuple(layer.neurons for layer in network.layers)
    if any(isinstance(layer, Convolution) for layer in layers):
        return {"topology": "conv", "depth": len(layers), "width": widths[0]}
    alike = {"depth": len(layers), "width": widths[0]} if len(set(widths)) == 1 else {"widths": list(widths)}
    if all(layer.positions == 1 and layer.shared for layer in layers):
        return {"topology": "dense", **alike}
    return {"topology": "tree", "weights": "shared" if layers[0].shared else "local", **alike}


def rule_settings(rule: Rule | str) -> dict[str, Any]:
    """A rule as settings say it: by name, or by the file that it is from, with the options that are not the default."""
    if isinstance(rule, str):
        return {"rule": rule}
    return {"rule": rules.KIND.name(type(rule)), "rule_options": options_of(rule)}


def neuron_settings(neuron: Neuron | str | None) -> dict[str, Any]:
    """A neuron likewise; None: the default."""
    if neuron is None or isinstance(neuron, str):
        return {} if neuron is None else {"neuron": neuron}
    return {"neuron": neurons.KIND.name(type(neuron)), "neuron_options": options_of(neuron)}

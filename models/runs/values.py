"""A simulation that was put together from values, as the settings of a run say it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from plastic import neurons, rules
from plastic.backends import usual
from plastic.config.defaults import resolve
from plastic.config.file import from_table
from plastic.config.flat import nested
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.loading import options_of
from plastic.networks import Convolution, Network, Patches, of_task
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
        **architecture(network, task),
        **rule_settings(rule),
        **neuron_settings(neuron),
        **settings,
    }
    given |= {"backend": backend or usual(), "seed": seed}
    if learning_rate is not None:
        given["learning_rate"] = float(learning_rate)
    given.setdefault("record", "none")
    layout = given.pop("layout", None)
    config = from_table(nested(given, "a simulation"), "the simulation")
    return resolve(dataclasses.replace(config, network=dataclasses.replace(config.network, layout=layout)))


def architecture(network: Network, task: Task) -> dict[str, Any]:
    """A network as settings say it: by topology and widths where these make it of the task, else as it is."""
    widths = [layer.neurons for layer in network.layers]
    alike: dict[str, Any] = {"depth": len(widths), "width": widths[0]} if len(set(widths)) == 1 else {"widths": widths}
    first = network.layers[0].projection
    if isinstance(first, Convolution):
        settings = {"topology": "conv", "depth": len(widths), "width": widths[0]}
        made = _made(of_task.convolutional, task, widths[0], len(widths))
    elif isinstance(first, Patches):
        settings = {"topology": "tree", "weights": "shared" if first.shared else "local", **alike}
        made = _made(of_task.tree, task, widths, first.shared)
    else:
        settings, made = {"topology": "dense", **alike}, _made(of_task.dense, task, widths)
    return settings if made == network else {"layout": network}


def _made(make: Callable[..., Network], *given: Any) -> Network | None:
    try:
        return make(*given)
    except PlasticError:
        return None


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

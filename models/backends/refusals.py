"""Which rule runs on which backend, and why not where it does not: computed from capabilities."""

from __future__ import annotations

import dataclasses

from plastic.backends import Capabilities, batched, capabilities, first, fitting, rates
from plastic.models.backends import backend_of
from plastic.models.network.convolution import Convolution
from plastic.models.network.layer import Network
from plastic.neurons import Neuron
from plastic.neurons.where import backends_of, has_neuron
from plastic.rules import parsed
from plastic.rules.rule import Rule


def refusal(
    rule: Rule, backend: str, streams: int, statistics: str | None = None, protocol: bool = False
) -> str | None:  # fmt: skip
    """Why the rule cannot run on this backend with so many streams, as one sentence; None if it can.

    `statistics`: batch or traces; without it, batch on the backends that run several streams. `protocol`: of an
    experiment on one synapse, which never has more streams.
    """
    can = capabilities(backend)
    statistics = statistics or ("batch" if can.streams is None else "traces")
    if streams < 2 and rule.reads_statistics and statistics == "batch":
        return (
            f"rule {rule.name!r} averages over streams, and {backend} was given {streams}; raise --batch, or take "
            "--statistics traces."
        )
    if streams < rule.smallest_batch:
        return (
            f"rule {rule.name!r} compares streams, so it needs {rule.smallest_batch} of them and {backend} was given "
            f"{streams}; {_remedy(rule, can, protocol)}."
        )
    if not can.spikes and rule.stepwise:
        return (
            f"rule {rule.name!r} as it is set has a third factor in every time step, and rates have one step; take "
            f"--backend {first(batched)}."
        )
    if can.spikes and (rule.reads.normalised_input or rule.reads.presentation != "single"):
        return (
            f"rule {rule.name!r} needs inputs that spikes are not (normalised, or two stimuli in one); take "
            f"--backend {first(rates)}."
        )
    return None


def neuron_refusal(neuron: Neuron, backend: str) -> str | None:
    """Why the backend has not this neuron, as one sentence; None if it has."""
    can = capabilities(backend)
    if not neuron.spiking:
        return f"neuron {neuron.name!r} never fires, so a layer of it would send nothing; take another neuron."
    if has_neuron(can, neuron):
        return None
    known = " and ".join(can.neurons or ())
    return (
        f"the backend {backend} has the neuron {known} with its default options only, and this is {neuron}; take "
        f"--backend {' or '.join(backends_of(neuron))}."
    )


def network_refusal(network: Network, backend: str) -> str | None:
    """Why a network cannot run on this backend, whatever its rules are, as one sentence; None if it can."""
    can = capabilities(backend)
    for number, layer in enumerate(network.layers, 1):
        if isinstance(layer, Convolution) and "conv" not in can.topologies:
            theirs = " or ".join(fitting(lambda other: "conv" in other.topologies))
            return f"layer {number} is a convolution, which {backend} has not; take --backend {theirs}."
        if not can.own_rules and (layer.own.rule is not None or layer.own.learning_rate is not None):
            what = "a rule" if layer.own.rule is not None else "a learning rate"
            theirs = " or ".join(fitting(lambda other: other.own_rules and other.spikes == can.spikes))
            return f"layer {number} has {what} of its own, and {backend} has one for all; take --backend {theirs}."
        if not can.limits and layer.own.limited:
            theirs = " or ".join(fitting(lambda other: other.limits and other.spikes == can.spikes))
            return (
                f"layer {number} is sparse, signed or bounded, and {backend} keeps no weight within limits of its own; "
                f"take --backend {theirs}."
            )
    if not can.own_rules and network.readout_rate is not None:
        return f"the readout has a learning rate of its own, and {backend} has one for all; leave it out."
    return None


def usual_refusal(rule: Rule, backend: str, streams: int) -> str | None:
    """Why the rule cannot run on this backend as it is by default: with so many streams, or as many as it has."""
    can = capabilities(backend)
    most = streams if can.streams is None else min(streams, can.streams)
    return refusal(rule, backend, most) or backend_of(backend).refusal(rule, None)


def _remedy(rule: Rule, can: Capabilities, protocol: bool) -> str:
    """More streams, or options with which the rule makes do with one, where the backend has what they need."""
    ways = [] if protocol else [f"raise --batch, on the backend {first(rates)} or {first(batched)}"]
    alone = dataclasses.replace(rule, **parsed(type(rule), rule.reads.one_stream))
    needed = ({"memory"} if alone.memory_slots else set()) | (rule.reads.signals & {"above"})
    if rule.reads.one_stream and not needed & can.unreadable:
        ways.append("take --rule-options " + " ".join(f"{key}={value}" for key, value in rule.reads.one_stream.items()))
    return ", or ".join(ways) or "take another rule or backend"

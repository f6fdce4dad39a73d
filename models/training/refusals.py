"""What a backend cannot do, and networks that no memory of this machine can hold, are refused before they are made."""

from __future__ import annotations

import math
import os

import torch

from plastic.backends import batched, first
from plastic.errors import PlasticError
from plastic.models.backends.refusals import network_refusal, neuron_refusal, refusal
from plastic.models.network.compiled import own_rule
from plastic.models.network.layer import Network
from plastic.models.network.parameters import he_std, specification
from plastic.models.settings import Settings
from plastic.rules.rule import Rule

GIB = 2**30


def memory(device: torch.device) -> float:
    """Bytes of a device's memory, all of it; inf where the system does not say."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


def refuse_too_large(settings: Settings, network: Network, members: int) -> None:
    """PlasticError if the weights alone, or the inputs of one stimulus alone, fill the memory."""
    room, each = memory(settings.device), torch.finfo(settings.dtype).bits // 8
    specified = specification(network, settings.rule, he_std(network))
    weights = {name: members * math.prod(synapses.shape) * each for name, synapses in specified.items()}
    if sum(weights.values()) > room:
        largest = max(weights, key=lambda name: weights[name])
        raise PlasticError(
            f"the weights of this network take {sum(weights.values()) / GIB:.3g} GiB ({largest} alone "
            f"{weights[largest] / GIB:.3g}) and {settings.device.type} has {room / GIB:.3g}; lower --width or --depth."
        )
    first = network.layers[0]
    steps = settings.spike_input.time_steps if settings.spiking else 1
    inputs = members * settings.batch * steps * first.positions * first.fan_in * each
    if inputs > room:
        lower = "--batch or --time-steps" if settings.spiking else "--batch"
        raise PlasticError(
            f"the input of one stimulus takes {inputs / GIB:.3g} GiB in {settings.batch} streams and "
            f"{settings.device.type} has {room / GIB:.3g}; lower {lower}."
        )


def rules_of(settings: Settings) -> list[Rule]:
    """The different rules that the layers learn by, as far as the settings say it."""
    if settings.layout is None:
        return [settings.rule]
    return list(dict.fromkeys(own_rule(layer) or settings.rule for layer in settings.layout.layers))


def refuse_network(settings: Settings, network: Network) -> None:
    """PlasticError for a network that the backend cannot run."""
    reasons = (settings.on.refusal(rule, network) for rule in dict.fromkeys(network.rules(settings.rule)))
    for reason in (network_refusal(network, settings.backend), *reasons):
        if reason is not None:
            raise PlasticError(reason)


def check_settings(settings: Settings, members: int) -> None:
    """PlasticError for what the backend cannot do or where it is missing, before anything is made."""
    can, name = settings.can, settings.backend
    kind = "batch" if settings.statistics_decay is None else "traces"
    for rule in rules_of(settings):
        if (reason := refusal(rule, name, settings.batch, kind)) is not None:
            raise PlasticError(reason)
        settings.share.check(rule, settings.batch, not can.processes)
    if settings.spiking is not None and (reason := neuron_refusal(settings.spiking.neuron, name)) is not None:
        raise PlasticError(reason)
    if members > 1 and not can.members:
        raise PlasticError(f"the backend {name} trains one network, not {members}; take {first(batched)}.")
    settings.on.check(settings)
    if can.streams is not None and settings.batch > can.streams:
        raise PlasticError(
            f"the backend {name} runs one stream, not {settings.batch}; take batch 1, or {first(batched)}."
        )

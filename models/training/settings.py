"""What the members of an ensemble share: the settings, and the network and simulator that they name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

import torch

from plastic.errors import PlasticError
from plastic.models.backends.brian2.simulator import Brian2Simulator, load_brian2
from plastic.models.backends.rate import RateSimulator
from plastic.models.backends.reference.adapter import ReferenceSimulator
from plastic.models.backends.refusals import refusal
from plastic.models.backends.snntorch import SnnTorchSimulator
from plastic.models.network.convolution import vgg
from plastic.models.network.layer import Network, dense, tree
from plastic.models.neuron.constants import SpikingStep
from plastic.models.training.processes import Share
from plastic.rules.rule import Rule
from plastic.rules.statistics import decay_per_stimulus
from plastic.stimuli.coding import Coding
from plastic.stimuli.task import Task


@dataclass(frozen=True)
class SpikeInput:
    """How stimuli become spikes."""

    time_steps: int = 20
    coding: Coding = "poisson"
    rate: float = 0.5


@dataclass(frozen=True)
class Settings:
    """What all members of an ensemble share."""

    rule: Rule
    widths: tuple[int, ...] = (128, 128, 128)
    topology: str = "tree"
    shared: bool = True
    activation: str = "relu"
    spiking: SpikingStep | None = None  # None: rate network
    backend: str = "snntorch"  # of spiking networks: reference, snntorch or brian2
    spike_input: SpikeInput = field(default_factory=SpikeInput)
    initial_rate: float = 0.0  # spikes per neuron and step before learning; 0: see lively_std
    batch: int = 128
    fixation_probability: float = 0.5
    fixation_error: float = 0.0
    optimizer: str = "adam"
    weight_bound: float = float("inf")
    recompute_context: bool = False
    statistics: str | None = None  # batch or traces; None: traces where there is one stream
    statistics_time_constant: float = 100.0  # of slow traces, in stimuli
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    share: Share = field(default_factory=Share)  # the streams of this process, where there are several

    @property
    def statistics_decay(self) -> float | None:
        """Of slow traces per stimulus, in the place of batch statistics; None: those."""
        if (self.statistics or ("traces" if self.batch == 1 else "batch")) == "batch":
            return None
        return decay_per_stimulus(self.statistics_time_constant)


def build_network(settings: Settings, task: Task) -> Network:
    """The network that fits the task; PlasticError for recordings over other time steps than the settings'."""
    steps = settings.spike_input.time_steps
    if settings.spiking is not None and task.recorded_steps not in (0, steps):
        raise PlasticError(
            f"{task.name} is cut into {task.recorded_steps} time steps and the settings have {steps}; make the task "
            f"with {steps}."
        )
    if settings.topology == "conv":
        network = _convolutional(settings, task)
    elif settings.topology == "dense":
        network = dense(task.positions * task.channels, settings.widths, task.classes)
    else:
        network = tree(task.positions, task.channels, task.branching, settings.widths, task.classes, settings.shared)
    network = replace(network, most_spikes=task.most_spikes)
    return labelled(network) if settings.rule.presentation == "labelled" else network


def _convolutional(settings: Settings, task: Task) -> Network:
    """Feedback that is broadcast goes to every unit; a layer's own circuit sees the map as a grid of means."""
    if task.image is None:
        raise PlasticError(f"{task.name} is not made of images, which --topology conv is for; take tree or dense.")
    widths, everywhere = settings.widths, settings.rule.modulator == "broadcast"
    return vgg(*task.image, widths[0], len(widths), task.classes, whole_circuit=everywhere)


def labelled(network: Network) -> Network:
    """The network with a label beside every patch of the input."""
    first, *others = network.layers
    first = first.with_more_inputs(network.classes)
    return Network(first.sites * first.inputs_per_site, (first, *others), network.classes)


Batched: TypeAlias = RateSimulator | SnnTorchSimulator | ReferenceSimulator  # one stimulus per call
Simulator: TypeAlias = Batched | Brian2Simulator


def make_simulator(settings: Settings, network: Network) -> Simulator:
    """The simulator that the settings name; they are assumed to fit it (see plastic.config.settings)."""
    rule, step = settings.rule, settings.spiking
    if step is None:
        return RateSimulator(network, rule, settings.activation)
    if settings.backend == "reference":
        return ReferenceSimulator(network, rule, step)
    if settings.backend == "brian2":
        return Brian2Simulator(network, rule, step, settings.spike_input.time_steps)
    return SnnTorchSimulator(network, rule, step)


def check_backend(settings: Settings, members: int) -> None:
    """PlasticError for what the backend cannot do or where it is missing, before anything is written."""
    backend = settings.backend if settings.spiking is not None else "rate"
    kind = "batch" if settings.statistics_decay is None else "traces"
    if (reason := refusal(settings.rule, backend, settings.batch, kind)) is not None:
        raise PlasticError(reason)
    settings.share.check(settings.rule, settings.batch, settings.spiking is not None)
    if backend in ("rate", "snntorch"):
        return
    if members > 1:
        raise PlasticError(f"the backend {backend} trains one network, not {members}; take snntorch.")
    if backend == "brian2":
        load_brian2()
        if settings.batch > 1:
            raise PlasticError(f"the backend brian2 runs one stream, not {settings.batch}; take batch 1, or snntorch.")

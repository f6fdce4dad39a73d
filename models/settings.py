"""What networks that are trained side by side share: their settings, and the network that these name."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from plastic.backends import Capabilities, batched, first, rates
from plastic.errors import PlasticError
from plastic.models.backends import Backend, backend_of
from plastic.models.learning.processes import Share
from plastic.models.network.compiled import compiled
from plastic.models.network.layer import Network
from plastic.models.network.mixed import check_rules, presentation
from plastic.models.neuron.constants import SpikingStep
from plastic.networks import network as described
from plastic.networks.of_task import convolutional, dense, tree
from plastic.probes import Probe
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
    """What all of them share."""

    rule: Rule  # of every layer that has none of its own
    widths: tuple[int, ...] = (128, 128, 128)
    topology: str = "tree"
    shared: bool = True
    layout: described.Network | None = None  # the network itself, instead of the three above
    activation: str = "relu"
    spiking: SpikingStep | None = None  # None: rate network
    backend: str = ""  # by name; empty: the first registered one for rates or, with `spiking`, for spikes
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
    probe: Probe = "logistic"  # the kind of linear probe
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    share: Share = field(default_factory=Share)  # the streams of this process, where there are several
    options: Any = None  # what the backend reads beside these; None: its defaults

    def __post_init__(self) -> None:
        if not self.backend:
            object.__setattr__(self, "backend", first(rates if self.spiking is None else batched))
        if self.can.spikes != (self.spiking is not None):
            needs = "spikes; give" if self.can.spikes else "does not spike; leave out"
            raise PlasticError(f"the backend {self.backend} {needs} spiking=SpikingStep(…), the constants of a step.")

    @property
    def on(self) -> Backend:
        """The backend; PlasticError if there is none of that name."""
        return backend_of(self.backend)

    @property
    def can(self) -> Capabilities:
        """What the backend can do."""
        return self.on.can

    @property
    def step(self) -> SpikingStep:
        """Constants of the spiking step; PlasticError for a rate network."""
        if self.spiking is None:
            raise PlasticError(f"the backend {self.backend} has no spikes; take --backend {first(batched)}.")
        return self.spiking

    @property
    def learning_period(self) -> int:
        """Steps from one change of the eligibility to the next; a rate stimulus is one step."""
        return 1 if self.spiking is None else self.spiking.learning_period

    @property
    def statistics_decay(self) -> float | None:
        """Of slow traces per stimulus, in the place of batch statistics; None: those."""
        if (self.statistics or ("traces" if self.batch == 1 else "batch")) == "batch":
            return None
        return decay_per_stimulus(self.statistics_time_constant)


def build_network(settings: Settings, task: Task) -> Network:
    """The network, as it fits the task.

    Raises PlasticError where it does not, for rules that cannot be in one network, and for recordings over other time
    steps than the settings'.
    """
    steps = settings.spike_input.time_steps
    if settings.spiking is not None and task.recorded_steps not in (0, steps):
        raise PlasticError(
            f"{task.name} is cut into {task.recorded_steps} time steps and the settings have {steps}; make the task "
            f"with {steps}."
        )
    network = compiled(settings.layout or laid_out(settings, task), task, settings.rule)
    check_rules(network, settings.rule)
    return labelled(network) if presentation(network, settings.rule) == "labelled" else network


def laid_out(settings: Settings, task: Task) -> described.Network:
    """The network that topology and widths name; PlasticError where it does not fit the task."""
    widths = settings.widths
    if settings.topology == "conv":
        return convolutional(task, widths[0], len(widths))
    return dense(task, widths) if settings.topology == "dense" else tree(task, widths, settings.shared)


def labelled(network: Network) -> Network:
    """The network with a label beside every patch of the input; PlasticError where some inputs are not connected to
    all neurons, or have a sign, which a label has not."""
    first, *others = network.layers
    if first.own.limited:
        raise PlasticError(
            "the rule is shown a label beside every patch of the input, which has no place in a first layer that is "
            "sparse, signed or bounded; make it Dense() or Patches(…)."
        )
    first = first.with_more_inputs(network.classes)
    inputs = first.sites * first.inputs_per_site
    return replace(network, inputs=inputs, layers=(first, *others), most_spikes=None)

"""What runs a network: one folder for each backend, behind one protocol.

A backend is registered in the entry-point group `plastic.backends` (plastic.backends has the registry, and what a
backend says of itself). Each folder's `__init__` is its declaration and imports nothing that simulates; `build` does.
`responding` has what backends share that answer stimuli and leave the learning to plastic.models.learning. Imports
network, neuron, learning, settings and presentation; the protocol itself imports the rules alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from plastic.backends import Capabilities, Declared, Package, declared
from plastic.rules.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

    from plastic.config.settings import Config
    from plastic.models.learning.observer import Observer
    from plastic.models.network.layer import Network
    from plastic.models.network.parameters import Parameters
    from plastic.models.presentation import Presentation, Presented
    from plastic.models.settings import Settings

__all__ = ["Backend", "Capabilities", "Composed", "Members", "Package", "Simulator", "backend_of", "later"]


@dataclass(frozen=True)
class Members:
    """The networks that are trained side by side: what each is shown, its learning rate, and where all begin."""

    presentation: Presentation
    learning_rates: tuple[float, ...]
    parameters: Parameters  # initial weights by name, float64: (members, …)


@runtime_checkable
class Simulator(Protocol):
    """Some networks with their weights, on one backend: they answer stimuli and learn from them."""

    features_by: str  # the backend that computes `features`, where it is another one; else empty
    rounds: bool  # whether the change of a weight is η m_i e_ij rounded to whole steps, once

    @property
    def parameters(self) -> Parameters:
        """All weights by name, as floats, as they are now: (members, …)."""
        ...

    def run(self, stimuli: Iterable[Presented], observer: Observer) -> None:
        """Respond to each stimulus and learn from it; the observer sees each begin and end."""
        ...

    def features(self, member: int, inputs: Tensor) -> list[Tensor]:
        """What a probe sees of every layer of one member, without learning: (1, batch, n) each; of the top layer all
        units, which a readout reads.

        inputs: (1, batch, n), or spikes (1, time, batch, n).
        """
        ...

    def snapshot(self) -> dict[str, Tensor]:
        """Everything that changes with training, by name."""
        ...

    def restore(self, saved: dict[str, Tensor], learned: int) -> None:
        """Go on from a snapshot that was taken after `learned` stimuli."""
        ...

    def write_report(self, folder: Path) -> None:
        """What a run folder has of this backend beside what all runs have."""
        ...


@runtime_checkable
class Backend(Declared, Protocol):
    """One way to run networks (see plastic.backends for what it says of itself)."""

    @property
    def build(self) -> Callable[[Settings, Network, Members], Simulator]:
        """The networks, with their initial weights; settings are checked."""
        ...

    @property
    def check(self) -> Callable[[Settings], None]:
        """PlasticError for settings that it cannot have, or where what it stands on is missing; before anything is
        made or written."""
        ...

    @property
    def refusal(self) -> Callable[[Rule, Network | None], str | None]:
        """Why it cannot run the rule beyond what its capabilities say, as one sentence; None if it can. Without a
        network: on any that it takes by default."""
        ...

    @property
    def options(self) -> Callable[[Config], Any]:
        """What it reads of a resolved config beside what all backends read (`Settings.options`); None if nothing."""
        ...

    @property
    def equations(self) -> Callable[[Settings], str]:
        """Neurons, synapses and third factor in its own language, where its capabilities say that it has one."""
        ...

    @property
    def synapse(self) -> Callable[..., Any] | None:
        """Its own way to do the experiments of plastic.models.studies.synapse; None: by its simulator."""
        ...


@dataclass(frozen=True)
class Composed:
    """A backend put together from functions."""

    name: str
    package: Package
    can: Capabilities
    build: Callable[[Settings, Network, Members], Simulator]
    check: Callable[[Settings], None] = lambda settings: None
    refusal: Callable[[Rule, Network | None], str | None] = lambda rule, network: None
    options: Callable[[Config], Any] = lambda config: None
    equations: Callable[[Settings], str] = lambda settings: ""
    synapse: Callable[..., Any] | None = None


def later(place: str) -> Callable[..., Any]:
    """The function at "module:name", whose module is imported when it is first called."""
    module, _, name = place.partition(":")
    return lambda *arguments: getattr(importlib.import_module(module), name)(*arguments)


def backend_of(name: str) -> Backend:
    """The backend of that name; PlasticError, naming those that there are."""
    return cast(Backend, declared(name))

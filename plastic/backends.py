"""The backends, by name: what each can do, and which of them fits a wish. Nothing here simulates.

A backend is an object in the entry-point group `plastic.backends`; ours are registered in the same way as one of
another package. It says what it can do (`Capabilities`) without importing what it stands on, so that the command line
answers at once. What it does besides is in plastic.models.backends.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Literal, Protocol, runtime_checkable

from plastic.errors import PlasticError

GROUP = "plastic.backends"


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do. Of several values that it takes, the first is its default."""

    spikes: bool  # spiking networks; otherwise rates, where a stimulus is one step
    streams: int | None = None  # most independent streams; None: as many as memory holds
    members: bool = False  # trains several networks side by side
    processes: bool = False  # shares its streams among processes (torchrun)
    dtypes: tuple[Literal["float32", "float64"], ...] = ("float32", "float64")
    devices: tuple[str, ...] = ("cpu", "cuda")
    topologies: tuple[str, ...] = ("tree", "dense")
    weights: tuple[Literal["shared", "local"], ...] = ("shared", "local")  # of a tree
    own_rules: bool = False  # layers of a network may differ in rule, fixed ones among them, and in learning rate
    limits: bool = False  # keeps weights within limits of their own: synapses that are not there, signs, bounds
    trace_timings: tuple[Literal["arrived", "emitted"], ...] = ("arrived", "emitted")
    neurons: tuple[str, ...] | None = ("lif",)  # with their default options; None: any, as it is declared
    unreadable: frozenset[str] = frozenset()  # what its modulatory circuits cannot read: above, memory
    recomputes: bool = False  # computes the context again (--context recomputed) instead of holding it
    resumes: bool = True  # goes on from a checkpoint
    integers: tuple[str, ...] = ()  # of a chip, whose [chip] settings it reads: the precisions that it has
    initial_rates: bool = True  # initial weights of spiking networks are scaled to a rate
    usual_stimuli: int = 2000  # of a run that does not say how many
    equations: bool = False  # prints the equations of a run (--show-equations)
    role: Literal["reference", "compared", "rates", "integers"] = "compared"  # with the reference; or own arithmetic
    place: int = 100  # in lists; the first that fits is what is taken, or named as a remedy


@dataclass(frozen=True)
class Package:
    """What a backend stands on."""

    name: str
    module: str
    remedy: str
    optional: bool = False

    @property
    def installed(self) -> bool:
        return importlib.util.find_spec(self.module) is not None


@runtime_checkable
class Declared(Protocol):
    """What is known of a backend before it is used."""

    @property
    def name(self) -> str: ...

    @property
    def can(self) -> Capabilities: ...

    @property
    def package(self) -> Package: ...


_registered: dict[str, Declared] = {}


def register(backend: Declared) -> None:
    """Add a backend for this process, as an entry point does for all; one of the same name is replaced."""
    _registered[backend.name] = backend
    backends.cache_clear()


@lru_cache(maxsize=1)
def backends() -> Mapping[str, Declared]:
    """All backends by name, in their order: entry points, and those registered in this process.

    Raises PlasticError for an entry point that cannot be loaded or is no backend.
    """
    found: dict[str, Declared] = {}
    for point in entry_points(group=GROUP):
        try:
            backend = point.load()
            found[backend.name] = backend
            place = backend.can.place
        except Exception as error:  # what another package's module raises when it is imported
            raise PlasticError(
                f"the backend {point.name!r} ({point.value}) cannot be loaded ({type(error).__name__}: {error}); "
                "mend or uninstall the package that offers it."
            ) from None
        del place
    found |= _registered
    if not found:
        raise PlasticError("no backend is registered; install plastic anew (pip install plastic).")
    return dict(sorted(found.items(), key=lambda item: (item[1].can.place, item[0])))


def declared(name: str) -> Declared:
    """The backend of that name; PlasticError, naming those that there are."""
    known = backends()
    if name not in known:
        raise PlasticError(f"unknown backend {name!r}; --backend is one of: {', '.join(known)}.")
    return known[name]


def capabilities(name: str) -> Capabilities:
    """What the backend of that name can do; PlasticError if there is none."""
    return declared(name).can


def fitting(wish: Callable[[Capabilities], bool]) -> list[str]:
    """Names of the backends that can do what is wished, in their order."""
    return [name for name, backend in backends().items() if wish(backend.can)]


def batched(can: Capabilities) -> bool:
    """Spiking, in floats, as many streams as wished: what spiking experiments run on."""
    return can.spikes and can.streams is None and can.members and not can.integers


def rates(can: Capabilities) -> bool:
    """Rate networks."""
    return not can.spikes


def chips(can: Capabilities) -> bool:
    """Chips, whose settings are those of [chip]."""
    return bool(can.integers)


def reference(can: Capabilities) -> bool:
    """What the others are tested against."""
    return can.role == "reference"


def compared(can: Capabilities) -> bool:
    """What is held to the reference, spike by spike."""
    return can.role == "compared"


def first(wish: Callable[[Capabilities], bool]) -> str:
    """The first backend that can do what is wished; PlasticError if none can."""
    if not (found := fitting(wish)):
        raise PlasticError(
            f"no registered backend is one of {wish.__name__!r}; those there are: {', '.join(backends())}."
        )
    return found[0]


def usual() -> str:
    """The backend of a run that names none."""
    return first(batched)

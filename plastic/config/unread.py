"""Settings that a run would not read: refused where they were given, rather than passed over."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from plastic.backends import batched, capabilities, chips, first, rates
from plastic.config.defaults import resolve
from plastic.config.settings import EVENTS, IMAGES, Config, Spiking, flag
from plastic.errors import PlasticError
from plastic.networks.network import RUN

GRAMMAR = ("levels", "symbols", "synonyms", "classes", "branching", "input_format")
CONSTANTS = tuple(field.name for field in dataclasses.fields(Spiking))


def refuse_unread(given: Config, base: Config, run: Config) -> None:
    """PlasticError for the first setting in which `given` differs from `base` though `run` does not read it.

    given: as on the command line; base: what it would be with nothing given; run: `given`, resolved. A value that
    the run would have anyway is no contradiction: with all settings of its config, a run can be repeated.
    """
    layout = run.network.layout
    if layout is not None and given.rule != base.rule and all(layer.rule != RUN for layer in layout.layers):
        raise PlasticError("--rule is of layers that have none of their own, and all layers have one; leave it out.")
    for section, names, why in _unread(run):
        before, after = getattr(base, section), getattr(given, section)
        for name in names:
            if getattr(after, name) == getattr(before, name):
                continue
            without = dataclasses.replace(after, **{name: getattr(before, name)})
            usual = resolve(dataclasses.replace(given, **{section: without}))
            if getattr(after, name) != getattr(getattr(usual, section), name):
                raise PlasticError(f"{flag(name)} {why}.")


def _unread(run: Config) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Section, names of settings that the run does not read, and why not with what to do."""
    backend, data, topology = run.backend, run.stimuli.data, run.network.topology
    if data != "rhm":
        yield "stimuli", GRAMMAR, f"is of --data rhm, and this is {data}; leave it out"
    if data not in IMAGES or run.stimuli.pairing != "within":
        yield "stimuli", ("views", "smallest_crop"), f"is of images ({', '.join(IMAGES)}) with --pairing within; add it"
    if capabilities(backend).spikes:
        why = f"is of rate networks, and {backend} spikes; take --backend {first(rates)}"
        yield "network", ("activation",), why
        yield "stimuli", ("input_format",), why
    else:
        of_spikes = tuple(name for name in CONSTANTS if name != "time_steps" or data not in EVENTS)
        why = f"is of spiking networks, and {backend} does not spike; take --backend {first(batched)}"
        yield "spiking", of_spikes, why
    if not chips(capabilities(backend)):
        yield "chip", ("calibration",), f"is of chips, and {backend} is none; take --backend {first(chips)}"
    if data in EVENTS:
        yield "spiking", ("coding", "input_rate"), f"makes spikes of values, and {data} is spikes already; leave it out"
    if topology not in (None, "tree"):
        yield "network", ("weights",), f"is of --topology tree, and this is {topology}; leave it out"
    if run.training.statistics != "traces":
        yield "training", ("statistics_time_constant",), "is of slow traces; add --statistics traces"

"""A wrong backend of another package, loaded as a plugin of pytest: it learns a hundred-thousandth too slowly."""

from dataclasses import replace
from typing import Any

from plastic.backends import Capabilities, Package, register
from plastic.models.backends import Composed, backend_of


def build(settings: Any, network: Any, members: Any) -> Any:
    rates = tuple(rate * (1 - 1e-5) for rate in members.learning_rates)
    return backend_of("reference").build(settings, network, replace(members, learning_rates=rates))


CAN = Capabilities(spikes=True, streams=1, dtypes=("float64",), devices=("cpu",))
register(Composed("slower", Package("plastic", "plastic", "pip install plastic"), CAN, build))

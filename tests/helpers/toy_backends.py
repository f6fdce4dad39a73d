"""Two backends of another package, loaded as a plugin of pytest: one is the reference by another name, one is not."""

from dataclasses import replace
from typing import Any

from plastic.backends import Capabilities, Package, register
from plastic.models.backends import Composed, backend_of
from plastic.models.backends.reference import REFERENCE

HERE = Package("plastic", "plastic", "pip install plastic")
CAN = Capabilities(spikes=True, streams=1, dtypes=("float64",), devices=("cpu",), topologies=("tree", "dense"))


def slower(settings: Any, network: Any, members: Any) -> Any:
    """Learns a hundred-thousandth less than it should."""
    rates = tuple(rate * (1 - 1e-5) for rate in members.learning_rates)
    return backend_of("reference").build(settings, network, replace(members, learning_rates=rates))


register(Composed("toy", HERE, CAN, build=REFERENCE.build))
register(Composed("toy-slower", HERE, CAN, build=slower))

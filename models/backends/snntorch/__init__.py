"""Spiking networks of snnTorch's neurons, batched, on CPU or GPU; many members at once."""

from plastic.models.backends import Capabilities, Composed, Package, later

SNNTORCH = Composed(
    "snntorch",
    Package("snntorch", "snntorch", "pip install snntorch"),
    Capabilities(spikes=True, members=True, neurons=None, own_rules=True, limits=True, place=20),
    build=later("plastic.models.backends.snntorch.simulator:build"),
)

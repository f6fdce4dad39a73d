"""Rate networks in torch, on CPU or GPU: a stimulus is one step. Explicit updates, no autograd; many at once."""

from plastic.models.backends import Capabilities, Composed, Package, later

RATE = Composed(
    "rate",
    Package("torch", "torch", "pip install torch"),
    Capabilities(
        spikes=False, members=True, processes=True, topologies=("tree", "dense", "conv"), own_rules=True, limits=True,
        recomputes=True, usual_stimuli=3000, role="rates", place=0,
    ),
    build=later("plastic.models.backends.rate.simulator:build"),
)  # fmt: skip

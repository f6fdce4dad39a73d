"""The reference: the canonical step in numpy float64, a loop over time, which all others are tested against.

Begin with step.py; it shares no code with the other backends but the network's shapes, the constants and the rules.
"""

from plastic.models.backends import Capabilities, Composed, Package, later

REFERENCE = Composed(
    "reference",
    Package("numpy", "numpy", 'pip install "numpy>=2,<2.4"'),
    Capabilities(
        spikes=True,
        dtypes=("float64",),
        devices=("cpu",),
        neurons=None,
        own_rules=True,
        limits=True,
        role="reference",
        place=10,
    ),
    build=later("plastic.models.backends.reference.adapter:build"),
)

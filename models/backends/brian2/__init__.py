"""The canonical step in Brian2's own language; online, one stream.

Begin with equations.py.
"""

from plastic.models.backends import Capabilities, Composed, Package, later

FOLDER = "plastic.models.backends.brian2"
BRIAN2 = Composed(
    "brian2",
    Package("brian2", "brian2", 'pip install "brian2>=2.9,<3"', optional=True),
    Capabilities(
        spikes=True, streams=1, dtypes=("float64",), devices=("cpu",), neurons=None, own_rules=True, limits=True,
        usual_stimuli=60_000, equations=True, place=30,
    ),
    build=later(f"{FOLDER}.simulator:build"),
    check=later(f"{FOLDER}.package:check"),
    equations=later(f"{FOLDER}.equations:of_settings"),
)  # fmt: skip

"""Chips behind the protocol of every backend: emulated (loihi), or on Lava with the emulator beside it (lava).

Begin with emulated.py; on_lava.py is the other. options.py says what is asked of a chip and what none can have,
observation.py what is seen of it. Imports all of plastic.hardware but bundle.
"""

from plastic.models.backends import Capabilities, Composed, Package, later

LAVA_STIMULI = 300  # Lava runs about 250 steps per second
_OPTIONS, _SYNAPSE = "plastic.hardware.chip.options", "plastic.hardware.chip.synapse"

LOIHI = Composed(
    "loihi",
    Package("numba", "numba", "pip install numba"),
    Capabilities(
        spikes=True, streams=1, dtypes=("float64",), devices=("cpu",), weights=("local",),
        trace_timings=("emitted", "arrived"), unreadable=frozenset({"above", "memory"}), integers=("fixed",),
        initial_rates=False, usual_stimuli=60_000, role="integers", place=40,
    ),
    build=later("plastic.hardware.chip.emulated:build"),
    check=later(f"{_OPTIONS}:check"),
    refusal=later("plastic.hardware.chip.refusals:chip_refusal"),
    options=later(f"{_OPTIONS}:of_config"),
    synapse=later(f"{_SYNAPSE}:probe_on_chip"),
)  # fmt: skip

LAVA = Composed(
    "lava",
    Package(
        "lava-nc", "lava",
        "pip install --no-deps --ignore-requires-python lava-nc==0.10.0; pip install asteval networkx==2.8.7 scipy",
        optional=True,
    ),
    Capabilities(
        spikes=True, streams=1, dtypes=("float64",), devices=("cpu",), weights=("local",),
        trace_timings=("emitted", "arrived"), unreadable=frozenset({"above", "memory"}), integers=("fixed", "float"),
        initial_rates=False, resumes=False, usual_stimuli=LAVA_STIMULI, role="integers", place=50,
    ),
    build=later("plastic.hardware.chip.on_lava:build"),
    check=later(f"{_OPTIONS}:check_on_lava"),
    refusal=later("plastic.hardware.chip.refusals:chip_refusal"),
    options=later(f"{_OPTIONS}:of_config"),
    synapse=later(f"{_SYNAPSE}:probe_on_lava"),
)  # fmt: skip

"""What is asked of a chip beside the settings of any run, and what no chip can have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, cast

import numba

from plastic.config import defaults
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.hardware.compiler.circuit import CompiledRule, compile_circuit
from plastic.hardware.compiler.options import Chip, Ranges
from plastic.hardware.compiler.tag_leak import float_refusal
from plastic.hardware.lava.shim import load_lava
from plastic.models.network.layer import Network
from plastic.models.network.parameters import specification
from plastic.models.settings import Settings
from plastic.rules.rule import Rule
from plastic.rules.statistics import decay_per_stimulus

CALIBRATION = defaults.CALIBRATION, defaults.STREAMS  # stimuli and streams of the run that scales are from
Precision = Literal["fixed", "float"]


@dataclass(frozen=True)
class Hardware:
    """What is asked of the chip, beside the settings of any run."""

    chip: Chip = field(default_factory=Chip)
    precision: Precision = "fixed"  # of Lava
    ranges: tuple[Ranges, ...] | None = None  # None: of a float run
    calibration: tuple[int, int] = CALIBRATION  # stimuli and streams of that run
    threads: int | None = None  # of the emulator; None: as numba has them

    @property
    def floats(self) -> bool:
        return self.precision == "float"


def hardware_of(settings: Settings) -> Hardware:
    """What is asked of the chip that the settings are for."""
    hardware: Hardware = settings.options or Hardware()
    return hardware


def of_config(config: Config) -> Hardware:
    """The same, as a resolved config says it."""
    given = config.chip
    calibration = given.calibration or CALIBRATION[0], CALIBRATION[1]
    chip = Chip(given.rounding, given.weight_bits, eligibility=given.eligibility)
    return Hardware(chip, given.precision, calibration=calibration, threads=config.threads)


def take_threads(hardware: Hardware) -> None:
    """As many as asked for, or as there are."""
    if hardware.threads is not None:
        numba.set_num_threads(min(hardware.threads, cast(Any, numba.config).NUMBA_NUM_THREADS))


def check(settings: Settings) -> None:
    """PlasticError for settings that no chip can have."""
    if settings.batch > 1:
        raise PlasticError(f"the backend {settings.backend} runs one chip with one stream; leave --batch out.")
    if settings.optimizer != "sgd":
        raise PlasticError(
            f"--optimizer {settings.optimizer} keeps a running mean per synapse, and a synapse of the chip has "
            "only its tag; take --optimizer sgd."
        )
    if settings.weight_bound < float("inf"):
        raise PlasticError("weights of a chip are bounded by their 8 bits; leave --weight-bound out.")
    hardware = hardware_of(settings)
    if hardware.precision not in settings.can.integers:
        raise PlasticError(f"the backend {settings.backend} computes in integers; take precision fixed.")
    if hardware.floats and hardware.chip.eligibility == "none":
        raise PlasticError("--eligibility none is a mapping to integers; take --precision fixed.")
    if hardware.floats and (reason := float_refusal(settings.rule)) is not None:
        raise PlasticError(reason)


def check_on_lava(settings: Settings) -> None:
    """The same, and PlasticError where Lava is missing."""
    check(settings)
    load_lava()


def circuit_of(
    rule: Rule, network: Network, learning_rate: float, statistics_time_constant: float = 100.0
) -> CompiledRule:
    """The rule's circuit for a network; PlasticError where a chip cannot have it."""
    decay = decay_per_stimulus(statistics_time_constant) if rule.reads_statistics else None
    specified = specification(network, rule, [1.0] * len(network.layers))
    return compile_circuit(rule, network, specified, learning_rate, decay)

"""Settings that the backend of a run has not."""

from __future__ import annotations

import dataclasses

from plastic.backends import capabilities, chips, first, fitting, usual
from plastic.config.settings import ChipOptions, Config
from plastic.errors import PlasticError


def fits_backend(config: Config) -> None:
    """PlasticError for the first setting that the backend could not follow."""
    name, can = config.backend, capabilities(config.backend)
    precision = config.chip.precision
    if config.training.context == "recomputed" and not can.recomputes:
        theirs = " or ".join(fitting(lambda other: other.recomputes))
        raise PlasticError(f"--context recomputed is for the {theirs} backend; {name} holds its context.")
    if chips(can) and config.dtype not in (None, *can.dtypes):
        raise PlasticError(f"the backend {name} has the arithmetic of the chip; leave --dtype out.")
    if not chips(can) and dataclasses.replace(config.chip, calibration=None) != ChipOptions():
        raise PlasticError(
            f"--rounding, --weight-bits and --precision are of chips, and {name} is none; take --backend "
            f"{first(chips)}."
        )
    if chips(can) and precision not in can.integers:
        theirs = first(lambda other: precision in other.integers)
        raise PlasticError(
            f"the backend {name} computes in integers; take --backend {theirs} for --precision {precision}."
        )
    if config.dtype not in (None, *can.dtypes):
        raise PlasticError(f"the backend {name} computes in {' or '.join(can.dtypes)}; leave --dtype out.")
    if config.device == "cuda" and "cuda" not in can.devices:
        raise PlasticError(f"the backend {name} runs on the CPU; leave --device out, or take --backend {usual()}.")
    if can.streams is not None and (config.training.batch or 0) > can.streams:
        raise PlasticError(
            f"the backend {name} runs one stream, not {config.training.batch}; leave --batch out, or take "
            f"--backend {usual()}."
        )

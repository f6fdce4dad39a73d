"""Settings that the backend of a run has not."""

from __future__ import annotations

from plastic.config.settings import CHIPS, DOUBLE, ONLINE, SPIKING, ChipOptions, Config
from plastic.errors import PlasticError


def fits_backend(config: Config) -> None:
    """PlasticError for the first setting that the backend could not follow."""
    backend = config.backend
    if config.training.context == "recomputed" and backend in SPIKING:
        raise PlasticError(f"--context recomputed is for the rate backend; {backend} holds its context.")
    if backend in CHIPS and config.dtype == "float32":
        raise PlasticError(f"the backend {backend} has the arithmetic of the chip; leave --dtype out.")
    if backend not in CHIPS and config.chip != ChipOptions():
        raise PlasticError(
            f"--rounding, --weight-bits and --precision are of chips, and {backend} is none; take --backend loihi."
        )
    if backend == "loihi" and config.chip.precision == "float":
        raise PlasticError("the backend loihi computes in integers; take --backend lava for --precision float.")
    if backend in DOUBLE and config.dtype == "float32":
        raise PlasticError(f"the backend {backend} computes in float64; leave --dtype out.")
    if backend in DOUBLE and config.device == "cuda":
        raise PlasticError(f"the backend {backend} runs on the CPU; leave --device out, or take --backend snntorch.")
    if backend in ONLINE and config.training.batch not in (None, 1):
        raise PlasticError(
            f"the backend {backend} runs one stream, not {config.training.batch}; leave --batch out, or take "
            "--backend snntorch."
        )

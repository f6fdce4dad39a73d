"""What the quantiser is given and what it gives: ranges of a float run, what is asked of the chip, and what is lost."""

from __future__ import annotations

from dataclasses import dataclass

from plastic.hardware.program.spec import WEIGHT_BITS, Eligibility, Profile, Program, Rounding


@dataclass(frozen=True)
class Ranges:
    """What one layer's signals reached in a float run: the largest weight, and for eligibility and modulator the
    largest that counts (0.5 % of those that are not zero are larger) and the typical one (their mean). Of a rule that
    weights every step, the largest eligibility and modulator are those of a step, and the typical eligibility is the
    weighted one. measured_on: the backend of that run."""

    weight: float
    eligibility: float
    modulator: float
    typical_eligibility: float = 0.0
    typical_modulator: float = 0.0
    measured_on: str | None = None


@dataclass(frozen=True)
class Chip:
    """What is asked of the chip."""

    rounding: Rounding = "stochastic"
    weight_bits: int = WEIGHT_BITS
    profile: Profile = "sim-3f"
    seed: int = 0
    eligibility: Eligibility = "tag"


@dataclass(frozen=True)
class LayerReport:
    """What a layer loses on the chip."""

    layer: int
    threshold: int  # of the neurons, in weight steps
    weight_step: float  # the smallest change of a weight, in thresholds
    typical_update: float  # η · modulator · eligibility where both are typical, in weight steps; without a tag of
    # one time step
    weights_beyond: float  # fraction of the initial weights that are clipped
    largest_weight: float  # of the float run, as a fraction of what fits
    largest_tag: float  # the same of the eligibility
    largest_modulator: float
    modulator_levels: int  # what the largest modulator is on the chip, up to 7; without a tag modulator · ψ, to 31
    membrane_decay: float  # β that the chip has
    trace_decay: float  # λ that the chip has
    tag_decay: float | None = None  # κ that it has, of rules that weight every step, where there is a tag

    @property
    def expected(self) -> str:
        """What to expect of it, in a few words."""
        if self.weights_beyond > 0.001 or self.largest_weight > 1:
            return "weights saturate"
        if self.modulator_levels < 3:
            return "modulators are coarse; a larger learning rate has more levels"
        if self.typical_update < 0.5:
            return "a typical update is below half a step: rounding to nearest loses it, stochastic rounding does not"
        return "fits"


@dataclass(frozen=True)
class Quantised:
    """A program and what it cost; calibrated_on: the backend of the float run whose ranges chose the scales."""

    program: Program
    report: tuple[LayerReport, ...]
    calibrated_on: str | None = None

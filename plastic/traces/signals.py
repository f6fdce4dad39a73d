"""The signals of the canonical step that can be recorded: name, clock, what they belong to, unit (DESIGN section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Clock = Literal["step", "stimulus"]


@dataclass(frozen=True)
class Signal:
    """One signal. `of` names the axes of a sample, in this order; weights have no stream."""

    name: str
    symbol: str
    clock: Clock  # changes in every time step, or once per stimulus
    of: tuple[str, ...]
    unit: str
    meaning: str
    rate_unit: str | None = None  # where it differs in a rate network

    def unit_on(self, spiking: bool) -> str:
        return self.unit if spiking or self.rate_unit is None else self.rate_unit


PRE, POST = ("stream", "position", "pre"), ("stream", "position", "post")
SYNAPSE, STREAM, WEIGHT = ("stream", "position", "post", "pre"), ("stream",), ("position", "post", "pre")

SIGNALS = {
    signal.name: signal
    for signal in (
        Signal("pre_spike", "s_j", "step", PRE, "spikes", "presynaptic spikes that arrive (rate: x_j)", "a.u."),
        Signal("pre_trace", "x̄_j", "step", PRE, "a.u.", "low-pass trace of presynaptic spikes"),
        Signal("membrane", "u_i", "step", POST, "thresholds", "membrane before its reset (rate: a_i)", "a.u."),
        Signal("post_factor", "ψ_i", "step", POST, "1", "derivative of the neuron's nonlinearity"),
        Signal("spike", "s_i", "step", POST, "spikes", "postsynaptic spikes (rate: ρ(a_i))", "a.u."),
        Signal("eligibility", "e_ij", "step", SYNAPSE, "a.u.", "Σ ψ_i x̄_j since the stimulus began"),
        Signal("activity", "z_i", "stimulus", POST, "spikes/step", "response to the stimulus", "a.u."),
        Signal("gate", "M", "stimulus", STREAM, "a.u.", "layer-wide factor of the modulator"),
        Signal("dendrite", "d_i", "stimulus", POST, "a.u.", "neuron-specific factor of the modulator"),
        Signal("modulator", "m_i", "stimulus", POST, "a.u.", "third factor M·d_i"),
        Signal("loss", "L", "stimulus", STREAM, "a.u.", "the rule's loss"),
        Signal("weight", "W_ij", "stimulus", WEIGHT, "thresholds", "weight during the stimulus", "a.u."),
        Signal("weight_change", "ΔW_ij", "stimulus", WEIGHT, "thresholds", "change at the stimulus end", "a.u."),
    )
}
ROUNDING = Signal(  # of chips, whose weights are whole numbers of steps
    "rounding", "ΔW−ηme", "stimulus", WEIGHT, "thresholds", "what the chip rounds or clips of the change"
)
CONTEXT_SIGNALS = {  # of rules that credit the stimulus before as well (sides = both)
    "context_gate": Signal("context_gate", "M'", "stimulus", STREAM, "a.u.", "gate that credits the stimulus before"),
    "context_dendrite": Signal(
        "context_dendrite", "d'_i", "stimulus", POST, "a.u.", "dendritic signal that credits the stimulus before"
    ),
}

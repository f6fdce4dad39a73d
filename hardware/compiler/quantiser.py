"""From a float network and the ranges of a float run to the integer program of a chip.

Scales, integers per float unit, per layer: weights S_w (and membranes, 64 S_w) so that the largest
weight fits and the threshold is whole; traces x1 by their impulse, post factors by the table's peak;
tags so that the largest eligibility fits; modulators so that the learning rate comes out exactly:

    S_w · η = tag · modulator · 2^exponent of dw        tag = x1 · y2 · gain of dt

where a modulator has 15 levels: the learning engine rounds products down, which for signed ones is a
drift, and as multiples of 8 with the mantissa −4 they need no rounding at all.

Gains are mantissa · 2^(exponent − shift), and fixed point has 2^shift less of them than floating point
(3 bits for x1·y2, 5 for t·y1), which is why they are chosen here and not written into the rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.backends import batched, first
from plastic.errors import PlasticError
from plastic.hardware.compiler.circuit import CompiledRule
from plastic.hardware.compiler.options import Chip, LayerReport, Quantised, Ranges
from plastic.hardware.compiler.tag_leak import filtered, leak, tag_decay, unfiltered_by
from plastic.hardware.program.arithmetic import ONE
from plastic.hardware.program.circuit import LEVELS, UNTAGGED_MODULATOR
from plastic.hardware.program.spec import (
    EXPONENTS,
    MANTISSAS,
    POST_FACTORS,
    TAG_MAX,
    TRACE_MAX,
    UNTAGGED_SHIFT,
    WEIGHT_BITS,
    WEIGHT_MAX,
    ChipLayer,
    Factor,
    Neurons,
    Plasticity,
    Program,
    Term,
)
from plastic.models.backends.reference.step import POST_FACTOR
from plastic.models.network.layer import Layer, Network
from plastic.models.neuron.constants import SpikingStep
from plastic.rules.rule import Rule

FAN_IN_MAX = 2**17 // WEIGHT_MAX  # more could leave the 24 bits of the synaptic current
HEADROOM = 1.25  # weights may grow by this beyond what they reach in the float run
MANTISSA = -4  # of dw: times −8 per level it is 32, which the shift of 5 divides
SEED_STEP = 1000  # between the random streams of two layers


@dataclass(frozen=True)
class _Source:
    """The float network."""

    rule: Rule
    network: Network
    step: SpikingStep
    time_steps: int
    learning_rate: float
    parameters: Mapping[str, NDArray[np.float64]] = field(repr=False)


def quantise(
    rule: Rule, network: Network, step: SpikingStep, time_steps: int, learning_rate: float,
    parameters: Mapping[str, NDArray[Any]], ranges: list[Ranges], compiled: CompiledRule, chip: Chip | None = None,
) -> Quantised:  # fmt: skip
    """The integer program of a float network.

    parameters: all weights by name, (positions, neurons, fan_in) or, where there is one position or the
    positions share them, (neurons, fan_in); ranges: one per layer; compiled: see plastic.hardware.compiler.circuit.
    Raises PlasticError for what does not fit, with the limit, the value and what would fit.
    """
    chip = chip or Chip()
    source = _Source(rule, network, step, time_steps, learning_rate, {k: np.asarray(v) for k, v in parameters.items()})
    check_fits(network, step, chip)
    _check_eligibility(rule, chip, compiled)
    pairs = [_layer(source, chip, i, layer, r) for i, (layer, r) in enumerate(zip(network.layers, ranges, strict=True))]
    layers, reports, scales = zip(*pairs, strict=True)
    description = {"rule": rule.name, "equation": rule.about.equation, "third_factor": rule.about.third}
    program = Program(
        network.inputs, network.classes, time_steps, step.learning_period, layers, compiled.circuit,
        initial_state(compiled, source.parameters), chip.rounding, chip.profile, scales, description,
        chip.eligibility, compiled.steps,
    )  # fmt: skip
    return Quantised(program, reports, calibrated_on=ranges[0].measured_on)


def _check_eligibility(rule: Rule, chip: Chip, compiled: CompiledRule) -> None:
    """PlasticError where the eligibility cannot wait, or need not."""
    if chip.eligibility == "none" and compiled.steps is None and not compiled.known_before:
        raise PlasticError(
            f"the modulator of rule {rule.name!r} depends on the response to the stimulus itself, so that the "
            "eligibility has to wait for it in the tag; take --eligibility tag."
        )
    if compiled.steps is not None and not compiled.known_before:
        raise PlasticError(
            f"rule {rule.name!r} weighs every step, and its modulator depends on the response to the whole stimulus, "
            f"which is not there yet in a step; take --backend {first(batched)}."
        )
    if chip.eligibility == "none" and filtered(rule) > 0:
        raise PlasticError(
            f"rule {rule.name!r} as it is set filters the eligibility of every synapse from step to step (by "
            f"{filtered(rule):.3g}), which takes a tag; take --eligibility tag{unfiltered_by(rule)}."
        )


def initial_state(compiled: CompiledRule, parameters: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.int64]]:
    """What the circuit holds at the beginning, in fixed point: its parameters, and zeros."""
    state = {}
    for name, shape in compiled.states.items():
        value = np.asarray(parameters[name]) if name in parameters else np.zeros(shape)
        if np.abs(value).max(initial=0) > 32:
            raise PlasticError(
                f"the circuit weight {name!r} reaches {np.abs(value).max():.3g}, and a chip's circuit holds up to 32; "
                "lower the learning rate or the scale of the rule's circuit."
            )
        state[name] = np.round(value * ONE).astype(np.int64)
    return state


def check_fits(network: Network, step: SpikingStep, chip: Chip) -> None:
    """PlasticError for constants and sizes that the chip does not have, whatever the weights are."""
    if step.trace_timing != "emitted":
        raise PlasticError(
            "the learning engine of the chip lets a spike enter its trace when it is emitted, here it enters when it "
            "arrives; simulate with --trace-timing emitted."
        )
    if not 2 <= chip.weight_bits <= WEIGHT_BITS:
        raise PlasticError(f"--weight-bits is {chip.weight_bits}; the chip's weights have 2 to {WEIGHT_BITS}.")
    for number, layer in enumerate(network.layers, 1):
        if layer.shared and layer.positions > 1:
            raise PlasticError(
                f"layer {number} shares its weights over {layer.positions} positions, and every synapse of the chip "
                "has its own; take --weights local."
            )
        recorded = network.most_spikes if number == 1 else None
        if (most := layer.fan_in if recorded is None else recorded) > FAN_IN_MAX:
            remedy = "lower --width, or take --topology tree" if recorded is None else "raise --time-steps"
            raise PlasticError(
                f"a neuron of layer {number} gets up to {most} spikes in a step, whose sum may leave the 24 bits of "
                f"the synaptic current; at most {FAN_IN_MAX} fit: {remedy}."
            )
    decay = trace_decay(step.trace_decay)[1]
    if abs(decay - step.trace_decay) > 0.02:
        raise PlasticError(
            f"the trace decay {step.trace_decay} has no time constant of whole steps near it (the nearest has "
            f"{decay:.3f}); take --trace-decay {decay:.3f}, or one from 0.6 to 0.9999."
        )


def trace_decay(decay: float) -> tuple[int, float]:
    """The whole time constant whose decay is nearest, and that decay."""
    if decay >= 1:
        return 65535, math.exp(-1 / 65535)
    exact = -1 / math.log(max(decay, 1e-9))
    tau = min(
        (t for t in {max(1, math.floor(exact)), max(1, math.ceil(exact))}),
        key=lambda t: abs(math.exp(-1 / t) - decay),
    )
    return min(tau, 65535), math.exp(-1 / min(tau, 65535))


def gains(shift: int) -> list[tuple[float, int, int]]:
    """All positive gains of a product with that shift, smallest first, with mantissa and exponent."""
    odd = range(EXPONENTS[0], EXPONENTS[1] + 1)
    unique = {m * 2.0 ** (e - shift): (m, e) for e in odd for m in range(1, MANTISSAS[1] + 1)}
    return sorted((gain, mantissa, exponent) for gain, (mantissa, exponent) in unique.items())


def _layer(
    source: _Source, chip: Chip, index: int, layer: Layer, ranges: Ranges
) -> tuple[ChipLayer, LayerReport, dict[str, float]]:
    step = source.step
    weight = source.parameters[f"layer{index + 1}.weight"].reshape(layer.positions, layer.neurons, layer.fan_in)
    threshold = math.floor(WEIGHT_MAX * step.threshold / (HEADROOM * max(ranges.weight, 1e-9)))
    if threshold < 4:
        raise PlasticError(
            f"weights of layer {index + 1} reach {ranges.weight:.3g} with a threshold of {step.threshold}, so a weight "
            f"step would be {step.threshold / max(threshold, 1):.2g} of it; a quarter is the most: lower the "
            "learning rate."
        )
    scale = min(threshold, 2**17 - 1) / step.threshold  # S_w
    grain = 2 ** (WEIGHT_BITS + 1 - chip.weight_bits)  # initial weights lose what is below this
    whole = np.round(weight * scale / grain) * grain
    highest = WEIGHT_MAX + 1 - grain
    clipped = np.clip(whole, -WEIGHT_MAX - 1, highest).astype(np.int16)
    constants, post_scale = _neurons(source, chip, threshold, scale, ranges)
    learning = _plasticity if chip.eligibility == "tag" else _untagged_plasticity
    plasticity, scales = learning(source, chip, index, ranges, scale, post_scale)
    shift = 24 + math.floor(14 - math.log2(scales["modulator"]))
    factor = round(scales["modulator"] * 2.0 ** (shift - 24))
    program = ChipLayer(
        layer.positions, layer.fan_in, layer.neurons, clipped, 0, chip.weight_bits, constants,
        plasticity if source.rule.acts.learn else None, factor, shift,
    )  # fmt: skip
    lost = source.learning_rate * ranges.typical_modulator * ranges.typical_eligibility * scale
    largest, most = scales["modulator"] * ranges.modulator, LEVELS
    levels = min(round(largest), most)
    if source.rule.stepwise or chip.eligibility == "none":
        lost /= source.time_steps
    if chip.eligibility == "none":
        most = UNTAGGED_MODULATOR
        levels = round(min(largest, most) * post_scale) >> UNTAGGED_SHIFT
    coarse = 2 ** (WEIGHT_BITS - chip.weight_bits)
    report = LayerReport(
        index + 1, threshold, coarse / scale, lost / coarse, float((whole != clipped).mean()),
        ranges.weight * scale / WEIGHT_MAX, ranges.eligibility * scales["tag"] / TAG_MAX,
        largest / most, levels, 1 - constants.membrane_decay / 4096,
        trace_decay(step.trace_decay)[1],
        tag_decay(filtered(source.rule)) if source.rule.stepwise and chip.eligibility == "tag" else None,
    )  # fmt: skip
    return program, report, {"weight": scale} | scales


def _neurons(source: _Source, chip: Chip, threshold: int, scale: float, ranges: Ranges) -> tuple[Neurons, int]:
    """The constants of the neurons, and what the post factor's peak is on the chip."""
    step, mask = source.step, source.rule.mask
    impulse = 0 if chip.eligibility == "none" else _impulse(step, source.time_steps)  # without a tag all fits
    peaks = [peak for peak in (127, 63, 31, 15) if peak * impulse * gains(3)[0][0] * ranges.eligibility <= TAG_MAX]
    if not peaks:
        raise PlasticError(
            f"the eligibility reaches {ranges.eligibility:.3g}, and a tag of 255 holds at most "
            f"{TAG_MAX / (15 * impulse * gains(3)[0][0]):.3g} of it; shorten the stimuli (--time-steps)."
        )
    reach = 8 * 64 * scale * step.threshold  # the table ends at 8 thresholds
    shift = max(0, math.ceil(math.log2(reach / POST_FACTORS)))
    distance = (np.arange(POST_FACTORS) + 0.5) * 2**shift / (64 * scale)
    psi = np.ones(1) if mask == "none" else POST_FACTOR[step.surrogate](distance, step.slope)
    table = np.round(peaks[0] * psi).astype(np.int32)
    decay = min(max(round(4096 * (1 - step.membrane_decay)), 0), 4095 if step.membrane_decay > 0 else 4096)
    return Neurons(4095, decay, min(threshold, 2**17 - 1), table, shift), peaks[0]


def _impulse(step: SpikingStep, time_steps: int) -> int:
    """The largest impulse with which a trace of spikes in every step stays below 127."""
    decay = trace_decay(step.trace_decay)[1]
    return max(1, math.floor(TRACE_MAX * (1 - decay) / (1 - decay**time_steps)))


def _plasticity(
    source: _Source, chip: Chip, index: int, ranges: Ranges, scale: float, post_scale: int
) -> tuple[Plasticity, dict[str, float]]:
    """The learning rule of a layer, and its scales."""
    impulse, (tau, _) = _impulse(source.step, source.time_steps), trace_decay(source.step.trace_decay)
    unit = impulse * post_scale  # x1 · y2 per unit of eligibility
    fitting = [gain for gain in gains(3) if gain[0] * unit * ranges.eligibility <= TAG_MAX]
    tag_gain, tag_mantissa, tag_exponent = fitting[-1]
    tag = unit * tag_gain
    needed = source.learning_rate * scale / tag  # levels per unit of modulator, times 2^exponent
    exponent = max(EXPONENTS[0], math.ceil(math.log2(needed * max(ranges.modulator, 1e-12) / LEVELS)))
    if exponent > EXPONENTS[1]:
        raise _too_fast(source, index, exponent)
    dw = Term((Factor("t"), Factor("y1", -64)), MANTISSA, exponent)
    dt = Term((Factor("x1"), Factor("y2")), tag_mantissa, tag_exponent)
    clear = Term((Factor("t"), Factor("y3")), -1, -1)
    forgets = leak(filtered(source.rule)) if source.rule.stepwise else ()
    plasticity = Plasticity((dw,), (dt, *forgets, clear), impulse, tau, chip.seed + SEED_STEP * index)
    return plasticity, {"trace": impulse, "post_factor": post_scale, "tag": tag, "modulator": needed / 2.0**exponent}


def _untagged_plasticity(
    source: _Source, chip: Chip, index: int, ranges: Ranges, scale: float, post_scale: int
) -> tuple[Plasticity, dict[str, float]]:
    """Without a tag: dw = x1 · (y2 − 64) · 4 · 2^exponent, of which the shift by 3 leaves x1 · level · 2^exponent."""
    impulse, (tau, _) = _impulse(source.step, source.time_steps), trace_decay(source.step.trace_decay)
    level = post_scale / 2**UNTAGGED_SHIFT  # per unit of the modulator on the chip, where ψ is largest
    needed = source.learning_rate * scale / (impulse * level)  # the chip's modulator per unit, times 2^exponent
    exponent = max(EXPONENTS[0], math.ceil(math.log2(needed * max(ranges.modulator, 1e-12) / UNTAGGED_MODULATOR)))
    if exponent > EXPONENTS[1]:
        raise _too_fast(source, index, exponent)
    dw = Term((Factor("x1"), Factor("y2", -64)), -MANTISSA, exponent)
    plasticity = Plasticity((dw,), (), impulse, tau, chip.seed + SEED_STEP * index)
    return plasticity, {"trace": impulse, "post_factor": post_scale, "tag": 1.0, "modulator": needed / 2.0**exponent}


def _too_fast(source: _Source, index: int, exponent: int) -> PlasticError:
    return PlasticError(
        f"the learning rate {source.learning_rate} of layer {index + 1} needs a gain of 2^{exponent}, and the "
        f"learning engine has at most 2^{EXPONENTS[1]}; lower --learning-rate."
    )

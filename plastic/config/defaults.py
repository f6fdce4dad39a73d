"""The defaults of a run that depend on its other settings; the config in a run folder has none left open."""

from __future__ import annotations

import dataclasses
from typing import Literal

from plastic.backends import Capabilities, capabilities, fitting
from plastic.config.settings import IMAGES, Architecture, Config, Stimuli, validate
from plastic.errors import PlasticError
from plastic.networks import Convolution, Network
from plastic.rules import load_rule
from plastic.stimuli.strings import default_test_size, default_train_size
from plastic.stimuli.tasks import LEVELS, usual_sizes
from plastic.traces.spec import Record, default_record

CALIBRATION, FEWEST, STREAMS = 600, 50, 4  # stimuli of a chip's float run, at most and at least, and its streams


def resolve(config: Config) -> Config:
    """A valid config with every default filled in.

    Raises PlasticError as `validate` does, and for a rule that is not there or has not such options.
    """
    validate(config)
    stimuli, network, training, can = config.stimuli, config.network, config.training, capabilities(config.backend)
    levels = stimuli.levels if stimuli.levels is not None else (2 if can.spikes else LEVELS)
    stimuli = dataclasses.replace(stimuli, levels=levels)
    if stimuli.train_size is None:
        stimuli = dataclasses.replace(stimuli, train_size=_default_train_size(stimuli))
    if stimuli.test_size is None:
        stimuli = dataclasses.replace(stimuli, test_size=_default_test_size(stimuli))
    network = _resolved_network(network, stimuli, can, levels)
    if can.spikes and config.spiking.time_steps <= (network.depth or 0):
        raise PlasticError(
            f"--time-steps is {config.spiking.time_steps}: every layer takes a step, so no spike would come to the "
            f"last of {network.depth} layers within a stimulus; take at least {(network.depth or 0) + 1}."
        )
    if can.spikes:
        _ = config.spiking.chosen  # which there must be
    timing = config.spiking.trace_timing or can.trace_timings[0]
    spiking, online = can.spikes, can.streams == 1
    conv = network.topology == "conv" or (network.layout is not None and _convolves(network.layout))
    batch = training.batch or (1 if online else 32 if conv else 128)
    optimizer = training.optimizer or ("sgd" if spiking else "adam")
    rate = {"adam": 1e-3, "sgd": 0.0125 if online else 0.128 / batch}[optimizer] * (4 if spiking else 1)
    training = dataclasses.replace(
        training,
        steps=training.steps or can.usual_stimuli,
        batch=batch,
        optimizer=optimizer,
        learning_rate=training.learning_rate or rate,
        statistics=training.statistics or ("traces" if batch == 1 else "batch"),
    )
    dtype = config.dtype or can.dtypes[0]
    rule = load_rule(config.rule, config.options())
    mask = rule.mask
    low = 0.05 if batch > 1 and (network.width or 0) >= 64 and can.initial_rates else 0.0
    given = config.spiking.initial_rate
    constants = dataclasses.replace(config.spiking, trace_timing=timing, initial_rate=low if given is None else given)
    at_once = config.chip.precision == "fixed" and config.chip.eligibility == "tag" and not rule.stepwise
    rounds = bool(can.integers) and at_once
    usual = default_record(training.steps or 0, spiking, stimuli.data != "rhm", rounds)
    chosen = usual if config.record is None else Record.parse(config.record)
    chip = config.chip
    if can.integers and chip.calibration is None:
        chip = dataclasses.replace(chip, calibration=_default_calibration(training.steps or 0))
    return dataclasses.replace(
        config, chip=chip, mask=mask, dtype=dtype, record=str(chosen), stimuli=stimuli, network=network,
        training=training, spiking=constants,
    )  # fmt: skip


def _default_calibration(steps: int) -> int:
    """No further than the chip itself gets, whose one stream has the stimuli of four."""
    return min(CALIBRATION, max(FEWEST, -(-steps // STREAMS)))


def _resolved_network(network: Architecture, stimuli: Stimuli, can: Capabilities, levels: int) -> Architecture:
    conv_here = stimuli.data in IMAGES and "conv" in can.topologies
    images: Literal["conv", "dense"] = "conv" if conv_here else "dense"
    if network.layout is not None:
        return _resolved_layout(network, network.layout, can)
    topology = network.topology or ("tree" if stimuli.data == "rhm" else images)
    conv = topology == "conv"
    if network.widths is not None:
        said = len(network.widths), max(network.widths, default=1)
        if (network.depth, network.width) not in ((None, None), said):
            raise PlasticError("--widths says how many layers there are and how wide; leave --width and --depth out.")
        network = dataclasses.replace(network, depth=said[0], width=said[1])
    depth = levels if stimuli.data == "rhm" else 2 if not conv else 4 if stimuli.data == "digits" else 6
    width = network.width or (16 if conv else 128)
    weights = network.weights or can.weights[0]
    return dataclasses.replace(network, topology=topology, depth=network.depth or depth, width=width, weights=weights)


def _convolves(layout: Network) -> bool:
    return any(isinstance(layer.projection, Convolution) for layer in layout.layers)


def _resolved_layout(network: Architecture, layout: Network, can: Capabilities) -> Architecture:
    """depth and width tell of it, for settings that follow them; the rest of the architecture it says itself."""
    said = len(layout.layers), max(layer.neurons for layer in layout.layers)
    given = (network.topology, network.widths, network.weights, network.depth, network.width)
    if given not in ((None,) * 5, (None,) * 3 + said):
        raise PlasticError(
            "--network says what layers there are and how they are connected; leave --topology, --depth, --width, "
            "--widths and --weights out."
        )
    if _convolves(layout) and "conv" not in can.topologies:
        theirs = " or ".join(fitting(lambda other: "conv" in other.topologies))
        raise PlasticError(f"the network has a convolution: take --backend {theirs}, which runs one.")
    return dataclasses.replace(network, depth=said[0], width=said[1])


def _strings(stimuli: Stimuli) -> int:
    """P_max of the RHM, or enough for the defaults; what it may be is checked where the grammar is made."""
    choices = sum(max(stimuli.branching, 1) ** k for k in range(min(max(stimuli.levels or 1, 1), 64)))
    return int(stimuli.classes) * int(stimuli.synonyms) ** min(choices, 64)


def _default_train_size(stimuli: Stimuli) -> int:
    if stimuli.data != "rhm":
        return _usual_sizes(stimuli)[0]
    return default_train_size(_strings(stimuli))


def _usual_sizes(stimuli: Stimuli) -> tuple[int, int]:
    return usual_sizes(stimuli.data, stimuli.data_path or None, stimuli.train_size, stimuli.test_size)


def _default_test_size(stimuli: Stimuli) -> int | None:
    if stimuli.data != "rhm":
        return _usual_sizes(stimuli)[1]
    left = _strings(stimuli) - (stimuli.train_size or 0)
    return default_test_size(left) if left > 0 else None  # None: the grammar says that nothing is left

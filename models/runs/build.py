"""From a resolved config to what runs it: task, settings, networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from plastic.backends import capabilities, fitting
from plastic.config.settings import EVENTS, IMAGES, Config
from plastic.errors import PlasticError
from plastic.models.backends import backend_of
from plastic.models.learning.processes import share_of_this_process
from plastic.models.neuron.constants import SpikingStep, TraceTiming
from plastic.models.settings import Settings, SpikeInput
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.stimuli import Task, digits, events, images, rhm
from plastic.stimuli.tasks import LEVELS


def make_task(config: Config) -> Task:
    """The stimuli of a resolved config."""
    stimuli, path = config.stimuli, config.stimuli.data_path or None
    seed = config.seed if stimuli.data_seed is None else stimuli.data_seed
    drawn: dict[str, Any] = {
        "pairing": stimuli.pairing, "train": stimuli.train_size, "test": stimuli.test_size, "seed": seed,
    }  # fmt: skip
    if stimuli.data == "digits":
        return digits(**drawn)
    if stimuli.data in IMAGES:
        return images(stimuli.data, path, views=stimuli.views, smallest_crop=stimuli.smallest_crop, **drawn)
    if stimuli.data in EVENTS:
        return events(stimuli.data, path, time_steps=config.spiking.time_steps, **drawn)
    return rhm(
        stimuli.levels or LEVELS, symbols=stimuli.symbols, synonyms=stimuli.synonyms, classes=stimuli.classes,
        branching=stimuli.branching, input_format=stimuli.input_format, **drawn,
    )  # fmt: skip


def choose_device(name: str) -> torch.device:
    """The device; PlasticError if a GPU is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise PlasticError("there is no CUDA device that torch can use; take --device cpu or see `plastic doctor`.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def make_settings(config: Config) -> Settings:
    """What the trainer needs of a resolved config; PlasticError for a mask that would mask nothing."""
    rule = load_rule(config.rule, config.options())
    if not rule.acts.learn and rule.mask != "sample":
        raise PlasticError(f"rule {rule.name!r} changes no weights, so --mask {rule.mask} means nothing; leave it out.")
    network, spiking, training, can = config.network, config.spiking, config.training, capabilities(config.backend)
    assert network.depth is not None
    assert network.width is not None
    assert training.batch is not None
    step = SpikingStep(
        spiking.membrane_decay, spiking.trace_decay, spiking.threshold, spiking.surrogate, spiking.slope,
        spiking.learning_period, cast(TraceTiming, spiking.trace_timing), spiking.chosen,
    )  # fmt: skip
    return Settings(
        rule=rule,
        widths=network.widths or (network.width,) * network.depth,
        topology=network.topology or "",
        layout=network.layout,
        shared=network.weights == "shared",
        activation=network.activation,
        spiking=step if can.spikes else None,
        backend=config.backend,
        spike_input=SpikeInput(spiking.time_steps, spiking.coding, spiking.input_rate),
        initial_rate=spiking.initial_rate or 0.0,
        batch=training.batch,
        fixation_probability=config.stimuli.fixation_probability,
        fixation_error=config.stimuli.fixation_error,
        optimizer=training.optimizer or "sgd",
        weight_bound=training.weight_bound,
        recompute_context=training.context == "recomputed",
        statistics=training.statistics,
        statistics_time_constant=training.statistics_time_constant,
        probe=training.probe,
        device=choose_device(config.device if "cuda" in can.devices else "cpu"),
        dtype=torch.float64 if config.dtype == "float64" else torch.float32,
        share=share_of_this_process(),
        options=backend_of(config.backend).options(config),
    )


def show_equations(config: Config) -> str:
    """The neurons, synapses and third factor of a run in its backend's language; nothing is run."""
    if not capabilities(config.backend).equations:
        theirs = " or ".join(fitting(lambda can: can.equations))
        raise PlasticError(
            f"--show-equations prints the equations of {theirs}, and {config.backend} has none: add --backend {theirs}."
        )
    return backend_of(config.backend).equations(make_settings(config))


def make_ensemble(configs: Config | Sequence[Config]) -> Ensemble:
    """The network of a resolved config, or those of several that differ in seed, data and learning rate alone, side by
    side; before their first stimulus."""
    members = [configs] if isinstance(configs, Config) else list(configs)
    rates = [one.training.learning_rate or 0.0 for one in members]
    tasks, seeds = [make_task(one) for one in members], [one.seed for one in members]
    return Ensemble(make_settings(members[0]), tasks, seeds, rates)

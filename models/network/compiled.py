"""A network as simulators compute with it, of one that was described (plastic.networks): sizes, and what is whose."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from plastic.errors import PlasticError
from plastic.models.network.convolution import Convolution
from plastic.models.network.layer import Layer, Network, Own
from plastic.networks import network as described
from plastic.networks import projections
from plastic.networks.network import FIXED, RUN
from plastic.rules import load_rule, split_options
from plastic.rules.rule import Rule
from plastic.stimuli.task import Task


@dataclass(frozen=True)
class Below:
    """What a layer is connected to."""

    positions: int
    channels: int  # units at each position
    layer: int  # the number of the layer to be connected

    @property
    def units(self) -> int:
        return self.positions * self.channels


def compiled(network: described.Network, task: Task | None = None, run: Rule | None = None) -> Network:
    """The network for a task, in a run of that rule.

    Raises PlasticError where it does not fit the task, or a layer not the one below.
    """
    below, layers = _input(network, task), list[Layer]()
    for number, layer in enumerate(network.layers, 1):
        rule = own_rule(layer)
        made = _layer(layer, Below(*below, number), rule or run, Own(rule, layer.learning_rate))
        layers.append(made)
        below = made.positions, made.neurons
    readout = network.readout
    return Network(
        network.input.units, tuple(layers), _classes(readout, task), None if task is None else task.most_spikes,
        None if readout is None else readout.learning_rate,
    )  # fmt: skip


def own_rule(layer: described.Layer) -> Rule | None:
    """The rule that a layer has of its own; None if it is that of the run."""
    if layer.rule is None:
        return load_rule(FIXED)
    if isinstance(layer.rule, str):
        return None if layer.rule == RUN else load_rule(*split_options(layer.rule))
    return layer.rule


def _input(network: described.Network, task: Task | None) -> tuple[int, int]:
    """Positions of the input, and neurons at each."""
    units, positions = network.input.units, network.input.positions
    if task is not None:
        if units != task.positions * task.channels:
            raise PlasticError(
                f"the network has an input of {units} neurons and {task!r} has {task.positions * task.channels}; make "
                f"it Input({task.positions * task.channels})."
            )
        map_below = isinstance(network.layers[0].projection, projections.Convolution)
        positions = positions or (task.image[0] ** 2 if map_below and task.image is not None else task.positions)
    if positions is None and isinstance(network.layers[0].projection, projections.Patches | projections.Convolution):
        raise PlasticError(
            f"the input of {units} neurons does not say in how many positions they lie, which layer 1 groups; write "
            f"Input({units}, positions=…), or give the task."
        )
    positions = positions or 1
    return positions, units // positions


def _classes(readout: described.Readout | None, task: Task | None) -> int:
    if readout is None:
        return 1 if task is None else task.classes
    if task is not None and readout.classes != task.classes:
        raise PlasticError(
            f"the network has a readout of {readout.classes} classes and {task!r} has {task.classes}; make it "
            f"Readout({task.classes})."
        )
    return readout.classes


def _layer(layer: described.Layer, below: Below, rule: Rule | None, own: Own) -> Layer:
    """One layer over what lies below it."""
    projection, neurons = layer.projection, layer.neurons
    low, high = projection.bounds or (-math.inf, math.inf)
    own = Own(own.rule, own.learning_rate, projection.scale, low, high)
    if isinstance(projection, projections.Convolution):
        return _convolution(projection, neurons, below, rule, own)
    if isinstance(projection, projections.Patches):
        if below.positions % projection.branching:
            raise PlasticError(
                f"layer {below.layer} groups {below.positions} positions by {projection.branching}, which does not "
                "divide; take another branching, or Dense()."
            )
        positions, fan_in = below.positions // projection.branching, below.channels * projection.branching
        return Layer(positions, fan_in, neurons, projection.shared, own=_signed(own, projection, fan_in, below))
    own = _signed(own, projection, below.units, below)
    if isinstance(projection, projections.Sparse):
        own = _sparse(own, projection, neurons, below)
    return Layer(1, below.units, neurons, own=own)


def _convolution(
    projection: projections.Convolution, neurons: int, below: Below, rule: Rule | None, own: Own
) -> Convolution:
    side, pool = math.isqrt(below.positions), projection.pool
    where = f"layer {below.layer} is a convolution"
    if side**2 != below.positions:
        raise PlasticError(f"{where}, and the {below.positions} positions below it are no square; take Dense().")
    after = side // pool
    if after < 1:
        raise PlasticError(f"{where} that would pool a map of {side} × {side} by {pool}; take a smaller pool.")
    if after % projection.cells:
        raise PlasticError(
            f"{where} whose map of {after} × {after} does not divide into {projection.cells} × {projection.cells} "
            "cells; take another number of cells."
        )
    whole = projection.whole_circuit
    if whole is None:  # feedback that is broadcast goes to every unit
        whole = rule is not None and rule.modulator == "broadcast"
    size = projection.kernel**2
    own = _signed(own, projection, below.channels * size, below)
    return Convolution(
        after**2, below.channels * size, neurons, True, side, below.channels, projection.kernel, pool,
        projection.cells, whole, own=own,
    )  # fmt: skip


def _signed(own: Own, projection: projections.Projection, fan_in: int, below: Below) -> Own:
    """With the sign of every input of a patch: those of the neurons below, position by position."""
    sign = projection.sign
    if sign is None:
        return own
    count = below.channels
    if isinstance(sign, tuple):
        each = sign
        if len(each) not in (count, fan_in):
            raise PlasticError(
                f"layer {below.layer} has {len(each)} signs and {count} neurons below it; give one for each."
            )
    else:
        excitatory = {"excitatory": count, "inhibitory": 0}.get(sign) if isinstance(sign, str) else round(sign * count)
        each = tuple(1 if n < (excitatory or 0) else -1 for n in range(count))
    signs = tuple(each[j % len(each)] for j in range(fan_in))
    low, high = own.low, own.high
    if (high <= 0 and 1 in signs) or (low >= 0 and -1 in signs):
        raise PlasticError(
            f"the bounds ({low}, {high}) of layer {below.layer} leave no weight but 0 to neurons of one of its signs; "
            "widen them."
        )
    return replace(own, signs=signs)


def _sparse(own: Own, projection: projections.Sparse, neurons: int, below: Below) -> Own:
    if own.low > 0 or own.high < 0:
        raise PlasticError(
            f"the bounds ({own.low}, {own.high}) of layer {below.layer} leave out 0, the weight of a synapse that is "
            "not there; widen them, or take Dense()."
        )
    if projection.indices is None:
        return replace(own, probability=projection.probability or 1.0)
    if (most := max(i for i, _ in projection.indices)) >= below.units:
        raise PlasticError(f"layer {below.layer} has a synapse from unit {most}; below are {below.units}, from 0 on.")
    if (most := max(i for _, i in projection.indices)) >= neurons:
        raise PlasticError(f"layer {below.layer} has a synapse onto neuron {most}; it has {neurons}, from 0 on.")
    return replace(own, indices=projection.indices)

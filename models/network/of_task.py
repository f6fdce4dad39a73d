"""Networks that fit a task, as a script begins: a tree of patches, all to all, convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from plastic.errors import PlasticError
from plastic.models.network import layer
from plastic.models.network.convolution import vgg
from plastic.models.network.layer import Network
from plastic.stimuli.task import Task


def tree(task: Task, widths: Sequence[int] = (128, 128), shared: bool = True) -> Network:
    """Patches side by side, as the strings of the Random Hierarchy Model are built: `widths` neurons per layer and
    position, whose weights the positions share, or each has its own (which chips need).

    Raises PlasticError if the positions of the task cannot be grouped that often.
    """
    network = layer.tree(task.positions, task.channels, task.branching, tuple(widths), task.classes, shared)
    return replace(network, most_spikes=task.most_spikes)


def dense(task: Task, widths: Sequence[int] = (128, 128)) -> Network:
    """All to all: `widths` neurons per layer."""
    network = layer.dense(task.positions * task.channels, tuple(widths), task.classes)
    return replace(network, most_spikes=task.most_spikes)


def convolutional(task: Task, width: int = 16, depth: int = 6, whole_circuit: bool = False) -> Network:
    """The first `depth` layers of the published VGG-6, `width` neurons in the first (128 as published).

    whole_circuit: modulatory circuits see every unit instead of a grid of means, which broadcast feedback needs.
    Raises PlasticError for a task without images, or images too small for so many layers.
    """
    if task.image is None:
        raise PlasticError(f"{task.name} is not made of images, which --topology conv is for; take tree or dense.")
    return vgg(*task.image, width, depth, task.classes, whole_circuit=whole_circuit)

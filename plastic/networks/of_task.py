"""Networks that fit a task, as a script begins: a tree of patches, all to all, convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from plastic.errors import PlasticError
from plastic.networks.network import Input, Layer, Network, Readout
from plastic.networks.projections import Convolution, Dense, Patches
from plastic.stimuli.task import Task

VGG = ((1, 1, 8), (2, 2, 4), (2, 1, 4), (4, 2, 4), (8, 2, 2), (8, 2, 2))  # times width, pool, cells


def tree(task: Task, widths: Sequence[int] = (128, 128), shared: bool = True) -> Network:
    """Patches side by side, as the strings of the Random Hierarchy Model are built: `widths` neurons per layer and
    position, whose weights the positions share, or each has its own (which chips need).

    Raises PlasticError if the positions of the task cannot be grouped that often.
    """
    left = task.positions
    for depth in range(1, len(widths) + 1):
        if left % task.branching:
            raise PlasticError(
                f"a tree of {len(widths)} layers does not fit: layer {depth} would group {left} positions by "
                f"{task.branching}; lower --depth or take --topology dense."
            )
        left //= task.branching
    return _network(task, [Layer(width, Patches(task.branching, shared)) for width in widths])


def dense(task: Task, widths: Sequence[int] = (128, 128)) -> Network:
    """All to all: `widths` neurons per layer."""
    return _network(task, [Layer(width, Dense()) for width in widths])


def convolutional(task: Task, width: int = 16, depth: int = 6, whole_circuit: bool | None = None) -> Network:
    """The first `depth` layers of the published VGG-6, `width` neurons in the first (128 as published).

    whole_circuit: modulatory circuits see every unit instead of a grid of means (None: where broadcast feedback needs
    that). Raises PlasticError for a task without images, or images too small for so many layers.
    """
    if task.image is None:
        raise PlasticError(f"{task.name} is not made of images, which --topology conv is for; take tree or dense.")
    return vgg(*task.image, width, depth, task.classes, whole_circuit)


def vgg(side: int, channels: int, width: int, depth: int, classes: int, whole_circuit: bool | None = None) -> Network:
    """The first `depth` layers of a VGG-6 on images of side × side; width 128 is the published one.

    128 – 256 MP – 256 – 512 MP – 1024 MP – 1024 MP, 3 × 3, no normalisation (Illing et al. 2021); the circuit's grids
    are those of Wu et al. (arXiv 2601.21683), or the next smaller that fit the map.
    Raises PlasticError if the images are too small for so many layers.
    """
    if depth > len(VGG):
        raise PlasticError(f"--topology conv has at most {len(VGG)} layers, not {depth}; lower --depth.")
    layers, start = list[Layer](), side
    for number, (times, pool, cells) in enumerate(VGG[:depth], 1):
        after = side // pool
        if after < 1:
            raise PlasticError(
                f"{depth} convolutions do not fit images of {start} × {start}: layer {number} would pool a map of "
                f"{side} × {side}; lower --depth to {number - 1}."
            )
        fit = max(c for c in range(1, cells + 1) if after % c == 0)
        layers.append(Layer(times * width, Convolution(3, pool, fit, whole_circuit=whole_circuit)))
        side = after
    return Network(Input(start**2 * channels, start**2), *layers, Readout(classes))


def _network(task: Task, layers: Sequence[Layer]) -> Network:
    return Network(Input(task.positions * task.channels, task.positions), *layers, Readout(task.classes))

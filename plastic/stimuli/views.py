"""Two views of one image: what is drawn for each, as numbers; the pixels are made where the network is.

A view is a crop of random area, shape and place, scaled back to the whole, perhaps mirrored, and changed in its
colours. Drawn from the counter-based generator, so that every device shows the same views. Two kinds:

- `mild`: crops of 30 to 100 % of the image (50 % of handwritten digits); brightness, contrast and saturation by factors
  within 1 ± 0.4, with probability 0.8, one after the other.
- `strong`: as SimCLR has them and Wu et al. (arXiv 2601.21683) take them: crops of 8 to 100 % (25 % of images of up to
  32 pixels); with probability 0.8 brightness, contrast and saturation by factors within 1 ± 0.8 and hue by up to 0.2 of
  a turn, in random order; grey with probability 0.2; blurred with probability 0.5 by a Gaussian of 0.1 to 2 pixels.

Handwritten digits are never mirrored, and grey images have no colours to change.

T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A simple framework for contrastive learning of visual representations",
ICML 2020; the ranges of `strong` are those of the code of Wu et al.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

# columns of what is drawn: centre and extent of the crop as fractions of the image, then factors; of strong
# ones also the turn of the hue, 1 for grey, σ of the blur in pixels (0: none) and which order the four changes have
CENTRE_ROW, CENTRE_COLUMN, HEIGHT, WIDTH, MIRROR, BRIGHTNESS, CONTRAST, SATURATION, HUE, GREY, BLUR, ORDER = range(12)
COLUMNS = 12
TRIES = 10  # crops of a strong view that are drawn until one lies within the image; else it is the whole image
ORDERS = 24  # of four changes

Kind = Literal["mild", "strong"]
Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Views:
    """How much views differ from their image."""

    smallest_area: float = 0.3  # of the crop, as a share of the image
    flip: bool = True
    jitter: float = 0.4  # factors lie within 1 ± this; applied with probability 0.8
    saturation: bool = True
    strong: bool = False  # hue, grey, blur and a random order as well

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Views of so many stimuli: (*shape, 12)."""
        uniform = random.random((*shape, 9))
        drawn: Numbers = np.ones((*shape, COLUMNS))
        drawn[..., HUE:] = 0
        size = self._within(random.random((*shape, TRIES, 2))) if self.strong else self._size(uniform)
        drawn[..., HEIGHT], drawn[..., WIDTH] = np.minimum(size, 1)
        for centre, extent, u in ((CENTRE_ROW, HEIGHT, 2), (CENTRE_COLUMN, WIDTH, 3)):
            drawn[..., centre] = drawn[..., extent] / 2 + (1 - drawn[..., extent]) * uniform[..., u]
        drawn[..., MIRROR] = np.where(uniform[..., 4] < 0.5, -1, 1) if self.flip else 1
        changed = uniform[..., 5] < 0.8
        factors = (BRIGHTNESS, CONTRAST, SATURATION) if self.saturation else (BRIGHTNESS, CONTRAST)
        for factor, u in zip(factors, (6, 7, 8), strict=False):
            drawn[..., factor] = np.where(changed, 1 + self.jitter * (2 * uniform[..., u] - 1), 1)
        if self.strong:
            hue, grey, blurred, sigma, order = np.moveaxis(random.random((*shape, 5)), -1, 0)
            drawn[..., HUE] = np.where(changed, 0.2 * (2 * hue - 1), 0)
            drawn[..., GREY] = grey < 0.2
            drawn[..., BLUR] = np.where(blurred < 0.5, 0.1 + 1.9 * sigma, 0)
            drawn[..., ORDER] = np.floor(ORDERS * order)
        return drawn.astype(np.float32)

    def _size(self, uniform: Numbers) -> Numbers:
        """Height and width (2, …) of a crop of an area and a shape, from the first two numbers of the last axis."""
        area = self.smallest_area + (1 - self.smallest_area) * uniform[..., 0]
        aspect = (4 / 3) ** (2 * uniform[..., 1] - 1)
        return np.stack([np.sqrt(area / aspect), np.sqrt(area * aspect)])

    def _within(self, uniform: Numbers) -> Numbers:
        """The first crop of (…, TRIES, 2) numbers that lies within the image, or the whole image."""
        size = self._size(uniform)
        fits = (size <= 1).all(0)
        first = np.take_along_axis(size, fits.argmax(-1)[None, ..., None], -1)[..., 0]
        return np.where(fits.any(-1), first, 1)


def views_of(kind: Kind, smallest_crop: float | None, handwritten: bool, side: int) -> Views:
    """Views of images of so many pixels a side, where the smallest crop is given as a share of the image or usual."""
    if kind == "strong":
        usual = 0.25 if side <= 32 else 0.08
        return Views(smallest_crop or usual, flip=not handwritten, jitter=0.8, saturation=not handwritten, strong=True)
    usual = 0.5 if handwritten else 0.3
    return Views(smallest_crop or usual, flip=not handwritten, saturation=not handwritten)

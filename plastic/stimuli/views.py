"""Two views of one image: what is drawn for each, as numbers; the pixels are made where the network is.

A view is a crop of random area, shape and place, scaled back to the whole, perhaps mirrored, with
brightness, contrast and saturation changed (T. Chen et al., "A simple framework for contrastive learning
of visual representations", ICML 2020, without blur and hue). Drawn from the counter-based generator, so
that every device shows the same views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# columns of what is drawn: centre and extent of the crop as fractions of the image, then factors
CENTRE_ROW, CENTRE_COLUMN, HEIGHT, WIDTH, MIRROR, BRIGHTNESS, CONTRAST, SATURATION = range(8)
COLUMNS = 8


@dataclass(frozen=True)
class Views:
    """How much views differ from their image."""

    smallest_area: float = 0.3  # of the crop, as a share of the image
    flip: bool = True
    jitter: float = 0.4  # factors lie within 1 ± this; applied with probability 0.8
    saturation: bool = True

    def draw(self, random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Views of so many stimuli: (*shape, 8)."""
        uniform = random.random((*shape, 9))
        area = self.smallest_area + (1 - self.smallest_area) * uniform[..., 0]
        aspect = (4 / 3) ** (2 * uniform[..., 1] - 1)
        drawn: NDArray[Any] = np.ones((*shape, COLUMNS))
        drawn[..., HEIGHT] = np.minimum(np.sqrt(area / aspect), 1)
        drawn[..., WIDTH] = np.minimum(np.sqrt(area * aspect), 1)
        for centre, extent, u in ((CENTRE_ROW, HEIGHT, 2), (CENTRE_COLUMN, WIDTH, 3)):
            drawn[..., centre] = drawn[..., extent] / 2 + (1 - drawn[..., extent]) * uniform[..., u]
        drawn[..., MIRROR] = np.where(uniform[..., 4] < 0.5, -1, 1) if self.flip else 1
        changed = uniform[..., 5] < 0.8
        factors = (BRIGHTNESS, CONTRAST, SATURATION) if self.saturation else (BRIGHTNESS, CONTRAST)
        for factor, u in zip(factors, (6, 7, 8), strict=False):
            drawn[..., factor] = np.where(changed, 1 + self.jitter * (2 * uniform[..., u] - 1), 1)
        return drawn.astype(np.float32)

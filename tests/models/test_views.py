"""Views of images on the device, pixel by pixel against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plastic.models.views import view
from plastic.stimuli.random import generator
from plastic.stimuli.views import BRIGHTNESS, CONTRAST, HEIGHT, MIRROR, SATURATION, WIDTH, Views


def by_hand(image: np.ndarray, how: np.ndarray) -> np.ndarray:
    """One image (row, column, channel), one view; bilinear at pixel centres, the border repeated."""
    side = len(image)
    centre_row, centre_column, height, width, mirror, brightness, contrast, saturation = (float(v) for v in how)

    def at(y: float, x: float) -> np.ndarray:
        y, x = min(max(y, 0.0), side - 1), min(max(x, 0.0), side - 1)
        y0, x0 = int(np.floor(y)), int(np.floor(x))
        y1, x1 = min(y0 + 1, side - 1), min(x0 + 1, side - 1)
        upper = (1 - (x - x0)) * image[y0, x0] + (x - x0) * image[y0, x1]
        lower = (1 - (x - x0)) * image[y1, x0] + (x - x0) * image[y1, x1]
        return (1 - (y - y0)) * upper + (y - y0) * lower

    out = np.empty(image.shape)
    for row in range(side):
        for column in range(side):
            y = (centre_row + height * ((row + 0.5) / side - 0.5)) * side - 0.5
            x = (centre_column + mirror * width * ((column + 0.5) / side - 0.5)) * side - 0.5
            out[row, column] = at(y, x)
    grey = np.array([0.299, 0.587, 0.114]) if image.shape[2] == 3 else np.ones(1)
    out *= brightness
    mean = (out @ grey).mean()
    out = mean + contrast * (out - mean)
    if image.shape[2] == 3:
        lightness = (out @ grey)[..., None]
        out = lightness + saturation * (out - lightness)
    return out.clip(0, 255)


@pytest.mark.parametrize(("side", "channels"), [(5, 1), (6, 3)])
def test_a_view_is_what_its_numbers_say(side: int, channels: int) -> None:
    random = generator(1, "test-views")
    images = random.integers(0, 256, (12, side, side, channels)).astype(float)
    how = Views(0.3).draw(random, (12,)).astype(float)
    seen = view(torch.as_tensor(images.reshape(12, -1)), torch.as_tensor(how), side, channels, 255.0)
    expected = np.stack([by_hand(image, one) for image, one in zip(images, how, strict=True)])
    np.testing.assert_allclose(seen.numpy(), expected.reshape(12, -1), rtol=1e-9, atol=1e-7)
    assert (seen.numpy() != images.reshape(12, -1)).any(1).all()


def test_the_whole_image_unchanged_and_mirrored() -> None:
    image = torch.arange(32.0, dtype=torch.float64).view(1, 32) + 1
    how = torch.tensor([[0.5, 0.5, 1, 1, 1, 1, 1, 1], [0.5, 0.5, 1, 1, -1, 1, 1, 1]], dtype=torch.float64)
    seen = view(image.expand(2, -1), how, 4, 2, 255.0)
    torch.testing.assert_close(seen[0], image[0])
    torch.testing.assert_close(seen[1].view(4, 4, 2), image.view(4, 4, 2).flip(1))


def test_what_is_drawn_stays_within_what_is_allowed() -> None:
    many = Views(0.3, flip=True, jitter=0.4).draw(generator(0, "views"), (5000,))
    area = many[:, HEIGHT] * many[:, WIDTH]
    assert 0.25 < area.min() < 0.35
    assert area.max() <= 1
    for centre, extent in ((0, HEIGHT), (1, WIDTH)):  # the crop lies inside the image
        assert (many[:, centre] - many[:, extent] / 2 > -1e-6).all()
        assert (many[:, centre] + many[:, extent] / 2 < 1 + 1e-6).all()
    assert 0.45 < (many[:, MIRROR] < 0).mean() < 0.55
    factors = many[:, [BRIGHTNESS, CONTRAST, SATURATION]]
    assert 0.6 <= factors.min() < 0.65
    assert 1.35 < factors.max() <= 1.4
    assert 0.15 < (factors == 1).all(1).mean() < 0.25
    handwritten = Views(0.5, flip=False, saturation=False).draw(generator(0, "views"), (500,))
    assert (handwritten[:, [MIRROR, SATURATION]] == 1).all()

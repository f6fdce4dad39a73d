"""Views of images on the device, pixel by pixel against a plain loop."""

from __future__ import annotations

import colorsys
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from plastic.models.views import view
from plastic.stimuli.random import generator
from plastic.stimuli.views import (
    BLUR,
    BRIGHTNESS,
    COLUMNS,
    CONTRAST,
    GREY,
    HEIGHT,
    HUE,
    MIRROR,
    ORDER,
    SATURATION,
    WIDTH,
    Views,
    views_of,
)

LIGHTNESS = np.array([0.299, 0.587, 0.114])
STRONG = views_of("strong", None, False, 96)


def by_hand(image: np.ndarray, how: np.ndarray) -> np.ndarray:
    """One image (row, column, channel), one view; bilinear at pixel centres, the border repeated."""
    side = len(image)
    centre_row, centre_column, height, width, mirror, brightness, contrast, saturation = (float(v) for v in how[:8])

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


def strong_by_hand(image: np.ndarray, how: np.ndarray) -> np.ndarray:
    """One image (row, column, channel) from 0 to 1 after its crop, changed as torchvision says it does."""
    three = image.shape[2] == 3
    grey = LIGHTNESS if three else np.ones(1)
    for column in list(permutations((BRIGHTNESS, CONTRAST, SATURATION, HUE)))[int(how[ORDER])]:
        if column == BRIGHTNESS:
            image = how[column] * image
        elif column == CONTRAST:
            image = how[column] * image + (1 - how[column]) * (image @ grey).mean()
        elif three and column == SATURATION:
            image = how[column] * image + (1 - how[column]) * (image @ grey)[..., None]
        elif three:
            hsv = [colorsys.rgb_to_hsv(*pixel) for pixel in image.reshape(-1, 3)]
            turned = [colorsys.hsv_to_rgb((h + how[column]) % 1, s, v) for h, s, v in hsv]
            image = np.array(turned).reshape(image.shape)
        image = image.clip(0, 1)
    if how[GREY]:
        image = np.broadcast_to((image @ grey)[..., None], image.shape)
    if how[BLUR]:
        width = int(0.1 * len(image)) // 2 * 2 + 1
        weights = np.exp(-0.5 * ((np.arange(width) - width // 2) / how[BLUR]) ** 2)
        for axis in (0, 1):
            image = correlate1d(image, weights / weights.sum(), axis, mode="mirror")
    return image


@pytest.mark.parametrize(("side", "channels"), [(24, 1), (32, 3), (41, 3)])
def test_a_strong_view_is_what_its_numbers_say(side: int, channels: int) -> None:
    images = generator(1, "test-strong").integers(0, 256, (30, side * side * channels)).astype(float)
    how = STRONG.draw(generator(2, "test-strong"), (30,)).astype(float)
    crop = how.copy()
    crop[:, [BRIGHTNESS, CONTRAST, SATURATION]] = 1
    mild, seen = (
        view(torch.as_tensor(images), torch.as_tensor(numbers), side, channels, 255.0, strong).numpy()
        for numbers, strong in ((crop, False), (how, True))
    )
    cropped = mild.reshape(30, side, side, channels) / 255
    expected = np.stack([strong_by_hand(image, one) for image, one in zip(cropped, how, strict=True)])
    np.testing.assert_allclose(seen, 255 * expected.reshape(30, -1), rtol=1e-9, atol=1e-7)
    assert (np.abs(seen - mild).max(1) > 1).sum() > 20
    assert len(set(how[:, ORDER])) > 10
    assert (how[:, GREY] > 0).any()
    assert 5 < (how[:, BLUR] > 0).sum() < 25


def test_strong_views_are_drawn_as_published() -> None:
    many = STRONG.draw(generator(0, "views"), (20_000,))
    assert many.shape == (20_000, COLUMNS)
    area, aspect = many[:, HEIGHT] * many[:, WIDTH], many[:, WIDTH] / many[:, HEIGHT]
    assert 0.08 <= area.min() < 0.082
    assert 0.74 < aspect.min() < 0.76 < 1.3 < aspect.max() < 1.34
    assert many[:, [HEIGHT, WIDTH]].max() <= 1
    factors = many[:, [BRIGHTNESS, CONTRAST, SATURATION]]
    assert 0.2 <= factors.min() < 0.21
    assert 1.79 < factors.max() <= 1.8
    assert np.abs(many[:, HUE]).max() == pytest.approx(0.2, abs=1e-3)
    unchanged = (factors == 1).all(1)
    assert np.array_equal(unchanged, many[:, HUE] == 0)
    for share, probability in ((unchanged, 0.2), (many[:, GREY] == 1, 0.2), (many[:, BLUR] > 0, 0.5)):
        assert share.mean() == pytest.approx(probability, abs=0.015)
    blur = many[many[:, BLUR] > 0, BLUR]
    assert 0.1 <= blur.min() < 0.11
    assert 1.99 < blur.max() <= 2
    assert np.bincount(many[:, ORDER].astype(int), minlength=24).min() > 20_000 / 24 * 0.8


def test_what_is_drawn_of_mild_views_did_not_change() -> None:
    """The second view of a seed, as it was before there were others."""
    drawn = Views().draw(generator(5, "views"), (2,))
    expected = [0.525159, 0.464994, 0.945174, 0.854757, 1.0, 1.294811, 1.132356, 1.263823]
    np.testing.assert_allclose(drawn[1, :8], expected, atol=1e-6)
    assert (drawn[:, 8:] == 0).all()


def test_the_smallest_crop() -> None:
    sizes = [(kind, crop, digits, side) for kind, crop, digits, side in (
        ("mild", None, False, 96), ("mild", None, True, 32), ("strong", None, False, 32), ("strong", None, False, 64),
        ("strong", 0.5, True, 32))]  # fmt: skip
    made = [views_of(*one) for one in sizes]  # type: ignore[arg-type]
    assert [one.smallest_area for one in made] == [0.3, 0.5, 0.25, 0.08, 0.5]
    assert [one.flip for one in made] == [True, False, True, True, False]
    assert (made[-1].draw(generator(0, "views"), (500,))[:, [MIRROR, SATURATION]] == 1).all()

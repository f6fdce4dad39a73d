"""Views of images, made on the device that the network runs on: a crop, then changes of colour.

The strong ones are those of T. Chen et al., "A simple framework for contrastive learning of visual representations",
ICML 2020, as torchvision has them: brightness, contrast, saturation and hue in the order that was drawn, each cut off
at black and full; then grey, then blur.
"""

from __future__ import annotations

from itertools import permutations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from plastic.stimuli import views as drawn

Images = Float[Tensor, "images channels row column"]
Lightness = Float[Tensor, "images 1 row column"]
WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
ORDERS = tuple(permutations((drawn.BRIGHTNESS, drawn.CONTRAST, drawn.SATURATION, drawn.HUE)))


def view(pixels: Tensor, how: Tensor, side: int, channels: int, full: float, strong: bool = False) -> Tensor:
    """Pixels (n, side² · channels) from 0 to `full`, viewed as `how` (n, 12; see plastic.stimuli.views) says.

    The crop is sampled bilinearly at pixel centres, pixels beyond the border repeat it.
    """
    image = pixels.reshape(-1, side, side, channels).permute(0, 3, 1, 2)
    moved = F.grid_sample(image, _grid(how, side), mode="bilinear", padding_mode="border", align_corners=False)
    observed = _strongly_changed(moved, how, full) if strong else _mildly_changed(moved, how).clamp(0, full)
    return observed.permute(0, 2, 3, 1).reshape(len(pixels), -1)


def _mildly_changed(moved: Tensor, how: Tensor) -> Tensor:
    observed = _contrasted(_brighter(moved, _factor(how, drawn.BRIGHTNESS)), _factor(how, drawn.CONTRAST))
    return _saturated(observed, _factor(how, drawn.SATURATION))


def _grid(how: Tensor, side: int) -> Tensor:
    """Where each pixel of the view looks in the image, in [−1, 1]: (n, row, column, (x, y))."""
    centres = (2 * torch.arange(side, device=how.device, dtype=how.dtype) + 1) / side - 1

    middle = 2 * how[:, [drawn.CENTRE_COLUMN, drawn.CENTRE_ROW]] - 1
    extent = how[:, [drawn.WIDTH, drawn.HEIGHT]]
    x = middle[:, :1] + extent[:, :1] * how[:, drawn.MIRROR, None] * centres
    y = middle[:, 1:] + extent[:, 1:] * centres
    shape = (len(how), side, side)
    return torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], -1)


def _factor(how: Tensor, column: int) -> Tensor:
    return how[:, column, None, None, None]


def _strongly_changed(image: Images, how: Tensor, full: float) -> Images:
    """Images from 0 to `full`, changed as `how` (n, 12; see plastic.stimuli.views) says."""
    image = _colours(image / full, how)
    return full * _blurred(torch.where(_factor(how, drawn.GREY) > 0, _lightness(image), image), how[:, drawn.BLUR])


def _lightness(image: Images) -> Lightness:
    """One channel of each image; of one that has no three, their mean."""
    if image.shape[1] != 3:
        return image.mean(1, keepdim=True)
    weights = torch.tensor(WEIGHTS, device=image.device, dtype=image.dtype)
    return torch.einsum("nchw,c->nhw", image, weights)[:, None]


def _colours(image: Images, how: Tensor) -> Images:
    orders = torch.tensor(ORDERS, device=how.device)[how[:, drawn.ORDER].long()]
    for step in range(4):
        after = image
        for column, change in _CHANGES.items():
            own = (orders[:, step] == column)[:, None, None, None]
            after = torch.where(own, change(image, _factor(how, column)).clamp(0, 1), after)
        image = after
    return image


def _brighter(image: Images, factor: Tensor) -> Images:
    return image * factor


def _contrasted(image: Images, factor: Tensor) -> Images:
    mean = _lightness(image).mean((1, 2, 3), keepdim=True)
    return mean + (image - mean) * factor


def _saturated(image: Images, factor: Tensor) -> Images:
    grey = _lightness(image)
    return grey + (image - grey) * factor if image.shape[1] == 3 else image


def _turned(image: Images, turn: Tensor) -> Images:
    """Another hue of the same saturation and value (HSV)."""
    if image.shape[1] != 3:
        return image
    (red, green, blue), value = image.unbind(1), image.amax(1)
    chroma = value - image.amin(1)
    to_blue, to_red, to_green = (
        (a - b) / chroma.clamp(min=1e-12) for a, b in ((green, blue), (blue, red), (red, green))
    )
    sextant = torch.where(value == red, to_blue, torch.where(value == green, 2 + to_red, 4 + to_green))
    start = torch.tensor([5, 3, 1], device=image.device)[:, None, None]
    away = (sextant[:, None] + start + 6 * turn).remainder(6)
    return value[:, None] - chroma[:, None] * torch.minimum(away, 4 - away).clamp(0, 1)


_CHANGES = {
    drawn.BRIGHTNESS: _brighter, drawn.CONTRAST: _contrasted, drawn.SATURATION: _saturated, drawn.HUE: _turned,
}  # fmt: skip


def _blurred(image: Images, sigma: Tensor) -> Images:
    """By a Gaussian over a tenth of the side, an odd number of pixels; the image is mirrored at its border."""
    number, channels, side, _ = image.shape
    width = side // 10 // 2 * 2 + 1
    if width == 1 or number == 0:
        return image
    offset = torch.arange(width, device=image.device, dtype=image.dtype) - width // 2
    weights = torch.exp(-0.5 * (offset / sigma.clamp(min=1e-3)[:, None]) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    planes = F.pad(image.reshape(1, -1, side, side), [width // 2] * 4, mode="reflect")
    planes = F.conv2d(planes, weights[:, None, None, :], groups=number * channels)
    planes = F.conv2d(planes, weights[:, None, :, None], groups=number * channels)
    return torch.where((sigma > 0)[:, None, None, None], planes.view_as(image), image)

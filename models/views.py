"""Views of images, made on the device that the network runs on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from plastic.stimuli import views as drawn

GREY = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)


def view(pixels: Tensor, how: Tensor, side: int, channels: int, full: float) -> Tensor:
    """Pixels (n, side² · channels) from 0 to `full`, viewed as `how` (n, 8; see plastic.stimuli.views) says.

    The crop is sampled bilinearly at pixel centres, pixels beyond the border repeat it.
    """
    image = pixels.reshape(-1, side, side, channels).permute(0, 3, 1, 2)
    moved = F.grid_sample(image, _grid(how, side), mode="bilinear", padding_mode="border", align_corners=False)
    observed = moved * _factor(how, drawn.BRIGHTNESS)
    mean = _grey(observed).mean((1, 2, 3), keepdim=True)
    observed = mean + (observed - mean) * _factor(how, drawn.CONTRAST)
    if channels == 3:
        grey = _grey(observed)
        observed = grey + (observed - grey) * _factor(how, drawn.SATURATION)
    return observed.clamp(0, full).permute(0, 2, 3, 1).reshape(len(pixels), -1)


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


def _grey(image: Tensor) -> Tensor:
    if image.shape[1] != 3:
        return image.mean(1, keepdim=True)
    weights = torch.tensor(GREY, device=image.device, dtype=image.dtype)
    return torch.einsum("nchw,c->nhw", image, weights)[:, None]

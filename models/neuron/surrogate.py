"""Nonlinearities: rate functions ρ with their derivatives, and the pseudo-derivatives ψ of spikes.

One convention of scale for ψ: its peak is 1, at the threshold, so that surrogates and rules can be
compared at one learning rate; k sets the width, per threshold. In other libraries' words: SuperSpike
(Zenke & Ganguli 2018) is the derivative of the fast sigmoid with β = k, under either name;
Bellec's pseudo-derivative has its dampening γ in the learning rate and k = 1; snnTorch's ATan has
k = π α / 2 and is divided by π.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plastic.errors import PlasticError

# ρ, and ρ′ from pre-activation and activity: sign(relu) is ten times as fast on a CPU as comparing
Rate = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]

RATE: dict[str, Rate] = {
    "relu": (torch.relu, lambda a, z: torch.sign(z)),
    "tanh": (torch.tanh, lambda a, z: 1 - z * z),
    "softplus": (torch.nn.functional.softplus, lambda a, z: torch.sigmoid(a)),
    "linear": (lambda a: a, lambda a, z: torch.ones_like(a)),
}


def _fast_sigmoid(x: Tensor, k: float) -> Tensor:
    """1 / (1 + k|x|)², in few passes and without fresh memory."""
    return torch.add(x.new_ones(()), x.abs_(), alpha=k, out=x).pow_(-2)


# x is the distance to threshold, which may be overwritten; k the slope
PSEUDO_DERIVATIVE: dict[str, Callable[[Tensor, float], Tensor]] = {
    "fast-sigmoid": _fast_sigmoid,
    "superspike": _fast_sigmoid,
    "triangular": lambda x, k: (1 - k * x.abs()).clamp(min=0),  # Bellec et al. 2020
    "atan": lambda x, k: 1 / (1 + (k * x) ** 2),  # Fang et al. 2021
}


def rate_function(name: str) -> Rate:
    """ρ and ρ′ by name; PlasticError if there is none of that name."""
    if name not in RATE:
        raise PlasticError(f"unknown activation {name!r}; choose one of: {', '.join(RATE)}.")
    return RATE[name]


def pseudo_derivative(name: str) -> Callable[[Tensor, float], Tensor]:
    """ψ by name, a function of the distance to threshold, which it may overwrite, and the slope k.

    Raises PlasticError if there is none of that name.
    """
    if name not in PSEUDO_DERIVATIVE:
        raise PlasticError(f"unknown surrogate {name!r}; choose one of: {', '.join(PSEUDO_DERIVATIVE)}.")
    return PSEUDO_DERIVATIVE[name]


def above_zero(x: Tensor) -> Tensor:
    """Θ(x) as 0 or 1 in the type of x, in one pass."""
    return torch.gt(x, 0, out=torch.empty_like(x))

"""From a rule's update to a weight change.

`sgd` adds η ΔW: the pure three-factor rule. `adam` passes ΔW through a per-synapse filter first
(running mean over root of running mean square; Kingma & Ba 2015, without weight decay): local to
the synapse, but not the pure rule, and named in all output.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from plastic.errors import PlasticError

State = dict[str, Tensor]
Optimizer = Callable[[str, Tensor, Tensor, State], None]


def make_optimizer(kind: str, learning_rates: Tensor, bound: float = float("inf")) -> Optimizer:
    """A function (name, weight, update, state) that changes weight and state in place.

    `learning_rates` holds one number per member of the ensemble, `bound` clips |weight|.
    """
    if kind not in ("sgd", "adam"):
        raise PlasticError(f"unknown optimizer {kind!r}; choose sgd (the pure rule) or adam (a filter per synapse).")

    def rate(weight: Tensor) -> Tensor:
        return learning_rates.to(weight).view(-1, *([1] * (weight.dim() - 1)))

    def step(name: str, weight: Tensor, update: Tensor, state: State) -> None:
        if kind == "sgd":
            weight.addcmul_(update, rate(weight))
        else:
            _adam(name, weight, update, state, rate(weight))
        if bound < float("inf"):
            weight.clamp_(-bound, bound)

    return step


def _adam(name: str, weight: Tensor, update: Tensor, state: State, rate: Tensor) -> None:
    if f"{name}.count" not in state:
        state[f"{name}.count"] = torch.zeros((), dtype=torch.float64)
        state[f"{name}.mean"] = torch.zeros_like(weight)
        state[f"{name}.square"] = torch.zeros_like(weight)
    count = state[f"{name}.count"]
    count += 1
    fast, slow = 1 - 0.9 ** count.item(), 1 - 0.999 ** count.item()
    mean = state[f"{name}.mean"].lerp_(update, 0.1)
    square = state[f"{name}.square"].mul_(0.999).addcmul_(update, update, value=0.001)
    root = square.sqrt().mul_(1 / slow**0.5).add_(1e-8)
    weight.addcmul_(mean.div(root), rate / fast)

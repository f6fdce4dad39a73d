"""From a rule's update to a weight change.

`sgd` adds η ΔW: the pure three-factor rule. `adam` passes ΔW through a per-synapse filter first
(running mean over root of running mean square; Kingma & Ba 2015, without weight decay): local to
the synapse, but not the pure rule, and named in all output.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim.adam import adam

from plastic.errors import PlasticError
from plastic.models.update import Update

State = dict[str, Tensor]
Optimizer = Callable[[str, Tensor, Update, State], None]


def make_optimizer(kind: str, learning_rates: Tensor, bound: float = float("inf")) -> Optimizer:
    """A function (name, weight, update, state) that changes weight and state in place.

    `learning_rates` holds one number per member of the ensemble, in the type and on the device of the
    weights; `bound` clips |weight|.
    """
    if kind not in ("sgd", "adam"):
        raise PlasticError(f"unknown optimizer {kind!r}; choose sgd (the pure rule) or adam (a filter per synapse).")
    rates = [float(rate) for rate in learning_rates]

    def step(name: str, weight: Tensor, update: Update, state: State) -> None:
        if kind == "sgd":
            update.add_to(weight, learning_rates)
        else:
            _adam(name, weight, update, state, rates)
        if bound < float("inf"):
            weight.clamp_(-bound, bound)

    return step


def _adam(name: str, weight: Tensor, update: Update, state: State, rates: list[float]) -> None:
    """torch's fused Adam; members that share a learning rate are stepped together."""
    if f"{name}.count" not in state:
        state[f"{name}.count"] = torch.zeros((), dtype=torch.float32)
        state[f"{name}.mean"] = torch.zeros_like(weight)
        state[f"{name}.square"] = torch.zeros_like(weight)
    count, mean, square = (state[f"{name}.{part}"] for part in ("count", "mean", "square"))
    for members, change in update.pieces():
        _fused_adam([x[members] for x in (weight, mean, square)], change, count, rates[members])
    count += 1


def _fused_adam(tensors: list[Tensor], change: Tensor, count: Tensor, rates: list[float]) -> None:
    for rate in dict.fromkeys(rates):
        own = [i for i, other in enumerate(rates) if other == rate]
        whole = len(own) == len(rates)
        weight, update, mean, square = (
            [x] if whole else [x[i] for i in own] for x in (tensors[0], change, *tensors[1:])
        )
        # the kernel counts up itself, so it gets a copy of the count for each tensor
        counts = [count.to(change.device, copy=True) for _ in weight]
        adam(
            weight, update, mean, square, [], counts, fused=True, amsgrad=False, beta1=0.9, beta2=0.999,
            lr=rate, weight_decay=0.0, eps=1e-8, maximize=True,
        )  # fmt: skip

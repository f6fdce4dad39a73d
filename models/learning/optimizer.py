"""From a rule's update to a weight change.

`sgd` adds η ΔW: the pure three-factor rule. `adam` passes ΔW through a per-synapse filter first
(running mean over root of running mean square; Kingma & Ba 2015, without weight decay): local to
the synapse, but not the pure rule, and named in all output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.optim.adam import adam

from plastic.errors import PlasticError
from plastic.models.network.outer import CACHED, Update

State = dict[str, Tensor]
Optimizer = Callable[[str, Tensor, Update, State], None]


def make_optimizer(
    kind: str, learning_rates: Tensor, bound: float = float("inf"), own_rates: Mapping[str, Tensor] | None = None,
    limits: Mapping[str, tuple[Tensor, Tensor]] | None = None,
) -> Optimizer:  # fmt: skip
    """A function (name, weight, update, state) that changes weight and state in place.

    `learning_rates` holds one number per member of the ensemble, in the type and on the device of the
    weights; `bound` clips |weight|. By name of the weights that have them: `own_rates` in the place of
    `learning_rates`, and `limits`, the lowest and highest number of every weight (plastic.models.network.limits).
    """
    own, within = own_rates or {}, limits or {}
    if kind not in ("sgd", "adam"):
        raise PlasticError(f"unknown optimizer {kind!r}; choose sgd (the pure rule) or adam (a filter per synapse).")

    def step(name: str, weight: Tensor, update: Update, state: State) -> None:
        rates = own.get(name, learning_rates)
        if kind == "sgd":
            update.add_to(weight, rates)
        else:
            _adam(name, weight, update, state, rates)
        if bound < float("inf"):
            weight.clamp_(-bound, bound)
        if name in within:
            weight.clamp_(*within[name])

    return step


def _adam(name: str, weight: Tensor, update: Update, state: State, rates: Tensor) -> None:
    """Of all members at once; on a CPU large weights a member at a time, by torch's fused kernel."""
    if f"{name}.count" not in state:
        state[f"{name}.count"] = torch.zeros((), dtype=torch.float32)
        state[f"{name}.mean"] = torch.zeros_like(weight)
        state[f"{name}.square"] = torch.zeros_like(weight)
    count, mean, square = (state[f"{name}.{part}"] for part in ("count", "mean", "square"))
    if weight[0].numel() < CACHED or weight.device.type != "cpu":
        count += 1
        _adam_together(weight, update.value(), mean, square, count.item(), rates)
        return
    for members, change in update.pieces():
        own = (x[members] for x in (mean, square, rates))
        for one, by, fast, slow, rate in zip(weight[members], change, *own, strict=True):
            counts = [count.clone()]  # the kernel counts up itself
            adam(
                [one], [by], [fast], [slow], [], counts, fused=True, amsgrad=False, beta1=0.9, beta2=0.999,
                lr=rate.item(), weight_decay=0.0, eps=1e-8, maximize=True,
            )  # fmt: skip
    count += 1


def _adam_together(weight: Tensor, change: Tensor, mean: Tensor, square: Tensor, count: float, rates: Tensor) -> None:
    mean.lerp_(change, 0.1)
    square.mul_(0.999).addcmul_(change, change, value=0.001)
    root = square.sqrt().mul_((1 - 0.999**count) ** -0.5).add_(1e-8)
    rate = (rates / (1 - 0.9**count)).view(-1, *([1] * (weight.dim() - 1)))
    weight.addcmul_(torch.div(mean, root, out=root), rate)

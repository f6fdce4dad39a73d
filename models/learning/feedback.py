"""What a rule may read of the layer above: its feedback, and the chain of weights and masks up to the top."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from plastic.models.network.layer import Layer
from plastic.rules.rule import Mask


def masked(post: Tensor, mask: Mask, batch_axis: int) -> Tensor:
    """The post factor itself, its batch mean, or one."""
    if mask == "sample":
        return post
    if mask == "batch":
        return post.mean(batch_axis, keepdim=True).expand_as(post)
    return torch.ones_like(post)


@dataclass(frozen=True)
class Upward:
    """The projection to the layer above as a rule may read it (plastic.rules.rule.Above)."""

    layer: Layer
    weight: Tensor
    credited: Tensor  # modulator × masked post factor of the layer above
    post: Tensor  # post factor of the layer above
    beyond: Upward | None = None  # from the layer above to the one above that
    winner: Tensor | None = None  # of the layer above, where it pools

    def down(self, weight: Tensor | None = None) -> Tensor:
        return self.layer.back(self.weight if weight is None else weight, self.credited, self.winner)

    def product(self, mask: Mask) -> Tensor:
        alike = mask != "sample" and self.winner is None  # every sample passes in the same way
        post = masked(self.post, mask, 1)[:, : 1 if alike else None].flatten(2)
        units = post.shape[2]
        if self.beyond is None:
            rows = torch.eye(units).to(post).expand(len(post), 1, units, units)
        else:
            rows = self.beyond.product(mask).mT  # (members, batch, classes, units)
        credited = rows * post[:, :, None]
        members, batch, classes, _ = credited.shape
        won = None if self.winner is None else self.winner.repeat_interleave(classes, 1)
        sent = self.layer.back(self.weight, self.layer.route(credited.flatten(1, 2), "flat"), won)
        return sent.view(members, batch, classes, -1).mT

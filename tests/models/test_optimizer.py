"""SGD and Adam against torch.optim, member by member; bounds."""

from __future__ import annotations

import pytest
import torch

from plastic.errors import PlasticError
from plastic.models.optimizer import make_optimizer
from plastic.models.update import Whole

RATES = (1e-3, 3e-2)


@pytest.mark.parametrize("size", [3, 300])  # below and above what is stepped for all members at once
@pytest.mark.parametrize(("kind", "theirs"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_steps_equal_torch_per_member(kind: str, theirs: type, size: int) -> None:
    draw = torch.Generator().manual_seed(0)
    start = torch.randn(2, size, size, generator=draw, dtype=torch.float64)
    weight, state = start.clone(), {}
    step = make_optimizer(kind, torch.tensor(RATES, dtype=torch.float64))
    expected = [start[i].clone().requires_grad_() for i in range(2)]
    optimizers = [theirs([w], lr=rate) for w, rate in zip(expected, RATES, strict=True)]
    for _ in range(20):
        update = torch.randn(2, size, size, generator=draw, dtype=torch.float64)
        step("w", weight, Whole((update,)), state)
        for member, (w, optimizer) in enumerate(zip(expected, optimizers, strict=True)):
            w.grad = -update[member]  # an update ascends, a gradient descends
            optimizer.step()
    for member, w in enumerate(expected):
        torch.testing.assert_close(weight[member], w.detach(), rtol=1e-6, atol=1e-9)
        assert (weight[member] - start[member]).abs().max() > 1e-3


def test_weights_stay_within_their_bound() -> None:
    weight = torch.zeros(1, 2, 2)
    make_optimizer("sgd", torch.tensor([1.0]), bound=0.5)(
        "w", weight, Whole((torch.tensor([[[9.0, -9.0], [0.1, 0.0]]]),)), {}
    )
    assert weight.flatten().tolist() == pytest.approx([0.5, -0.5, 0.1, 0.0])


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(PlasticError, match=r"sgd \(the pure rule\) or adam"):
        make_optimizer("lion", torch.tensor([1.0]))

"""SGD and Adam against torch.optim, member by member; bounds."""

from __future__ import annotations

import pytest
import torch

from plastic.errors import PlasticError
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.outer import Outer, PerMember, Update, Whole

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


def factored(kind: str, positions: int) -> tuple[Update, torch.Tensor]:
    """An update of two members, and the same written out: (members, positions, neurons, fan_in), or without positions
    where there is one."""
    draw = torch.Generator().manual_seed(positions)
    post = torch.randn(2, positions, 7, 5, generator=draw, dtype=torch.float64)
    pre = torch.randn(2, positions, 7, 4, generator=draw, dtype=torch.float64)
    shape = (5, 4) if positions == 1 else (positions, 5, 4)
    value = torch.einsum("epbn,epbk->epnk", post, pre).view(2, *shape)
    if kind == "per member":
        parts = [Outer(post[e], pre[e], (1, *shape)) for e in range(2)]
        return PerMember(tuple(parts)), value
    return Outer(post.flatten(0, 1), pre.flatten(0, 1), (2, *shape)), value


@pytest.mark.parametrize("cached", [1, 10**9], ids=["a member at a time", "together"])
@pytest.mark.parametrize("positions", [1, 3])
@pytest.mark.parametrize("kind", ["outer", "per member"])
def test_an_update_kept_as_its_factors_is_the_tensor(
    kind: str, positions: int, cached: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plastic.models.network.outer.CACHED", cached)
    monkeypatch.setattr("plastic.models.learning.optimizer.CACHED", cached)
    update, value = factored(kind, positions)
    torch.testing.assert_close(update.value(), value)
    seen = torch.zeros_like(value)
    for members, piece in update.pieces():
        seen[members] += piece
    torch.testing.assert_close(seen, value)
    for optimizer in ("sgd", "adam"):
        step = make_optimizer(optimizer, torch.tensor(RATES, dtype=torch.float64))
        ends, states = [torch.ones_like(value), torch.ones_like(value)], [{}, {}]
        for _ in range(3):
            step("w", ends[0], update, states[0])
            step("w", ends[1], Whole((value / 4, value / 4, value / 2)), states[1])
        torch.testing.assert_close(ends[0], ends[1])
        assert (ends[0] - 1).abs().flatten(1).amax(1).min() > 1e-3  # both members moved


class Elsewhere(torch.Tensor):
    """A tensor that says it is on a GPU: the way that is taken there, with numbers."""

    device = property(lambda self: torch.device("cuda"))


@pytest.mark.parametrize("positions", [1, 3])
def test_what_a_gpu_adds_is_what_a_cpu_adds(positions: int) -> None:
    update, value = factored("outer", positions)
    rates = torch.tensor(RATES, dtype=torch.float64)
    weight = torch.ones_like(value)
    update.add_to(weight, rates.as_subclass(Elsewhere))
    torch.testing.assert_close(weight, 1 + torch.einsum("e,e...->e...", rates, value))


def test_weights_stay_within_their_bound() -> None:
    weight = torch.zeros(1, 2, 2)
    make_optimizer("sgd", torch.tensor([1.0]), bound=0.5)(
        "w", weight, Whole((torch.tensor([[[9.0, -9.0], [0.1, 0.0]]]),)), {}
    )
    assert weight.flatten().tolist() == pytest.approx([0.5, -0.5, 0.1, 0.0])


def test_an_unknown_optimizer_is_refused() -> None:
    with pytest.raises(PlasticError, match=r"sgd \(the pure rule\) or adam"):
        make_optimizer("lion", torch.tensor([1.0]))

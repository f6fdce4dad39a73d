"""The theorems of CLAPP++ in deep linear networks, by the rules' own updates."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from plastic.experiments.studies.alignment import EQUAL, NARROWING, beside_global, optimum


@pytest.mark.parametrize("f", ["softplus", "linear"])
@pytest.mark.parametrize("seed", [0, 1])
def test_at_the_optimum_of_b_the_local_update_is_the_global_one(seed: int, f: str) -> None:
    """Deep linear, equal width, orthonormal: to 1e-6 in every layer, and B^l = Qᵀ B^L Q. Not so where B is random."""
    found = beside_global(EQUAL, "lateral", seed, f)
    assert max(found["difference"]) < 1e-6
    assert min(found["lateral"]) > 1 - 1e-9
    elsewhere = beside_global(EQUAL, "lateral", seed, f, learned=False)
    assert min(elsewhere["difference"][:-1]) > 0.5
    assert max(elsewhere["lateral"][:-1]) < 0.5


@pytest.mark.parametrize("f", ["softplus", "linear"])
@pytest.mark.parametrize("seed", [0, 1])
def test_direct_feedback_raises_the_alignment_where_layers_narrow(seed: int, f: str) -> None:
    lateral, dfb = (beside_global(NARROWING, feedback, seed, f) for feedback in ("lateral", "dfb"))
    for layer in range(len(NARROWING) - 1):
        assert dfb["cosine"][layer] > lateral["cosine"][layer] + 0.05
        assert dfb["difference"][layer] < lateral["difference"][layer]
    assert dfb["cosine"][-1] == pytest.approx(1)


@pytest.mark.parametrize("f", ["softplus", "linear"])
def test_the_optimum_has_no_gradient(f: str) -> None:
    """By autograd of the published loss with its penalty."""
    draw = torch.Generator().manual_seed(0)
    z, c = torch.randn(2, 20, 6, generator=draw, dtype=torch.float64)
    b = optimum(z, c, f, decay=3.0).requires_grad_()
    true, false = ((x @ b * c).sum(1) for x in (z, z.roll(-1, 0)))
    loss = {"softplus": lambda u: F.softplus(1 - u), "linear": lambda u: -u}[f]
    total = (loss(true) + loss(-false)).sum() + 1.5 * b.square().sum()
    assert torch.autograd.grad(total, b)[0].norm() < 1e-9
    assert b.norm() > 0.1

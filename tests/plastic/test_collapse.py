"""Collapse metrics on responses whose answer is known."""

import numpy as np
import pytest
import torch

from plastic.collapse import dead_fraction, effective_rank, variance


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_known_responses(array) -> None:
    draw = np.random.default_rng(0)
    orthogonal = np.linalg.qr(draw.standard_normal((40, 8)) - 0.5)[0]
    orthogonal = np.linalg.qr(orthogonal - orthogonal.mean(0))[0]  # centred columns of equal length
    assert float(effective_rank(array(orthogonal))) == pytest.approx(8)
    one = draw.standard_normal((40, 1)) * np.arange(1.0, 7.0)
    assert float(effective_rank(array(one))) == pytest.approx(1, abs=1e-6)
    assert float(variance(array(one))) == pytest.approx(one.var(0).mean())
    constant = np.ones((40, 6))
    assert float(effective_rank(array(constant))) == 0
    assert float(variance(array(constant))) == 0
    assert float(dead_fraction(array(constant))) == 0
    half = np.concatenate([constant[:, :3], np.zeros((40, 3))], axis=1)
    assert float(dead_fraction(array(half))) == 0.5


def test_members_of_an_ensemble_are_told_apart() -> None:
    z = torch.stack([torch.randn(30, 5), torch.zeros(30, 5)])
    assert dead_fraction(z).tolist() == [0, 1]
    assert effective_rank(z)[0] > 3
    assert effective_rank(z)[1] == 0

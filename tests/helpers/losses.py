"""The published layerwise losses, written with torch from the papers' equations; none of `plastic` here.

Where each is printed stands in tests/gradients/worked_examples.toml (`loss`), with an example in numbers that holds
these transcriptions and the rules alike to it.

Each takes one layer's activity z and context c (batch, units), fixations y = ±1 (batch,), the weights
of the layer's circuit, and the rule's options, and gives the loss that the rule's update is minus the
gradient of. Losses that are a mean over stimuli in print are summed, as updates are; losses made of
batch statistics are as printed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def bilinear(z: Tensor, matrix: Tensor, c: Tensor) -> Tensor:
    return torch.einsum("bi,ij,bj->b", z, matrix, c)


def clapp_pp(z: Tensor, c: Tensor, y: Tensor, matrix: Tensor, f: str, negatives: str) -> Tensor:
    """f(z⁺ᵀ B c) + f(−z⁻ᵀ B c) with c detached; the negative of stream b is stream b + 1, or a saccade."""
    losses = {
        "hinge": lambda u: F.relu(1 - u),
        "softplus": lambda u: F.softplus(1 - u),
        "linear": lambda u: -u,
    }
    c, own = c.detach(), losses[f]
    if negatives == "saccade":
        return own(y * bilinear(z, matrix, c)).sum()
    total = torch.zeros((), dtype=z.dtype)
    for b in range(len(z)):
        if y[b] > 0:
            other = (b + 1) % len(z)
            total = total + own(z[b] @ matrix @ c[b]) + own(-(z[other] @ matrix @ c[b]))
    return total


def infonce(z: Tensor, c: Tensor, y: Tensor, matrix: Tensor, negatives: int, temperature: float) -> Tensor:
    """−log of the softmax at the stream's own response, among it and those of the next K streams."""
    total = torch.zeros((), dtype=z.dtype)
    for b in range(len(z)):
        if y[b] > 0:
            candidates = torch.stack([z[(b + k) % len(z)] for k in range(negatives + 1)])
            scores = candidates @ matrix @ c[b] / temperature
            total = total + F.cross_entropy(scores[None], torch.tensor([0]))
    return total


def nt_xent(z: Tensor, c: Tensor, y: Tensor, temperature: float) -> Tensor:
    """Chen et al. 2020, equation 1, over the anchors whose stream is at a fixation."""
    views, batch = torch.cat([z, c]), len(z)
    similarity = F.cosine_similarity(views[:, None], views[None], dim=-1) / temperature
    total = torch.zeros((), dtype=z.dtype)
    for a in range(2 * batch):
        if y[a % batch] > 0:
            others = [n for n in range(2 * batch) if n != a]
            pair = others.index((a + batch) % (2 * batch))
            total = total + F.cross_entropy(similarity[a, others][None], torch.tensor([pair]))
    return total


def off_diagonal(matrix: Tensor) -> Tensor:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)]


def lpl(z: Tensor, c: Tensor, y: Tensor, pull=1.0, push=1.0, decorrelation=10.0, epsilon=1e-4) -> Tensor:
    """Halvagal & Zenke 2023 as in their code: MSE of the pairs (fixations), log variance, squared covariance."""
    units = z.shape[1]
    total = pull * F.mse_loss(z[y > 0], c[y > 0])
    for view in (z, c):
        total = total - push * torch.log(view.var(0) + epsilon).mean() / 2
        total = total + decorrelation * (off_diagonal(torch.cov(view.T)) ** 2).sum() / (units**2 - units) / 2
    return total


def vicreg(z: Tensor, c: Tensor, y: Tensor, pull=25.0, push=25.0, decorrelation=1.0, epsilon=1e-4) -> Tensor:
    """Bardes et al. 2022 as in their code."""
    total = pull * F.mse_loss(z[y > 0], c[y > 0])
    for view in (z, c):
        total = total + push * F.relu(1 - torch.sqrt(view.var(0) + epsilon)).mean() / 2
        total = total + decorrelation * (off_diagonal(torch.cov(view.T)) ** 2).sum() / view.shape[1]
    return total


def barlow(z: Tensor, c: Tensor, y: Tensor, redundancy=0.0051, epsilon=1e-5, frozen=False) -> Tensor:
    """Zbontar et al. 2021 on the pairs at fixations; `frozen` leaves the statistics out of the gradient."""

    def normalise(x: Tensor) -> Tensor:
        if not frozen:
            return F.batch_norm(x, None, None, training=True, eps=epsilon)
        return (x - x.mean(0).detach()) / torch.sqrt(x.var(0, unbiased=False).detach() + epsilon)

    z, c = normalise(z[y > 0]), normalise(c[y > 0])
    correlation = z.T @ c / len(z)
    on = (1 - torch.diagonal(correlation)) ** 2
    return on.sum() + redundancy * (off_diagonal(correlation) ** 2).sum()


def simsiam(z: Tensor, c: Tensor, y: Tensor, predictor: Tensor, similarity: str, centred: bool, both: bool) -> Tensor:
    """Chen & He 2021: negative cosine to the detached other view, or half the squared distance."""
    if centred:
        z, c = z - z.mean(0).detach(), c - c.mean(0).detach()

    def one(x: Tensor, target: Tensor) -> Tensor:
        p, target = x @ predictor.T, target.detach()
        if similarity == "squared":
            return ((p - target) ** 2).sum(1) / 2
        return -F.cosine_similarity(p, target, dim=1)

    return (one(z, c) + (one(c, z) if both else 0))[y > 0].sum()


def espp(z: Tensor, c: Tensor, y: Tensor, c_fixation: float, c_saccade: float) -> tuple[Tensor, Tensor]:
    """Graf et al. 2024, offline, as in their code (EchoSpike_layer.reset): a sample's loss −y Σ s E, to which c_y T N
    is added, c_y < 0 at a saccade, and which counts while the sum is above 0; here T = 1. Also gives the gates."""
    echo = (c / c.sum(1, keepdim=True)).detach()
    loss = -y * (z * echo).sum(1)
    gate = loss + torch.where(y > 0, c_fixation, -c_saccade) * z.shape[1] > 0
    return (loss * gate).sum(), gate


def forward_forward(z: Tensor, y: Tensor, threshold: float, temperature: float) -> Tensor:
    """Hinton 2022: is it right data? Cross-entropy of a logistic in the goodness."""
    evidence = ((z**2).mean(1) - threshold) / temperature
    return F.binary_cross_entropy_with_logits(evidence, (y > 0).to(z.dtype), reduction="sum")


def scff(z: Tensor, y: Tensor, right: float, wrong: float, temperature: float, cost: float) -> Tensor:
    """Chen et al. 2025 as in their code (SCFF_MNIST.py, train), their a = b = 1/T."""
    goodness = z.pow(2).mean(1)
    found = torch.log(1 + torch.exp((right - goodness[y > 0]) / temperature)).sum() + cost * goodness[y > 0].sum()
    return found + torch.log(1 + torch.exp((goodness[y < 0] - wrong) / temperature)).sum()

"""One network of the efficiency figure, trained as one would in plain torch: autograd, torch.optim.Adam."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, relu

from plastic.config.settings import Config
from plastic.models.runs.build import make_settings, make_task
from plastic.models.training.ensemble import Ensemble
from plastic.rules import load_rule
from plastic.rules.rule import Rule
from plastic.stimuli.stream import Stream

LocalLoss = Callable[[Rule, Tensor, Tensor, Tensor, Tensor | None], Tensor]  # rule, z, c, y, lateral weight


def clapp_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    assert lateral is not None
    return relu(rule.margin - y * (z * (c.detach() @ lateral.T)).sum(1)).sum()


def infonce_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    assert lateral is not None
    scores = (c.detach() @ lateral.T) @ z.T / rule.temperature
    index = torch.arange(len(z))
    apart = (index[None] - index[:, None]) % len(z)
    scores = scores.masked_fill(apart > rule.negatives, -math.inf)
    return (cross_entropy(scores, index, reduction="none") * (y > 0)).sum()


def simclr_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    del lateral
    views = normalize(torch.cat([z, c]))
    scores = (views @ views.T / rule.temperature).fill_diagonal_(-math.inf)
    true = (torch.arange(2 * len(z)) + len(z)) % (2 * len(z))
    return (cross_entropy(scores, true, reduction="none") * torch.cat([y, y]).gt(0)).sum()


def variance_loss(rule: Any, z: Tensor, c: Tensor, y: Tensor, lateral: Tensor | None) -> Tensor:
    """VICReg or LPL, which differ in the push."""
    del lateral
    batch, units = z.shape
    here = (y > 0).to(z)
    total = rule.pull * ((z - c).square() * here[:, None]).sum() / (units * here.sum().clamp(min=1))
    for view in (z, c):
        centred = view - view.mean(0)
        covariance = centred.T @ centred / (batch - 1)
        variance = covariance.diagonal() + rule.epsilon
        others = covariance.square().sum() - covariance.diagonal().square().sum()
        if rule.name == "vicreg":
            total = total + rule.push * relu(1 - variance.sqrt()).sum() / (2 * units)
            total = total + rule.decorrelation * others / units
        else:
            total = total - rule.push * variance.log().sum() / (2 * units)
            total = total + rule.decorrelation * others / (2 * units * (units - 1))
    return total


LOCAL: dict[str, LocalLoss] = {
    "clapp": clapp_loss,
    "infonce": infonce_loss,
    "simclr": simclr_loss,
    "vicreg": variance_loss,
    "lpl": variance_loss,
}


class PlainTorch:
    """One network, trained as one would in plain torch with autograd; starts from the same weights."""

    def __init__(self, config: Config) -> None:
        start = Ensemble(make_settings(config), [make_task(config)], [config.seed], [1e-3]).parameters
        self.rule, self.config = load_rule(config.rule, config.options()), config
        fixed = {k: v[0] for k, v in start.items() if config.rule == "dfa" and k.endswith(".B")}
        self.feedback = [fixed[k] for k in sorted(fixed)]
        self.weights = {k: v[0].clone().requires_grad_() for k, v in start.items() if k not in fixed}
        self.optimizer = torch.optim.Adam(self.weights.values(), lr=config.training.learning_rate or 1e-3)
        task = make_task(config)
        self.table = torch.as_tensor(task.analog, dtype=torch.float32)
        self.stream = Stream([task], [config.seed], config.training.batch or 128)
        self.before: list[Tensor] = []

    def step(self) -> None:
        stimulus = self.stream.next()
        x = self.table[torch.as_tensor(stimulus.inputs[0].astype("int64"))].flatten(1)
        y = torch.as_tensor(stimulus.fixation[0]).float() * 2 - 1
        local = self.config.rule in LOCAL
        activity, layers = x, []
        if local and getattr(self.rule, "sides", "current") == "both":  # the view before, with the present weights
            activity = torch.cat([x, self.before[0]]) if self.before else torch.cat([x, x])
        for k in range(3):
            weight = self.weights[f"layer{k + 1}.weight"]
            below = activity if self.config.rule == "bp" else activity.detach()
            activity = relu(below.reshape(len(below), -1, weight.shape[1]) @ weight.T).flatten(1)
            layers.append(activity)
        loss = self._local(layers, y) if local else self._supervised(layers, torch.as_tensor(stimulus.labels[0]))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.before = [x, *(layer[: len(x)].detach() for layer in layers)]

    def _local(self, layers: list[Tensor], y: Tensor) -> Tensor:
        total, batch = torch.zeros(()), len(y)
        for k, both in enumerate(layers):
            z = both[:batch]
            c = both[batch:] if len(both) > batch else self.before[k + 1] if self.before else torch.zeros_like(z)
            lateral = self.weights.get(f"layer{k + 1}.W_pred", self.weights.get(f"layer{k + 1}.B"))
            total = total + LOCAL[self.config.rule](self.rule, z, c, y, lateral)
        return total

    def _supervised(self, layers: list[Tensor], labels: Tensor) -> Tensor:
        top = layers[-1].detach() if self.config.rule == "dfa" else layers[-1]
        logits = top @ self.weights["readout.weight"].T
        loss = cross_entropy(logits, labels, reduction="sum")
        if self.config.rule == "dfa":
            error = torch.softmax(logits.detach(), 1) - torch.eye(logits.shape[1])[labels]
            for layer, feedback in zip(layers, self.feedback, strict=True):
                loss = loss + (layer * (error @ feedback.T)).sum()
        return loss

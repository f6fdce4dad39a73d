"""Contract 2 for `clapp`, `bp` and `dfa` where layers convolve and pool, against the network as it is published:
convolve, rectify, pool. (The other rules: test_family_a and test_family_b, on the same networks.)"""

from __future__ import annotations

import pytest
import torch
from harness import LATERAL, NETWORKS, Case, assert_equal_to_gradient, assert_mixed, convolve, first_mixed, summary_of
from torch import Tensor
from torch.nn import functional as F

from plastic.models.network.outer import open_rows
from plastic.rules import BP, CLAPP, DFA


def published(case: Case, weights: dict[str, Tensor], x: Tensor, cut: bool) -> list[Tensor]:
    """Maps of all layers as (batch, positions, neurons): convolution, ReLU, max-pooling."""
    outputs = []
    for layer, weight in zip(case.network.layers, case.layers(weights), strict=True):
        below = x.detach() if cut else x
        x = F.max_pool2d(torch.relu(convolve(layer, weight, below)), layer.pool).movedim(1, 3).flatten(1, 2)
        outputs.append(x)
    return outputs


FORMS = {
    "current": CLAPP(),
    "current-mean": CLAPP(summary="mean"),
    "both-symmetric": CLAPP(sides="both"),
    "both-asymmetric": CLAPP(sides="both", symmetric=False),
}


@pytest.mark.parametrize("topology", ["convolution", "convolution-grid"])
@pytest.mark.parametrize("form", FORMS)
def test_clapp_is_the_gradient_of_its_hinge_loss(form: str, topology: str) -> None:
    rule = FORMS[form]

    def make(seed: int) -> Case:
        case = Case(rule, LATERAL[topology], seed=seed)
        for index, (z, c) in enumerate(case.responses(case.weights())):
            for name, a, b in (("W_pred", z, c), ("W_retro", c, z)):
                if (lateral := case.parameters.get(f"layer{index + 1}.{name}")) is not None:
                    lateral *= 3 / torch.einsum("bi,ij,bj->b", a, lateral[0], b).abs().median().detach()
        return case

    def gates(case: Case) -> list[Tensor]:
        thirds = [o.third for o in case.updates()[1]]
        return [m.gate for third in thirds for m in (third.current, third.context) if m is not None]

    case = first_mixed(make, gates)
    found, _ = case.updates()
    weights = case.weights()
    now, past = (published(case, weights, x, cut=True) for x in (case.inputs, case.before))
    y, loss = case.fixation[:, 0], torch.zeros((), dtype=torch.float64)
    for index, (layer, z, c) in enumerate(zip(case.network.layers, now, past, strict=True)):
        z, c = summary_of(layer, z, rule.summary), summary_of(layer, c, rule.summary)
        credited = c if rule.sides == "both" and rule.symmetric else c.detach()
        predict = weights[f"layer{index + 1}.W_pred"]
        loss = loss + torch.relu(1 - y * torch.einsum("bi,ij,bj->b", z, predict, credited)).sum()
        if (retro := weights.get(f"layer{index + 1}.W_retro")) is not None:
            loss = loss + torch.relu(1 - y * torch.einsum("bi,ij,bj->b", c, retro, z.detach())).sum()
    assert_equal_to_gradient(found, loss, weights)


@pytest.mark.parametrize("form", FORMS)
def test_leaving_out_closed_gates_is_exact(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that large layers take, forced on small ones, against the same gradient."""
    left_out: list[int] = []

    def rows(gate: object, batch: int, work: int) -> list[Tensor] | None:
        found = open_rows(gate, batch, work)
        left_out.extend(len(own) for own in found or [])
        return found

    monkeypatch.setattr("plastic.models.network.outer.WORTHWHILE", 0)
    monkeypatch.setattr("plastic.models.learning.eligibility.open_rows", rows)
    test_clapp_is_the_gradient_of_its_hinge_loss(form, "convolution-grid")
    assert left_out


def test_bp_is_the_gradient_of_cross_entropy() -> None:
    case = Case(BP(), NETWORKS["convolution"])
    found, seen = case.updates()
    weights = case.weights()
    top = published(case, weights, case.inputs, cut=False)[-1].flatten(1)
    for observation in seen:
        assert_mixed(observation.response.post)
    assert_equal_to_gradient(
        found, F.cross_entropy(top @ weights["readout.weight"].T, case.labels, reduction="sum"), weights
    )


@pytest.mark.parametrize("summary", ["flat", "mean"])
def test_dfa_is_the_gradient_of_its_local_alignment_loss(summary: str) -> None:
    case = Case(DFA(summary=summary), NETWORKS["convolution"])  # type: ignore[arg-type]
    found, _ = case.updates()
    weights = case.weights()
    outputs = published(case, weights, case.inputs, cut=True)
    logits = outputs[-1].flatten(1).detach() @ weights["readout.weight"].T
    error = (torch.softmax(logits, -1) - case.target).detach()
    loss = F.cross_entropy(logits, case.labels, reduction="sum")
    for index, (layer, z) in enumerate(zip(case.network.layers, outputs, strict=True)):
        loss = loss + (summary_of(layer, z, summary) * (error @ weights[f"layer{index + 1}.B"].detach().T)).sum()
    assert_equal_to_gradient(found, loss, weights)

"""A hybrid descends the loss of its self-supervised rule plus ε times what its broadcast descends, by autograd."""

from __future__ import annotations

import dataclasses
import math

import losses
import pytest
import torch
from harness import LATERAL, NETWORKS, Case, assert_by_hand, assert_equal_to_gradient, assert_same_on_numpy, first_mixed
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.network.layer import dense
from plastic.rules import CLAPP, Hybrid, VICReg, load_rule

ARMS = [("dfa", "vector"), ("sdfa", "vector"), ("drtp", "vector"), ("dfa", "scalar")]
EPSILON = 3.0  # of the size of the other part


def descended(case: Case, weights: dict[str, Tensor], own) -> Tensor:
    """Σ over layers of own(z, c, index) + ε ⟨B s, z⟩, the broadcast s held fixed, and the readout's cross-entropy."""
    pairs = case.responses(weights)
    logits = pairs[-1][0].detach() @ weights["readout.weight"].T
    error = (torch.softmax(logits, -1) - case.target).detach()
    sent = {"dfa": error, "sdfa": error.sign(), "drtp": case.target}[case.rule.error]
    total = torch.nn.functional.cross_entropy(logits, case.labels, reduction="sum")
    for index, (z, c) in enumerate(pairs):
        heard = sent
        if case.rule.broadcast == "scalar":
            a = weights[f"layer{index + 1}.a_error"].detach()
            heard = torch.outer(sent @ a[0], a[0])
        feedback = heard @ weights[f"layer{index + 1}.B_error"].detach().T
        total = total + own(z, c if case.rule.sides == "both" else c.detach(), index)
        total = total + EPSILON * (z * feedback).sum()
    return total


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize(("error", "broadcast"), ARMS)
def test_with_vicreg(error: str, broadcast: str, topology: str) -> None:
    case = Case(Hybrid(self="vicreg", error=error, broadcast=broadcast, epsilon=EPSILON), LATERAL[topology])
    for index in range(case.depth):  # deviations below and above 1
        case.parameters[f"layer{index + 1}.weight"] /= case.responses(case.weights())[index][0].detach().std(0).median()
    weights, y = case.weights(), case.fixation[:, 0]
    found, seen = case.updates()
    assert set(found) == {*(f"layer{i + 1}.weight" for i in range(case.depth)), "readout.weight"}
    assert_equal_to_gradient(found, descended(case, weights, lambda z, c, _: losses.vicreg(z, c, y)), weights)
    assert torch.isfinite(seen[0].third.loss).all()


@pytest.mark.parametrize("sides", ["current", "both"])
@pytest.mark.parametrize(("error", "broadcast"), ARMS)
def test_with_clapp_whose_circuit_learns(error: str, broadcast: str, sides: str) -> None:
    rule = Hybrid(self="clapp", error=error, broadcast=broadcast, epsilon=EPSILON, sides=sides)

    def make(seed: int) -> Case:
        case = Case(rule, NETWORKS["tree-shared"], seed=seed)
        for index, (z, c) in enumerate(case.responses(case.weights())):
            matrix = case.parameters[f"layer{index + 1}.W_pred"][0]
            matrix *= 3 / losses.bilinear(z.detach(), matrix, c.detach()).abs().median()
        return case

    def opened(case: Case) -> list[Tensor]:
        scores = [o.third.signals["score"] for o in case.updates()[1]]
        return [(case.fixation[None] * score < 1).double() for score in scores]

    case = first_mixed(make, opened)
    weights, y = case.weights(), case.fixation[:, 0]

    def own(z: Tensor, c: Tensor, index: int) -> Tensor:
        return torch.relu(1 - y * losses.bilinear(z, weights[f"layer{index + 1}.W_pred"], c)).sum()

    found, _ = case.updates()
    assert "layer1.W_pred" in found
    assert_equal_to_gradient(found, descended(case, weights, own), weights)


@pytest.mark.parametrize("own", ["vicreg", "clapp", "barlow:redundancy=0.1"])
def test_without_the_error_it_is_the_other_rule(own: str) -> None:
    name, *options = own.split(":")
    alone = load_rule(name, {"sides": "both", **dict(one.split("=") for one in options)})
    expected, _ = Case(alone, NETWORKS["dense"]).updates()
    case = Case(Hybrid(self=own, epsilon=0.0), NETWORKS["dense"])
    case.parameters |= Case(alone, NETWORKS["dense"]).parameters
    found, _ = case.updates()
    for layer, update in expected.items():
        assert update.abs().max() > 0
        torch.testing.assert_close(found[layer], update, rtol=1e-12, atol=1e-14)


def test_one_synapse_by_hand() -> None:
    """One neuron, one stimulus, CLAPP and a scalar: z = 0.5 · 2 = 1, c = 0.5, W_pred = 2, so W_pred c = 1, and
    y z W c = 1 < 2 opens the gate. Logits z·(1, 0), second class: e = (σ(1) − 0, σ(−1) − 1) = (0.7310586, −0.7310586).
    a = (0.5, −1): aᵀe = 1.5 σ(1) = 1.0965879; B = (0.3, 0.7): B a = −0.55, B a aᵀe = −0.6031233.
    m = 1 + 0.1 · 0.55 · 1.5 σ(1) = 1.0603123, ΔW = m · ψ · x = 2.1206247."""
    rule = Hybrid(self="clapp:margin=2", error="dfa", broadcast="scalar", epsilon=0.1, sides="current")
    case = Case(rule, dense(1, (1,), 2), batch=1)
    values = {
        "layer1.weight": [[0.5]], "layer1.W_pred": [[2.0]], "layer1.B_error": [[0.3, 0.7]],
        "layer1.a_error": [[0.5, -1.0]], "readout.weight": [[1.0], [0.0]],
    }  # fmt: skip
    for name, value in values.items():
        case.parameters[name] = torch.tensor(value, dtype=torch.float64).reshape(case.parameters[name].shape)
    case.inputs, case.before = torch.tensor([[2.0]]).double(), torch.tensor([[1.0]]).double()
    case.fixation, case.target = torch.tensor([[1.0]]).double(), torch.tensor([[0.0, 1.0]]).double()
    assert_by_hand(case.updates()[0]["layer1.weight"].item(), 2 * (1 + 0.1 * 0.55 * 1.5 / (1 + math.exp(-1))))


def test_the_same_lines_run_on_numpy() -> None:
    for rule in (Hybrid(), Hybrid(self="clapp", broadcast="scalar")):
        assert_same_on_numpy(rule, Case(rule, NETWORKS["tree-shared"]))


def test_it_reads_and_acts_as_its_parts() -> None:
    assert Hybrid().averages == VICReg().averages
    assert Hybrid(self="clapp").reads.averages is None
    assert Hybrid(self="infonce").smallest_batch == 2
    assert Hybrid(self="infonce:negatives_from=memory").memory_slots == 16
    assert dataclasses.replace(Hybrid(), epsilon=0.2) == Hybrid(epsilon=0.2)
    assert Hybrid(sides="current").parts[0] == VICReg(sides="current")
    assert Hybrid(self="clapp", mask="batch").parts[0] == CLAPP(sides="both", mask="batch")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"self": "dfa"}, "self=dfa of rule 'hybrid' is no layerwise self-supervised rule"),
        ({"self": "ff"}, "self=ff of rule 'hybrid' is no layerwise"),
        ({"self": "none"}, "self=none of rule 'hybrid' is no layerwise"),
        ({"error": "clapp"}, "error=clapp of rule 'hybrid' broadcasts no error; take dfa"),
        ({"error": "bp"}, "error=bp of rule 'hybrid' broadcasts no error"),
        ({"self": "lpl-spiking"}, "third factor in every step"),
        ({"self": "espp"}, "add sides=current"),
        ({"self": "hybrid"}, "not a part of itself"),
        ({"self": "clapp:margins=1"}, "rule 'clapp' has no option 'margins'"),
        ({"broadcast": "two"}, "choose vector or scalar"),
    ],
)
def test_what_is_no_hybrid_is_refused(options: dict[str, str], words: str) -> None:
    with pytest.raises(PlasticError, match=words):
        load_rule("hybrid", options)

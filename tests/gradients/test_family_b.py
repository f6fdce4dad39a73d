"""Layerwise self-supervision: each update is minus the gradient of the published loss (losses.py).

Through Learner and RateSimulator, in float64, dense and tree. Layers' inputs are cut off from the
graph; contexts are computed with the same weights, and credited where the rule acts on both sides.
"""

from __future__ import annotations

import math
from dataclasses import replace

import losses
import pytest
import torch
from harness import (
    BATCH,
    LATERAL,
    NETWORKS,
    Case,
    MaskedReLU,
    assert_by_hand,
    assert_equal_to_gradient,
    assert_mixed,
    assert_same_on_numpy,
    first_mixed,
)
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.backends.refusals import refusal
from plastic.models.learning.eligibility import Previous
from plastic.models.learning.learner import Learner
from plastic.models.network.layer import dense
from plastic.models.network.outer import Update
from plastic.rules import (
    CLAPP,
    ESPP,
    LPL,
    SCFF,
    BarlowTwins,
    BPCLAPPpp,
    BPInfoNCE,
    CLAPPpp,
    ForwardForward,
    InfoNCE,
    LastLayer,
    Rule,
    Signals,
    SimCLR,
    SimSiam,
    VICReg,
)


def circuits(case: Case, weights: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    prefix = f"layer{index + 1}."
    return {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}


def total_loss(case: Case, weights: dict[str, Tensor], layer_loss, cut: bool = True) -> Tensor:
    """Sum over layers of layer_loss(z, c, index), c detached where the rule does not credit it."""
    total = torch.zeros((), dtype=torch.float64)
    for index, (z, c) in enumerate(case.responses(weights, cut)):
        total = total + layer_loss(z, c if case.rule.sides == "both" else c.detach(), index)
    return total


def shown(seen) -> Tensor:
    """Each layer's displayed loss, summed over stimuli."""
    return torch.stack([o.third.loss.sum() for o in seen])


def spread(matrix: Tensor, z: Tensor, c: Tensor) -> None:
    """Shift and scale a circuit, in place, so that its scores zᵀ B c lie about zero on either side of ±1."""
    a, b = z.mean(0), c.mean(0)
    matrix -= losses.bilinear(z, matrix, c).mean() * torch.outer(a, b) / (a @ a) / (b @ b)
    matrix *= 3 / losses.bilinear(z, matrix, c).abs().median()


CLAPP_PP = [
    CLAPPpp(feedback=feedback, f=f, negatives=negatives, summary=summary)
    for feedback in ("lateral", "dfb", "both")
    for f, negatives, summary in (
        ("hinge", "batch", "flat"),
        ("hinge", "saccade", "mean"),
        ("softplus", "batch", "mean"),
        ("linear", "saccade", "flat"),
        ("softplus", "saccade", "flat"),
        ("linear", "batch", "flat"),
    )
]


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("rule", CLAPP_PP, ids=lambda r: f"{r.feedback}-{r.f}-{r.negatives}-{r.summary}")
def test_clapp_pp(rule: CLAPPpp, topology: str) -> None:
    def make(seed: int) -> Case:
        case = Case(rule, LATERAL[topology], seed=seed)
        pairs = case.responses(case.weights())
        for index, (z, c) in enumerate(pairs):
            for name, context in (("B", c), ("B_top", pairs[-1][1])):
                if (matrix := case.parameters.get(f"layer{index + 1}.{name}")) is not None:
                    spread(matrix[0], z.detach(), context.detach())
        return case

    def gates(case: Case) -> list[Tensor]:
        here = case.fixation[:, 0] > 0
        apart = here if rule.negatives == "batch" else ~here
        named = [item for o in case.updates()[1] for item in o.third.signals.items()]
        return [gate[0, here if name.startswith("gate_positive") else apart] for name, gate in named]

    case = first_mixed(make, gates) if rule.f == "hinge" else make(0)
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]
    top = case.responses(weights)[-1][1]

    def loss(z: Tensor, c: Tensor, index: int) -> Tensor:
        own = circuits(case, weights, index)
        used = [(own[k], x) for k, x in (("B", c), ("B_top", top)) if k in own]
        return sum(losses.clapp_pp(z, x, y, matrix, rule.f, rule.negatives) for matrix, x in used)

    if rule.f == "hinge":
        for gate in gates(case):
            assert_mixed(gate)
    total = total_loss(case, weights, loss)
    assert len(found) == case.depth * (3 if rule.feedback == "both" else 2)
    assert_equal_to_gradient(found, total, weights)
    torch.testing.assert_close(shown(seen).sum(), total.detach())


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("summary", ["flat", "mean"])
@pytest.mark.parametrize("sides", ["current", "both"])
@pytest.mark.parametrize("negatives", [1, 5, 23])
def test_infonce(negatives: int, sides: str, summary: str, topology: str) -> None:
    rule = InfoNCE(negatives=negatives, sides=sides, summary=summary, temperature=0.5)
    case = Case(rule, LATERAL[topology], "tanh")
    for name, matrix in case.parameters.items():
        if name.endswith(".B"):
            matrix *= 10
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]

    def loss(z: Tensor, c: Tensor, index: int) -> Tensor:
        return losses.infonce(z, c, y, circuits(case, weights, index)["B"], negatives, 0.5)

    total = total_loss(case, weights, loss)
    assert len(found) == 2 * case.depth
    assert_equal_to_gradient(found, total, weights)
    torch.testing.assert_close(shown(seen).sum(), total.detach())


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("summary", ["flat", "mean"])
@pytest.mark.parametrize("sides", ["current", "both"])
def test_simclr(sides: str, summary: str, topology: str) -> None:
    case = Case(SimCLR(sides=sides, summary=summary), LATERAL[topology], "relu")
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]
    total = total_loss(case, weights, lambda z, c, _: losses.nt_xent(z, c, y, 0.2))
    for observation in seen:
        assert_mixed(observation.response.post)
    assert_equal_to_gradient(found, total, weights)
    torch.testing.assert_close(shown(seen).sum(), total.detach())


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("fixations", ["all", "some"])
@pytest.mark.parametrize("summary", ["flat", "mean"])
@pytest.mark.parametrize("sides", ["current", "both"])
@pytest.mark.parametrize("rule", [LPL, VICReg, BarlowTwins])
def test_rules_of_batch_statistics(rule, sides: str, summary: str, fixations: str, topology: str) -> None:
    def make(seed: int) -> Case:
        case = Case(rule(sides=sides, summary=summary), LATERAL[topology], "relu", seed)
        if fixations == "all":
            case.fixation[:] = 1
        for index in range(case.depth if rule is VICReg else 0):  # deviations below and above 1
            z = case.responses(case.weights())[index][0].detach()
            case.parameters[f"layer{index + 1}.weight"] /= z.std(0).median()
        return case

    def gates(case: Case) -> list[Tensor]:
        return [(z.std(0) < 1).double() for z, _ in case.responses(case.weights())]

    case = first_mixed(make, gates) if rule is VICReg else make(0)
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]
    loss = {LPL: losses.lpl, VICReg: losses.vicreg, BarlowTwins: losses.barlow}[rule]
    if rule is VICReg:
        for gate in gates(case):
            assert_mixed(gate)
    total = total_loss(case, weights, lambda z, c, _: loss(z, c, y))
    assert len(found) == case.depth
    assert_equal_to_gradient(found, total, weights)
    torch.testing.assert_close(shown(seen).sum() / len(y), total.detach())


def test_barlow_with_frozen_statistics_is_another_rule() -> None:
    """Leaving the self-term out points elsewhere: the update must not be that gradient."""
    case = Case(BarlowTwins(), NETWORKS["dense"], "relu")
    found, _ = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]
    frozen = total_loss(case, weights, lambda z, c, _: losses.barlow(z, c, y, frozen=True))
    for index, gradient in enumerate(torch.autograd.grad(frozen, case.layers(weights))):
        update = -found[f"layer{index + 1}.weight"]
        cosine = torch.nn.functional.cosine_similarity(gradient.flatten(), update.flatten(), dim=0)
        assert cosine < 0.95, f"layer {index + 1}: cosine {cosine:.3f} to the gradient with frozen statistics"


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("similarity", ["cosine", "squared"])
@pytest.mark.parametrize("summary", ["flat", "mean"])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("sides", ["current", "both"])
def test_simsiam(sides: str, centred: bool, summary: str, similarity: str, topology: str) -> None:
    rule = SimSiam(sides=sides, summary=summary, similarity=similarity, centred=centred)
    case = Case(rule, LATERAL[topology], "relu")
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]

    def loss(z: Tensor, c: Tensor, index: int) -> Tensor:
        predictor = circuits(case, weights, index)["P"]
        return losses.simsiam(z, c, y, predictor, similarity, centred, both=sides == "both")

    total = total_loss(case, weights, loss)
    assert len(found) == 2 * case.depth
    assert_equal_to_gradient(found, total, weights)
    torch.testing.assert_close(shown(seen).sum(), total.detach())


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("summary", ["flat", "mean"])
def test_espp(summary: str, topology: str) -> None:
    def make(seed: int) -> Case:
        """With the overlaps of every layer brought to about 0.05 per neuron."""
        case = Case(rule, LATERAL[topology], "relu", seed)
        for index in range(case.depth):
            z, c = (x.detach() for x in case.responses(case.weights())[index])
            overlap = (z * c / c.sum(1, keepdim=True)).sum(1).median()
            case.parameters[f"layer{index + 1}.weight"] *= 0.05 * z.shape[1] / overlap
        return case

    rule = ESPP(summary=summary, c_fixation=0.055, c_saccade=0.045)

    def gates(case: Case) -> list[Tensor]:
        return [o.third.current.gate for o in case.updates()[1]]

    case = first_mixed(make, gates)
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]

    def loss(z: Tensor, c: Tensor, index: int) -> Tensor:
        total, gate = losses.espp(z, c, y, 0.055, 0.045)
        assert_mixed(gate)
        assert torch.equal(gate.double(), seen[index].third.current.gate[0, :, 0].abs())
        return total

    assert_equal_to_gradient(found, total_loss(case, weights, loss), weights)


@pytest.mark.parametrize("topology", LATERAL)
@pytest.mark.parametrize("summary", ["flat", "mean"])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("name", ["ff", "scff"])
def test_forward_forward(name: str, temperature: float, summary: str, topology: str) -> None:
    rule: Rule = ForwardForward(summary=summary, threshold=0.8, temperature=temperature)
    if name == "scff":
        numbers = {"threshold_fixation": 1.1, "threshold_saccade": 0.7, "goodness_cost": 0.3}
        rule = SCFF(summary=summary, temperature=temperature, **numbers)
    case = Case(rule, LATERAL[topology], "relu")
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]

    def loss(z: Tensor, c: Tensor, index: int) -> Tensor:
        if name == "scff":
            return losses.scff(z, y, 1.1, 0.7, temperature, 0.3)
        return losses.forward_forward(z, y, 0.8, temperature)

    total = total_loss(case, weights, loss)
    assert_equal_to_gradient(found, total, weights)
    torch.testing.assert_close(shown(seen).sum(), total.detach())
    for observation in seen[name == "scff" :]:  # the layers read a direction: every patch has a root mean square of 1
        pre = observation.response.eligibility.pre
        mean = pre.square().mean((-1, -2) if topology.startswith("convolution") else -1)
        torch.testing.assert_close(mean, torch.ones_like(mean))


@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize("negatives", ["batch", "saccade"])
@pytest.mark.parametrize("f", ["hinge", "softplus"])
def test_bp_clapp_pp_is_end_to_end(f: str, negatives: str, topology: str) -> None:
    case = Case(BPCLAPPpp(f=f, negatives=negatives), NETWORKS[topology], "relu")
    z, c = case.responses(case.weights())[-1]
    matrix = case.parameters[f"layer{case.depth}.B"]
    spread(matrix[0], z.detach(), c.detach())
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]
    z, c = case.responses(weights, cut=False)[-1]
    if f == "hinge":
        assert_mixed(seen[-1].third.signals["gate_positive"][0, y > 0])
    assert len(found) == case.depth + 1
    loss = losses.clapp_pp(z, c, y, weights[f"layer{case.depth}.B"], f, negatives)
    assert_equal_to_gradient(found, loss, weights)


@pytest.mark.parametrize("topology", NETWORKS)
@pytest.mark.parametrize("mask", ["sample", "batch", "none"])
@pytest.mark.parametrize("sides", ["current", "both"])
@pytest.mark.parametrize("negatives", [1, 7])
def test_bp_infonce_is_end_to_end(negatives: int, sides: str, mask: str, topology: str) -> None:
    """With sides=both through both stimuli: the gradient of the loss in which nothing is held fixed."""
    case = Case(BPInfoNCE(negatives=negatives, sides=sides, mask=mask), NETWORKS[topology], "relu")
    case.parameters[f"layer{case.depth}.B"] *= 10
    found, seen = case.updates()
    weights, y = case.weights(), case.fixation[:, 0]
    z, c = case.responses(weights, cut=False, rho=lambda a: MaskedReLU.apply(a, mask))[-1]
    credited = c if sides == "both" else c.detach()
    loss = losses.infonce(z, credited, y, weights[f"layer{case.depth}.B"], negatives, 1.0)
    assert len(found) == case.depth + 1
    for observation in seen:
        assert_mixed(observation.response.post)
        assert_mixed(observation.response.before.post)
    assert_equal_to_gradient(found, loss, weights)
    torch.testing.assert_close(seen[-1].third.loss.sum(), loss.detach())
    other = case.updates(replace(case.rule, sides="current" if sides == "both" else "both"))[0]
    for index in range(case.depth):
        assert (found[f"layer{index + 1}.weight"] - other[f"layer{index + 1}.weight"]).norm() > 1e-3


def test_bp_infonce_credits_what_it_held() -> None:
    """Two stimuli in a row, nothing learned in between: as when the first is computed again."""
    case = Case(BPInfoNCE(negatives=3, sides="both"), NETWORKS["convolution"], "relu")
    again, _ = case.updates()
    found: dict[str, Tensor] = {}

    def collect(name: str, weight: Tensor, update: Update, state: object) -> None:
        found[name] = update.value()[0].clone()

    learner = Learner(case.network, case.rule, case.parameters, collect, case.plastic)
    simulator = RateSimulator(case.network, case.rule, case.activation)
    for inputs in (case.before, case.inputs):
        learner.learn(simulator.respond(case.parameters, inputs[None]), case.fixation[None], case.target[None])
    assert found.keys() == again.keys()
    for name, update in found.items():
        torch.testing.assert_close(update, again[name], rtol=1e-10, atol=1e-12)
    for layer, held in zip(case.network.layers, learner.held, strict=True):  # and through a checkpoint
        restored = Previous.restored(layer, held.tensors()).tensors()
        assert {"context", "post_factor", "post", "pre"} <= restored.keys() == held.tensors().keys()
        assert all((value == restored[name]).all() for name, value in held.tensors().items())


def written_out(rule: Rule, z: Tensor, c: Tensor, y: Tensor, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The signals that a rule shows of a layer, from its responses (batch, units)."""
    here = y > 0
    correlations = torch.stack([z[here], c[here]]).transpose(1, 2)  # (view, units, pairs)
    scale = torch.sqrt(correlations.var(2, correction=0, keepdim=True) + 1e-5)
    normalised = (correlations - correlations.mean(2, keepdim=True)) / scale
    return {
        "infonce": lambda: {"score": losses.bilinear(z, weights["B"], c) / 0.5},
        "clapp": lambda: {"score": losses.bilinear(z, weights["W_pred"], c)},
        "simclr": lambda: {"cosine": torch.nn.functional.cosine_similarity(z, c)},
        "barlow": lambda: {"correlation": normalised.prod(0).mean(1)},
        "lpl": lambda: {"variance": z.var(0)},
        "ff": lambda: {"goodness": z.square().mean(1)},
        "espp": lambda: {"overlap": (z * c).sum(1) / c.sum(1)},
    }[rule.name]()


@pytest.mark.parametrize(
    "rule", [CLAPP(), InfoNCE(temperature=0.5), SimCLR(), BarlowTwins(), LPL(), ForwardForward(), ESPP()],
    ids=lambda r: r.name,
)  # fmt: skip
def test_what_a_rule_shows_is_what_its_name_says(rule: Rule) -> None:
    case = Case(rule, NETWORKS["tree-shared"])
    _, seen = case.updates()
    weights, y = case.parameters, case.fixation[:, 0]
    for index, (observation, (z, c)) in enumerate(zip(seen, case.responses(case.weights()), strict=True)):
        own = {k: v[0] for k, v in circuits(case, weights, index).items()}
        expected = written_out(rule, z.detach(), c.detach(), y, own)
        assert observation.third.signals.keys() == expected.keys()
        for name, value in expected.items():
            found = observation.third.signals[name].flatten()
            assert value.std() > 1e-3 * value.abs().mean(), "one number stands for another"
            torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-9)
    if rule.name == "espp":
        torch.testing.assert_close(observation.third.loss.flatten(), -y * value)


@pytest.mark.parametrize("topology", NETWORKS)
def test_last_layer_is_backpropagation_at_the_top_and_nothing_below(topology: str) -> None:
    case = Case(LastLayer(), NETWORKS[topology], "relu")
    found, _ = case.updates()
    weights = case.weights()
    top = case.responses(weights)[-1][0]
    loss = torch.nn.functional.cross_entropy(top @ weights["readout.weight"].T, case.labels, reduction="sum")
    learned = {k: found[k] for k in (f"layer{case.depth}.weight", "readout.weight")}
    assert_equal_to_gradient(learned, loss, weights)
    assert all((update == 0).all() for name, update in found.items() if name not in learned)
    assert len(found) == case.depth + 1


ALL: list[Rule] = [
    CLAPPpp(feedback="both"),
    CLAPPpp(f="softplus", negatives="saccade"),
    InfoNCE(sides="both", negatives=3),
    SimCLR(),
    LPL(),
    VICReg(),
    BarlowTwins(),
    SimSiam(),
    SimSiam(sides="current", similarity="squared"),
    ESPP(),
    ForwardForward(),
    SCFF(),
    BPCLAPPpp(),
    BPInfoNCE(),
    LastLayer(),
]


@pytest.mark.parametrize("rule", ALL, ids=str)
def test_the_same_lines_run_on_numpy(rule: Rule) -> None:
    assert_same_on_numpy(rule, Case(rule, NETWORKS["tree-shared"]))


def two_streams(rule: Rule, weight: float = 0.5) -> tuple[dict[str, float], dict[str, float]]:
    """One synapse, two streams at a fixation: c = weight · (2, 4), z = weight · (1, 3), circuits at 0.8.

    Returns all updates and the readings as plain numbers.
    """
    case = Case(rule, dense(1, (1,), 2), "linear", batch=2)
    case.parameters["layer1.weight"][0] = weight
    for name in ("B", "P"):
        if f"layer1.{name}" in case.parameters:
            case.parameters[f"layer1.{name}"][0] = 0.8
    case.before = torch.tensor([[2.0], [4.0]], dtype=torch.float64)
    case.inputs = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    case.fixation[:] = 1
    found, _ = case.updates()
    return {k: float(v) for k, v in found.items()}, {"z0": weight, "z1": 3 * weight, "c0": 2 * weight, "c1": 4 * weight}


def test_one_synapse_of_clapp_pp_by_hand() -> None:
    found, v = two_streams(CLAPPpp())
    # positives: stream 0 has u = .8·.5·1 = .4, open; stream 1 has .8·1.5·2 = 2.4, shut
    # negatives: stream 0 sees z1, 1 + .8·1.5·1, open; stream 1 sees z0, 1 + .8·.5·2, open
    by_hand = 0.8 * v["c0"] * 1.0 - 0.8 * v["c0"] * 3.0 - 0.8 * v["c1"] * 1.0
    assert_by_hand(found["layer1.weight"], by_hand)
    assert_by_hand(found["layer1.B"], v["z0"] * v["c0"] - v["z1"] * v["c0"] - v["z0"] * v["c1"])


def test_one_synapse_of_infonce_by_hand() -> None:
    found, v = two_streams(InfoNCE(negatives=1))
    # one negative: p of the negative = σ(u₋ − u₊)
    wrong0 = 1 / (1 + math.exp(0.8 * v["c0"] * (v["z0"] - v["z1"])))
    wrong1 = 1 / (1 + math.exp(0.8 * v["c1"] * (v["z1"] - v["z0"])))
    by_hand = wrong0 * 0.8 * v["c0"] * (1.0 - 3.0) + wrong1 * 0.8 * v["c1"] * (3.0 - 1.0)
    assert_by_hand(found["layer1.weight"], by_hand)
    by_hand = wrong0 * v["c0"] * (v["z0"] - v["z1"]) + wrong1 * v["c1"] * (v["z1"] - v["z0"])
    assert_by_hand(found["layer1.B"], by_hand)


def test_one_synapse_of_the_statistics_rules_by_hand() -> None:
    variance, mean, pre_mean = (1.5 - 0.5) ** 2 / 2, 1.0, 2.0  # of z = .5, 1.5; x = 1, 3
    found, v = two_streams(LPL(sides="current"))
    pull = -2 / 2 * ((v["z0"] - v["c0"]) * 1.0 + (v["z1"] - v["c1"]) * 3.0)
    push = ((0.5 - mean) * 1.0 + (1.5 - mean) * 3.0) / (variance + 1e-4)
    assert_by_hand(found["layer1.weight"], pull + push)
    found, _ = two_streams(VICReg(sides="current"))
    sigma = math.sqrt(variance + 1e-4)
    push = ((0.5 - mean) * 1.0 + (1.5 - mean) * 3.0) / (2 * sigma)
    assert_by_hand(found["layer1.weight"], 25 * pull + 25 * push)
    found, _ = two_streams(BarlowTwins(sides="current"))
    sigma, sigma_c = math.sqrt(0.25 + 1e-5), math.sqrt(1.0 * 0.25 + 1e-5)  # biased variances of z and c
    z_hat, c_hat = 0.5 / sigma, 0.5 / sigma_c
    correlation = z_hat * c_hat
    g = 2 / 2 * (1 - correlation) * c_hat  # of stream 1; stream 0 has the opposite
    own = g * z_hat
    dendrite = (g - z_hat * own) / sigma
    assert_by_hand(found["layer1.weight"], dendrite * 3.0 - dendrite * 1.0, 1e-9)
    assert pre_mean == 2.0


def test_one_synapse_of_simsiam_and_goodness_by_hand() -> None:
    found, v = two_streams(SimSiam(sides="current", similarity="squared", centred=False))
    h0, h1 = v["c0"] - 0.8 * v["z0"], v["c1"] - 0.8 * v["z1"]
    assert_by_hand(found["layer1.weight"], 0.8 * (h0 * 1.0 + h1 * 3.0))
    assert_by_hand(found["layer1.P"], h0 * v["z0"] + h1 * v["z1"])
    found, _ = two_streams(ForwardForward(temperature=1.0))  # inputs have RMS 1: x = 1, z = .5 in both streams
    gate = 1 / (1 + math.exp(0.25 - 1.0))
    assert_by_hand(found["layer1.weight"], 2 * gate * 2 * 0.5 * 1.0)


def test_one_synapse_of_scff_by_hand() -> None:
    """What two inputs add up to, (4, 2), as a pair of one object and of two."""
    rule = SCFF(threshold_fixation=3.0, threshold_saccade=0.1, temperature=0.5, goodness_cost=0.3)
    case = Case(rule, dense(2, (1,), 2), "relu", batch=1)
    case.parameters["layer1.weight"][0] = torch.tensor([[0.5, -0.25]])
    case.inputs = torch.tensor([[4.0, 2.0]], dtype=torch.float64)
    z = 0.5 * 4 - 0.25 * 2  # G = 2.25
    right = 1 / (1 + math.exp((2.25 - 3.0) / 0.5)) / 0.5 - 0.3  # how much activity a pair that belongs together lacks
    wrong = 1 / (1 + math.exp(-(2.25 - 0.1) / 0.5)) / 0.5  # how active it is for one that does not
    for y, gate in ((1, right), (-1, -wrong)):
        case.fixation[:] = y
        found, _ = case.updates()
        for index, x in enumerate((4.0, 2.0)):
            assert_by_hand(found["layer1.weight"][0, index], gate * 2 * z * x)


def two_layers(rule: Rule) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Two neurons in a row, W_1 = 0.5, W_2 = 0.75, B = 0.8, two streams at a fixation: the updates, and z and c
    of the top for both streams."""
    case = Case(rule, dense(1, (1, 1), 2), "relu", batch=2)
    for name, value in (("layer1.weight", 0.5), ("layer2.weight", 0.75), ("layer2.B", 0.8)):
        case.parameters[name][0] = value
    case.before = torch.tensor([[2.0], [4.0]], dtype=torch.float64)
    case.inputs = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    case.fixation[:] = 1
    found, _ = case.updates()
    return found, {"z0": 0.375, "z1": 1.125, "c0": 0.75, "c1": 1.5}


def test_one_synapse_of_the_references_by_hand() -> None:
    found, v = two_layers(BPCLAPPpp())
    # .8 z0 c0 = .225 and .8 z0 c1, .8 z1 c0 are open; .8 z1 c1 = 1.35 is shut
    top0 = 0.8 * v["c0"] - 0.8 * v["c1"]  # stream 0: true for its own context, false for that of stream 1
    top1 = -0.8 * v["c0"]
    assert_by_hand(found["layer2.weight"], top0 * 0.5 * 1.0 + top1 * 0.5 * 3.0)
    assert_by_hand(found["layer1.weight"], 0.75 * (top0 * 1.0 + top1 * 3.0))
    found, v = two_layers(BPInfoNCE(negatives=1))
    wrong0 = 1 / (1 + math.exp(0.8 * v["c0"] * (v["z0"] - v["z1"])))
    wrong1 = 1 / (1 + math.exp(0.8 * v["c1"] * (v["z1"] - v["z0"])))
    top0 = 0.8 * (wrong0 * v["c0"] - wrong1 * v["c1"])
    assert_by_hand(found["layer2.weight"], top0 * 0.5 * (1.0 - 3.0))
    assert_by_hand(found["layer1.weight"], 0.75 * top0 * (1.0 - 3.0))
    found, v = two_layers(BPInfoNCE(negatives=1, sides="both"))  # x before was 2 and 4
    now = top0 * 0.5 * (1.0 - 3.0)
    before = 0.8 * (v["z0"] - v["z1"]) * 0.5 * (wrong0 * 2.0 - wrong1 * 4.0)
    assert_by_hand(found["layer2.weight"], now + before)
    assert_by_hand(found["layer1.weight"], 0.75 * (now + before) / 0.5)


def test_one_synapse_of_espp_by_hand() -> None:
    """One neuron, whose echo is 1: at a fixation z = .5 and 1.5 are below c N = .6 and above, at a saccade too."""
    rule = ESPP(c_fixation=0.6, c_saccade=0.6)
    case = Case(rule, dense(1, (1,), 2), "linear", batch=4)
    case.parameters["layer1.weight"][0] = 0.5
    case.before = torch.tensor([[2.0], [4.0], [2.0], [4.0]], dtype=torch.float64)
    case.inputs = torch.tensor([[1.0], [3.0], [1.0], [3.0]], dtype=torch.float64)
    case.fixation = torch.tensor([[1.0], [1.0], [-1.0], [-1.0]], dtype=torch.float64)
    assert_by_hand(case.updates()[0]["layer1.weight"], 1.0 - 3.0)  # the second and the third have passed


@pytest.mark.parametrize("memory", [False, True])
def test_a_silent_response_has_no_direction_to_turn(memory: bool) -> None:
    """SimCLR: its update is 0, all others' are the gradient with a silent ẑ of 0."""
    draw = torch.Generator().manual_seed(0)
    views = torch.rand(2 * BATCH, 7, generator=draw, dtype=torch.float64)
    views[3] = 0
    keys = torch.rand(BATCH, 4, 7, generator=draw, dtype=torch.float64) if memory else None
    rule = SimCLR(negatives_from="memory", slots=4) if memory else SimCLR()
    y = torch.ones(BATCH, 1, dtype=torch.float64)
    filled = None if keys is None else torch.ones(BATCH, 4, dtype=torch.float64)
    remembered = {} if keys is None else {"memory.responses": keys, "memory.filled": filled}
    third, _ = rule.third_factor(Signals(views[:BATCH], views[BATCH:], y), remembered, {})
    assert third.context is not None
    found = torch.cat([third.current.value, third.context.value])

    leaf = views.clone().requires_grad_()
    loud = views.norm(dim=1) > 0
    unit = torch.zeros_like(views).index_put((loud,), leaf[loud] / leaf[loud].norm(dim=1, keepdim=True))
    loss = torch.zeros(())
    for a in range(2 * BATCH):
        other = unit[(a + BATCH) % (2 * BATCH)]
        if keys is None:
            candidates = torch.cat(
                [other[None], unit[[n for n in range(2 * BATCH) if n not in (a, (a + BATCH) % (2 * BATCH))]]]
            )
        else:
            remembered = keys[a % BATCH] / keys[a % BATCH].norm(dim=1, keepdim=True)
            candidates = torch.cat([other.detach()[None], remembered])
        loss = loss - torch.log_softmax(candidates @ unit[a] / rule.temperature, 0)[0]
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert not found[3].any()
    torch.testing.assert_close(found, -gradient, rtol=1e-9, atol=1e-12)
    assert found[loud].norm(dim=1).min() > 1e-3


def test_a_silent_response_teaches_the_predictor_nothing() -> None:
    """SimSiam: with a silent stream it is told what it is told without that stream."""
    draw = torch.Generator().manual_seed(0)
    z, c = torch.rand(2, BATCH, 7, generator=draw, dtype=torch.float64)
    z[2] = 0
    predictor = {"P": torch.randn(7, 7, generator=draw, dtype=torch.float64)}
    rule, rest = SimSiam(sides="current", centred=False), [b for b in range(BATCH) if b != 2]
    y = torch.ones(BATCH, 1, dtype=torch.float64)
    third, without = (rule.third_factor(Signals(z[b], c[b], y[b]), {}, predictor)[0] for b in (slice(None), rest))
    told, expected = (
        torch.einsum("bi,bj->ij", one.learn["P"].modulator * one.learn["P"].post, one.learn["P"].pre)
        for one in (third, without)
    )
    torch.testing.assert_close(told, expected, rtol=1e-10, atol=1e-12)
    assert not third.learn["P"].post[2].any()
    assert not third.current.value[2].any()
    torch.testing.assert_close(third.current.value[rest], without.current.value)


def test_one_synapse_of_simclr_by_hand() -> None:
    """Two neurons on a circle; the neuron's own gradient from angles."""
    case = Case(SimCLR(sides="current", temperature=1.0), dense(2, (2,), 2), "linear", batch=1)
    case.parameters["layer1.weight"][0] = torch.eye(2)
    case.before = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    case.inputs = torch.tensor([[0.0, 2.0]], dtype=torch.float64)
    case.fixation[:] = 1
    found, _ = case.updates()
    assert found["layer1.weight"].abs().sum() == 0  # a pair without others is sure already
    case = Case(SimCLR(sides="current", temperature=1.0), dense(2, (2,), 2), "linear", batch=2)
    case.parameters["layer1.weight"][0] = torch.eye(2)
    case.before = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    case.inputs = torch.tensor([[0.0, 2.0], [0.0, 2.0]], dtype=torch.float64)
    case.fixation = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    found, _ = case.updates()
    # anchor z_0 = (0, 1): its pair c_0 and c_1 at (1, 0), z_1 at (0, 1): weights e⁰, e⁰, e¹
    e = math.e
    p_pair, p_c1 = 1 / (2 + e), 1 / (2 + e)
    # anchor c_0 = (1, 0): its pair z_0 and z_1 at (0, 1), c_1 at (1, 0): weights e⁰, e⁰, e¹
    q_pair, q_z1 = 1 / (2 + e), 1 / (2 + e)
    # first neuron of z_0: Σ (M_an + M_na) ẑ_n,1, divided by ‖z_0‖ = 2; x_2 = 2
    by_hand = ((1 - p_pair) * 1 + (0 - p_c1) * 1 + (1 - q_pair) * 1) / 2 * 2.0
    # first neuron of z_1: as candidate of c_0
    by_hand += (0 - q_z1) * 1 / 2 * 2.0
    assert_by_hand(float(found["layer1.weight"][0, 1]), by_hand)


def test_impossible_options_are_refused() -> None:
    for make in (
        lambda: CLAPPpp(f="wrong"),
        lambda: CLAPPpp(feedback="wrong"),
        lambda: InfoNCE(negatives=0),
        lambda: InfoNCE(negatives_from="wrong"),
        lambda: SimCLR(temperature=0.0),
        lambda: SimCLR(negatives_from="wrong"),
        lambda: SimSiam(similarity="wrong"),
        lambda: ESPP(sides="both"),
    ):
        with pytest.raises(PlasticError):
            make()


def test_a_batch_of_one_has_no_statistics() -> None:
    assert "raise --batch" in (refusal(LPL(), "rate", streams=1) or "")
    assert refusal(LPL(), "rate", streams=2) is None

"""What the gradient tests share: a case drawn in float64, the Learner's updates, autograd's beside them.

The forward pass here is written apart from the simulators, with torch's autograd.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.learner import Learner, Observation
from plastic.models.network.convolution import Convolution
from plastic.models.network.layer import Network, dense, tree
from plastic.models.network.outer import Update
from plastic.models.network.parameters import he_std, initial_parameters, specification
from plastic.rules import Rule, Signals
from plastic.rules.returned import keeps_state, third_factor_of
from plastic.rules.rule import Modulator, ThirdFactor

BATCH, CLASSES = 24, 5
LOWER = 0.3  # of a standard deviation: mean weight of layers that pool, for units that are partly shut
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu, "tanh": torch.tanh, "linear": lambda a: a}


def images(whole_circuit: bool) -> Network:
    """Maps of 6 × 6, pooled to 3 × 3, pooled to 1 × 1 with a remainder."""
    common = {"kernel": 3, "whole_circuit": whole_circuit}
    layers = (
        Convolution(36, 2 * 9, 4, side=6, channels=2, cells=2, **common),
        Convolution(9, 4 * 9, 5, side=6, channels=4, pool=2, cells=1, **common),
        Convolution(1, 5 * 9, 8, side=3, channels=5, pool=2, cells=1, **common),
    )
    return Network(72, layers, CLASSES)


NETWORKS = {
    "dense": dense(12, (10, 9, 8), CLASSES),
    "tree-shared": tree(8, 3, 2, (7, 6, 5), CLASSES, shared=True),
    "tree-local": tree(8, 3, 2, (7, 6), CLASSES, shared=False),
    "convolution": images(whole_circuit=True),
}
LATERAL = NETWORKS | {"convolution-grid": images(whole_circuit=False)}  # for rules whose circuit is the layer's own


class MaskedReLU(torch.autograd.Function):
    """ReLU whose backward pass multiplies by its derivative, the batch mean of that, or one."""

    @staticmethod
    def forward(ctx, a: Tensor, mask: str) -> Tensor:
        ctx.mask = mask
        ctx.save_for_backward(a)
        return a.clamp(min=0)

    @staticmethod
    def backward(ctx, grad: Tensor):
        derivative = (ctx.saved_tensors[0] > 0).double()
        factor = {"sample": derivative, "batch": derivative.mean(0, keepdim=True), "none": 1.0}[ctx.mask]
        return grad * factor, None


def project(layer, weight: Tensor, x: Tensor, real: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """W x of one layer, the largest of each window where it pools: (batch, positions, neurons).

    `real`: weights and input of the pass that says which is the largest, where that is another one.
    """
    if isinstance(layer, Convolution):
        drive = convolve(layer, weight, x)
        _, largest = F.max_pool2d(convolve(layer, *(real or (weight, x))), layer.pool, return_indices=True)
        return drive.flatten(2).gather(2, largest.flatten(2)).movedim(1, 2)
    patches = x.reshape(len(x), layer.positions, layer.fan_in)
    return torch.einsum("bpk,nk->bpn" if layer.shared else "bpk,pnk->bpn", patches, weight)


def convolve(layer: Convolution, weight: Tensor, x: Tensor) -> Tensor:
    """(batch, neurons, row, column), before pooling."""
    image = x.reshape(len(x), layer.side, layer.side, layer.channels).movedim(3, 1)
    kernel = weight.reshape(layer.neurons, layer.kernel, layer.kernel, layer.channels).movedim(3, 1)
    return F.conv2d(image, kernel, padding=layer.kernel // 2)


def summary_of(layer, z: Tensor, kind: str) -> Tensor:
    """What a circuit sees of z (batch, positions, neurons)."""
    if kind == "mean":
        return z.mean(1)
    if isinstance(layer, Convolution) and not layer.whole_circuit:
        side = layer.side // layer.pool
        maps = z.reshape(len(z), side, side, layer.neurons).movedim(3, 1)
        return F.avg_pool2d(maps, side // layer.cells).movedim(1, 3).flatten(1)
    return z.flatten(1)


def forward(
    network: Network, weights: list[Tensor], x: Tensor, rho, cut: bool, unit_rms: bool = False, pairs: bool = False
) -> list:
    """Layer outputs (batch, positions, neurons) for one member; `cut` detaches every layer's input. Inputs that are
    `pairs` were normalised before they were added up."""
    outputs: list[Tensor] = []
    for layer, weight in zip(network.layers, weights, strict=True):
        below = (x.detach() if cut else x).flatten(1)
        if unit_rms and not (pairs and not outputs):  # of every patch; of the whole map in convolutions
            below = below if isinstance(layer, Convolution) else below.reshape(len(x), layer.positions, layer.fan_in)
            below = below / below.norm(dim=-1, keepdim=True) * below.shape[-1] ** 0.5
        x = rho(project(layer, weight, below))
        outputs.append(x)
    return outputs


class Case:
    """A rule on a network with drawn weights, inputs, fixations and targets, all float64."""

    def __init__(self, rule: Rule, network: Network, activation: str = "relu", seed: int = 0, batch: int = BATCH):
        self.rule, self.network, self.activation = rule, network, activation
        specified = specification(network, rule, he_std(network))
        self.parameters = initial_parameters(specified, [seed], torch.float64, torch.device("cpu"))
        for index, (layer, std) in enumerate(zip(network.layers, he_std(network), strict=True)):
            if isinstance(layer, Convolution) and layer.pool > 1:  # the largest of a window is above zero too often
                self.parameters[f"layer{index + 1}.weight"] -= LOWER * std
        draw = torch.Generator().manual_seed(seed)
        randn = functools.partial(torch.randn, generator=draw, dtype=torch.float64)
        self.before, self.inputs = randn(batch, network.inputs), randn(batch, network.inputs)
        self.fixation = torch.randint(0, 2, (batch, 1), generator=draw).double() * 2 - 1
        self.labels = torch.randint(0, CLASSES, (batch,), generator=draw)
        self.target = torch.eye(CLASSES, dtype=torch.float64)[self.labels]
        self.plastic = frozenset(name for name, s in specified.items() if s.plastic)
        self.depth = len(network.layers)

    def weights(self) -> dict[str, Tensor]:
        """Leaf copies of all weights of the one member, for autograd."""
        return {k: v[0].clone().requires_grad_() for k, v in self.parameters.items()}

    def layers(self, weights: dict[str, Tensor]) -> list[Tensor]:
        return [weights[f"layer{i + 1}.weight"] for i in range(self.depth)]

    def responses(self, weights: dict[str, Tensor], cut: bool = True, rho=None) -> list[tuple[Tensor, Tensor]]:
        """Activity and context per layer as the circuit sees them: (batch, units) each."""
        rho = rho or ACTIVATIONS[self.activation]
        run = functools.partial(forward, self.network, self.layers(weights), rho=rho, cut=cut)
        shown = {"unit_rms": self.rule.reads.normalised_input, "pairs": self.rule.reads.presentation == "pair"}
        now, past = (run(x=x, **shown) for x in (self.inputs, self.before))
        layers = [*self.network.layers, *self.network.layers]
        seen = [summary_of(n, x, self.rule.summary) for n, x in zip(layers, (*now, *past), strict=True)]
        return list(zip(seen[: self.depth], seen[self.depth :], strict=True))

    def updates(self, rule: Rule | None = None) -> tuple[dict[str, Tensor], list[Observation]]:
        """What the Learner would add to each weight, and what it saw."""
        found: dict[str, Tensor] = {}
        seen: dict[int, Observation] = {}

        def collect(name: str, weight: Tensor, update: Update, state: object) -> None:
            found[name] = update.value()[0].clone()

        rule = rule or self.rule
        under_test(rule)
        learner = Learner(self.network, rule, self.parameters, collect, self.plastic)
        simulator = RateSimulator(self.network, rule, self.activation)
        responses = simulator.respond(self.parameters, self.inputs[None], self.before[None])
        learner.learn(responses, self.fixation[None], self.target[None], seen.__setitem__)
        return found, [seen[i] for i in range(self.depth)]


MEASURED: dict[str, dict[str, list[float]]] = {"autograd": {}, "by hand": {}}  # relative errors by rule
_now = [""]


def under_test(rule: Rule) -> None:
    """What is compared from here on is this rule's."""
    _now[0] = rule.name


def measured(kind: str, error: float) -> None:
    """Keep a relative error of the rule under test, for `pytest --measured FILE`."""
    MEASURED[kind].setdefault(_now[0], []).append(error)


def assert_equal_to_gradient(found: dict[str, Tensor], loss: Tensor, weights: dict[str, Tensor]) -> None:
    """found = −∂loss/∂weights to a relative error of 1e-8, for every weight that was updated."""
    names = sorted(found)
    for name, gradient in zip(names, torch.autograd.grad(loss, [weights[n] for n in names]), strict=True):
        assert gradient.norm() > 1e-6, f"{name}: nothing to compare"
        error = float((found[name] + gradient).norm() / gradient.norm())
        assert error < 1e-8, f"{name}: relative error {error:.2e}"
        measured("autograd", error)


def assert_by_hand(found: float | Tensor, expected: float, tolerance: float = 1e-12) -> None:
    """One synapse's update is the number that was worked out by hand."""
    error = abs(float(found) - expected) / (abs(expected) or 1.0)
    assert error <= tolerance, f"{float(found)} instead of {expected}"
    measured("by hand", error)


def assert_mixed(gate: Tensor) -> None:
    """20 to 80 % of the gates are open, so that the test sees both kinds."""
    opened = (gate != 0).double().mean()
    assert 0.2 <= opened <= 0.8, f"{opened:.2f} of the gates are open"


def first_mixed(make: Callable[[int], Case], gates: Callable[[Case], list[Tensor]]) -> Case:
    """The case of the first seed whose gates are 20 to 80 % open everywhere."""
    for seed in range(200):
        case = make(seed)
        if all(0.2 <= (gate != 0).double().mean() <= 0.8 for gate in gates(case)):
            return case
    raise AssertionError("no seed gives gates that are partly open and partly shut")


class Recorder:
    """Stands in for a rule and keeps what it was given and what it gave."""

    def __init__(self) -> None:
        self.calls: list[tuple[Signals, tuple[dict[str, Tensor], ...], ThirdFactor]] = []

    def of(self, rule: Rule) -> Rule:
        original, calls = type(rule).third_factor, self.calls

        def third_factor(self_, signals, *given):
            returned = original(self_, signals, *given)
            calls.append((signals, given, returned[0] if keeps_state(rule) else returned))
            return returned

        recorded = dataclasses.replace(rule)
        object.__setattr__(recorded, "third_factor", functools.partial(third_factor, recorded))
        return recorded


class NumpyAbove:
    """An Above on numpy arrays: what the torch one was asked for, by value."""

    def __init__(self, above) -> None:
        self.above, self.weight = above, above.weight.numpy()

    def down(self, weight=None):
        return self.above.down(None if weight is None else torch.as_tensor(weight)).numpy()

    def product(self, mask):
        return self.above.product(mask).numpy()


def to_numpy(value):
    """The same signals as numpy arrays."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, dict):
        return {k: to_numpy(v) for k, v in value.items()}
    if hasattr(value, "down"):
        return NumpyAbove(value)
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**{k: to_numpy(getattr(value, k)) for k in value.__dataclass_fields__})
    return value


def flat(third: ThirdFactor) -> dict[str, object]:
    """All numbers of a third factor, by name."""

    def modulator(name: str, m: Modulator | None) -> dict[str, object]:
        return {} if m is None else {f"{name}.gate": m.gate, f"{name}.dendrite": m.dendrite}

    numbers = modulator("current", third.current) | modulator("context", third.context)
    for name, product in third.learn.items():
        numbers |= {f"{name}.{k}": v for k, v in vars(product).items()}
    return numbers | ({} if third.loss is None else {"loss": third.loss}) | dict(third.signals)


def assert_same_on_numpy(rule: Rule, case: Case) -> None:
    """The rule's lines give the same third factor on numpy arrays as on torch tensors."""
    recorder = Recorder()
    case.updates(recorder.of(rule))
    assert len(recorder.calls) == case.depth
    for signals, given, third in recorder.calls:
        *state, weights = (to_numpy(dict(one)) for one in given)
        on_numpy = flat(third_factor_of(rule, to_numpy(signals), *(state or [{}]), weights)[0])
        on_torch = flat(third)
        assert on_numpy.keys() == on_torch.keys()
        for name, value in on_torch.items():
            assert not isinstance(on_numpy[name], Tensor), name
            np.testing.assert_allclose(on_numpy[name], np.asarray(value), rtol=1e-9, atol=1e-12, err_msg=name)

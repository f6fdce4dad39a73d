"""Rules in their published spiking forms: against autograd through time, and against loops over single numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.backends.refusals import refusal
from plastic.models.backends.snntorch.simulator import SnnTorchSimulator
from plastic.models.learning.learner import Learner
from plastic.models.network.layer import Network, dense
from plastic.models.network.parameters import initial_parameters, specification
from plastic.models.neuron.constants import SpikingStep, Traces
from plastic.models.studies.case import Case, case_task
from plastic.models.training.ensemble import Ensemble
from plastic.rules import ESPP, EProp, Rule, SpikingLPL
from plastic.rules.rule import LayerShape, Moment

pytestmark = pytest.mark.usefixtures("numpy_code")
TIME, BATCH, CLASSES = 25, 4, 3
NETWORK = dense(8, (7,), CLASSES)
SURROGATES = {
    "fast-sigmoid": lambda x, k: 1 / (1 + k * x.abs()) ** 2,
    "superspike": lambda x, k: 1 / (1 + k * x.abs()) ** 2,
    "triangular": lambda x, k: torch.relu(1 - k * x.abs()),
    "atan": lambda x, k: 1 / (1 + (k * x) ** 2),
}


class Spike(torch.autograd.Function):
    """Θ(u − θ), whose derivative is the surrogate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, surrogate: str, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.shape = (surrogate, slope)
        return (x > 0).to(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        surrogate, slope = ctx.shape
        return grad * SURROGATES[surrogate](ctx.saved_tensors[0], slope), None, None


def through_time(weight: Tensor, spikes: Tensor, step: SpikingStep) -> list[Tensor]:
    """Spikes of one layer in every step, for autograd; what the reset takes away is detached."""
    u, out = torch.zeros(spikes.shape[1], len(weight), dtype=torch.float64), []
    arriving = torch.cat([torch.zeros_like(spikes[:1]), spikes[:-1]])
    for x in arriving:
        u = step.membrane_decay * u + x @ weight.T
        s = Spike.apply(u - step.threshold, step.surrogate, step.slope)
        out.append(s)
        u = u - (u * s).detach()
    return out


def learned(
    rule: Rule, step: SpikingStep, seed: int = 0, stimuli: int = 1
) -> tuple[dict[str, Tensor], dict[str, Tensor], list[Tensor], Tensor, Tensor, Traces]:
    """What a learner on snnTorch's neurons would add after the last stimulus, and what it was given."""
    draw = np.random.default_rng(seed)
    parameters = initial_parameters(specification(NETWORK, rule, [0.9]), [seed], torch.float64, torch.device("cpu"))
    if "readout.weight" in parameters:
        parameters["readout.weight"] *= 10
    simulator, found = SnnTorchSimulator(NETWORK, rule, step), dict[str, Tensor]()
    learner = Learner(
        NETWORK, rule, parameters, lambda name, weight, update, state: found.__setitem__(name, update.value()[0]),
        frozenset(parameters), learning_period=step.learning_period,
    )  # fmt: skip
    shown = []
    for _ in range(stimuli):
        spikes = torch.as_tensor((draw.random((TIME, BATCH, 8)) < 0.4).astype(float))
        fixation = torch.as_tensor(np.where(draw.random((BATCH, 1)) < 0.5, 1.0, -1.0))
        target = torch.eye(CLASSES, dtype=torch.float64)[torch.as_tensor(draw.integers(0, CLASSES, BATCH))]
        traces: Traces = {}
        responses = list(simulator.respond(parameters, spikes[None], traces))
        learner.learn(responses, fixation[None], target[None])
        shown.append(spikes)
    return {k: v[0] for k, v in parameters.items()}, found, shown, fixation, target, traces


def error(found: Tensor, gradient: Tensor) -> float:
    assert gradient.norm() > 1e-3
    return float((found + gradient).norm() / gradient.norm())


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("leak", [0.0, 0.8])
def test_eprop_is_backpropagation_through_time_with_the_reset_detached(leak: float, surrogate: str) -> None:
    """Feed-forward LIF, symmetric feedback, an error in every step of a leaky readout."""
    step = SpikingStep(0.85, 0.85, 1.0, surrogate, 1.5)
    rule = EProp(learning_signal="step", feedback="symmetric", leak=leak)
    parameters, found, (spikes,), _, target, _ = learned(rule, step)
    weight, readout = (parameters[k].clone().requires_grad_() for k in ("layer1.weight", "readout.weight"))
    output, loss = torch.zeros(BATCH, CLASSES, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    fired = through_time(weight, spikes, step)
    for s in fired:
        output = leak * output + s @ readout.T
        loss = loss - (torch.log_softmax(output, 1) * target).sum()
    hidden, top = torch.autograd.grad(loss, [weight, readout])
    assert 0.05 < torch.stack(fired).mean() < 0.6
    assert error(found["layer1.weight"], hidden) < 1e-6
    assert error(found["readout.weight"], top) < 1e-6


def test_eprop_with_one_error_per_stimulus_is_it_too() -> None:
    """learning_signal = end: the loss is that of the spike counts per step, so the gradient is 1/T of the update."""
    step = SpikingStep(0.85, 0.85, 1.0, "fast-sigmoid", 1.5)
    parameters, found, (spikes,), _, target, _ = learned(EProp(feedback="symmetric"), step)
    weight = parameters["layer1.weight"].clone().requires_grad_()
    counts = torch.stack(through_time(weight, spikes, step)).mean(0)
    loss = -(torch.log_softmax(counts @ parameters["readout.weight"].T, 1) * target).sum()
    assert error(found["layer1.weight"] / TIME, torch.autograd.grad(loss, weight)[0]) < 1e-6


def test_the_detached_reset_and_the_decay_of_the_trace_matter() -> None:
    """Another trace decay than the membrane's is another gradient: the test above can fail."""
    rule = EProp(learning_signal="step", feedback="symmetric", leak=0.8)
    _, one, _, _, _, _ = learned(rule, SpikingStep(0.85, 0.85))
    _, other, _, _, _, _ = learned(rule, SpikingStep(0.85, 0.6))
    assert (one["layer1.weight"] - other["layer1.weight"]).norm() > 0.05 * one["layer1.weight"].norm()


def signals(traces: Traces) -> dict[str, np.ndarray]:
    """(time, batch, n) of the one layer."""
    (part,) = traces[0]
    names = ("pre_spike", "pre_trace", "post_factor", "spike")
    return {name: getattr(part, name)[0, :, :, 0].numpy() for name in names}


def test_espp_online_is_its_equation() -> None:
    """Gate of every step from its own spikes, by loops over steps, streams, neurons and inputs."""
    rule = ESPP(gate="online", threshold_fixation=0.35, threshold_saccade=0.1, input_threshold=0.3)
    step = SpikingStep(0.85, 0.7, learning_period=2)
    _, found, _, _, _, _ = learned(rule, step, stimuli=1)
    assert found["layer1.weight"].abs().max() == 0  # no echo yet
    _, _, _, _, _, before = learned(rule, step, stimuli=1)
    echoes = signals(before)["spike"].sum(0)
    _, found, _, fixation, _, traces = learned(rule, step, stimuli=2)
    now, expected, gates = signals(traces), np.zeros((7, 8)), []
    for b in range(BATCH):
        y, echo = float(fixation[b, 0]), echoes[b] / echoes[b].sum()
        c = rule.threshold_fixation if y > 0 else -rule.threshold_saccade
        for t in range(TIME):
            mean_input = sum(now["pre_spike"][t, b]) / 8
            loss = -y * sum(s * e for s, e in zip(now["spike"][t, b], echo, strict=True))
            gate = loss + c * mean_input > 1e-9 and mean_input > rule.input_threshold
            gates.append(gate)
            if gate and (t + 1) % 2 == 0:
                for i in range(7):
                    for j in range(8):
                        expected[i, j] += y * echo[i] * now["post_factor"][t, b, i] * now["pre_trace"][t, b, j]
    assert 0.1 < np.mean(gates) < 0.9
    np.testing.assert_allclose(found["layer1.weight"], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("pull_at", ["always", "fixations"])
def test_spiking_lpl_is_its_equation(pull_at: str, period: int) -> None:
    """Kernels written out and convolved, means by their definition, over two stimuli."""
    rule = SpikingLPL(delay=7, tau_mean=40.0, tau_variance=25.0, priming=10, pull_at=pull_at, delta=0.02, hebbian=0.1)
    step = SpikingStep(0.85, 0.85, learning_period=period)
    _, _, _, first_fixation, _, before = learned(rule, step, stimuli=1)
    _, found, _, fixation, _, traces = learned(rule, step, stimuli=2)
    spikes = np.concatenate([signals(before)["spike"], signals(traces)["spike"]])
    y = np.concatenate([np.tile(f[:, 0], (TIME, 1)) for f in (first_fixation.numpy(), fixation.numpy())])
    a, b = math.exp(-1 / 2), math.exp(-1 / 10)
    length = 2 * TIME

    def average(values: np.ndarray, tau: float) -> np.ndarray:
        """Of all values before each step, newest with the largest weight."""
        kept = math.exp(-1 / tau)
        result = np.zeros_like(values)
        for t in range(1, len(values)):
            weights = kept ** np.arange(t - 1, -1, -1)
            result[t] = np.tensordot(weights, values[:t], 1) / weights.sum()
        return result

    kernel = [(1 - a) * (1 - b) * sum(a**m * b ** (n - m) for m in range(n + 1)) for n in range(length)]
    mean = average(spikes, 40.0)
    variance = average((spikes - mean) ** 2, 25.0)
    delayed = np.concatenate([np.zeros_like(spikes[:7]), spikes[:-7]])
    pull = (spikes - delayed) * ((y > 0)[..., None] if pull_at == "fixations" else 1)
    bracket = -pull + 0.1 / (variance + rule.xi) * (spikes - mean) + 0.02
    g = np.stack([sum(kernel[n] * bracket[t - n] for n in range(t + 1)) for t in range(length)])[TIME:]
    now = signals(traces)
    clock = range(period - 1, TIME, period)
    expected = np.zeros((7, 8))
    steady = [
        (1 - a) * (1 - b) * sum(a ** (period * m) * b ** (period * (n - m)) for m in range(n + 1)) for n in range(TIME)
    ]
    for tick, t in enumerate(clock):
        grown = sum(
            steady[n] * np.einsum("bi,bj->bij", now["post_factor"][u], now["pre_trace"][u])
            for n, u in ((tick - k, clock[k]) for k in range(tick + 1))
        )
        expected += np.einsum("bi,bij->ij", g[t], grown)
    assert np.abs(expected).max() > 1e-3
    assert 0.05 < spikes.mean() < 0.6
    np.testing.assert_allclose(found["layer1.weight"], expected, rtol=1e-8, atol=1e-12)


def test_the_mean_rate_of_spiking_lpl_is_that_in_float32_too() -> None:
    """1 − exp(−1/600 000) has no digit left in float32; the debiased mean is the plain one at first."""
    rule, draw = SpikingLPL(), np.random.default_rng(0)
    spikes = (draw.random((40, 5)) < 0.3).astype(np.float32)
    one = np.ones((1, 1), dtype=np.float32)
    state = {name: np.zeros(shape, np.float32) for name, shape in rule.state(LayerShape(5, 1, (1, 5))).items()}
    for t, s in enumerate(spikes, 1):
        _, state = rule.step(Moment(s[None], one, s[None], one), state, {})
        assert state["mean"].dtype == np.float32
        np.testing.assert_allclose(state["mean"][0], spikes[:t].mean(0, dtype=np.float64), rtol=1e-4, atol=1e-5)


def test_nothing_is_learned_while_priming() -> None:
    assert learned(SpikingLPL(priming=10 * TIME), SpikingStep(), stimuli=3)[1]["layer1.weight"].abs().max() == 0


@pytest.mark.parametrize("backend", ["snntorch", "reference", "brian2"])
def test_what_the_steps_remember_is_part_of_the_checkpoint(backend: str) -> None:
    """Two runs of 6 stimuli are one of 12, and without the memory they are not."""
    if backend == "brian2":
        pytest.importorskip("brian2")
    settings = Case("lpl-spiking", (("priming", "20"),), streams=1).settings(backend, "float64")
    one, two, again, lost = (Ensemble(settings, [case_task(0)], [0], [0.5]) for _ in range(4))
    one.train(12)
    two.train(6)
    saved = two.snapshot()
    again.restore(saved)
    lost.restore({k: v for k, v in saved.items() if ".step." not in k})
    for ensemble in (again, lost):
        ensemble.train(6)
    assert all(torch.equal(again.parameters[k], v) for k, v in one.parameters.items())
    assert any(not torch.equal(lost.parameters[k], v) for k, v in one.parameters.items())


def test_long_stimuli_keep_their_factors() -> None:
    """Of a stepwise rule a stimulus is not cut into chunks: g is known at its end only."""
    network = Network(8, NETWORK.layers, CLASSES)
    rule = ESPP(gate="online")
    parameters = initial_parameters(specification(network, rule, [0.9]), [0], torch.float64, torch.device("cpu"))
    spikes = torch.as_tensor((np.random.default_rng(0).random((1, 150, 2, 8)) < 0.4).astype(float))
    (response,) = SnnTorchSimulator(network, rule).respond(parameters, spikes)
    assert response.trains is not None
    assert response.eligibility.post is not None
    assert response.eligibility.post.shape[1] == response.trains.spikes.shape[1] == 150


@pytest.mark.parametrize("rule", [EProp(learning_signal="step"), ESPP(gate="online"), SpikingLPL()])
def test_rates_have_no_steps(rule: Rule) -> None:
    assert "third factor in every time step" in (refusal(rule, "rate", 8) or "")
    for backend, streams in (("snntorch", 8), ("reference", 8), ("brian2", 1)):
        assert refusal(rule, backend, streams) is None
    settings = Case("espp", (("gate", "online"),)).settings("snntorch", "float64")
    settings = replace(settings, backend="rate", spiking=None)
    with pytest.raises(PlasticError, match="take --backend snntorch"):
        Ensemble(settings, [case_task(0)], [0], [0.1])


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: EProp(learning_signal="step", feedback="learned"), "learning_signal=end"),
        (lambda: EProp(leak=1.0), "below 1"),
        (lambda: ESPP(gate="sometimes"), "offline, online"),
        (lambda: ESPP(threshold_saccade=1.5), "threshold_saccade with gate=online only; gate=offline has c_fixation"),
        (lambda: ESPP(gate="online", c_fixation=1e-4), "c_fixation with gate=offline only; gate=online has threshold_"),
        (lambda: SpikingLPL(pull_at="noon"), "always, fixations"),
        (lambda: SpikingLPL(xi=0.0), "above 0"),
    ],
)
def test_wrong_options_are_one_sentence(make: Any, sentence: str) -> None:
    with pytest.raises(PlasticError, match=sentence):
        make()

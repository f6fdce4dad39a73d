"""The spiking simulator against a loop over single neurons that follows the canonical step."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from plastic.models.backends.snntorch.simulator import Replay, SnnTorchSimulator, SpikingStep, Traces
from plastic.models.learning.learner import Learner, Observation
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.layer import Network, dense, tree
from plastic.models.network.parameters import initial_parameters, specification
from plastic.rules import BP, CLAPP, Rule

STEP = SpikingStep(membrane_decay=math.exp(-1 / 12), trace_decay=math.exp(-1 / 7), threshold=1.1, slope=3.0)
STEPS, BATCH = 30, 3


def make(network: Network, rule: Rule, step: SpikingStep = STEP, chunk: int = 64) -> tuple[SnnTorchSimulator, dict]:
    specified = specification(network, rule, [1.6 / (n.fan_in * 0.25) ** 0.5 for n in network.layers])
    parameters = initial_parameters(specified, [3], torch.float64, torch.device("cpu"))
    return SnnTorchSimulator(network, rule, step, chunk), parameters


def input_spikes(network: Network, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).random((1, STEPS, BATCH, network.inputs)) < 0.4
    return torch.as_tensor(drawn, dtype=torch.float64)


def loop(weights: list[list[list[float]]], spikes: np.ndarray, step: SpikingStep) -> list[dict[str, np.ndarray]]:
    """Dense layers, one stream, neuron by neuron: DESIGN section 5, steps 1 to 7."""
    depth, steps = len(weights), len(spikes)
    sizes = [spikes.shape[1]] + [len(w) for w in weights]
    u = [[0.0] * n for n in sizes[1:]]
    x = [[0.0] * n for n in sizes[:-1]]
    last = [[0.0] * n for n in sizes]
    out = [{k: np.zeros((steps, sizes[level + 1])) for k in ("u", "psi", "s")} for level in range(depth)]
    for level, record in enumerate(out):
        record["x"] = np.zeros((steps, sizes[level]))
        record["e"] = np.zeros((sizes[level + 1], sizes[level]))
    for t in range(steps):
        now = [list(spikes[t])] + [[0.0] * n for n in sizes[1:]]
        for level in range(depth):
            record = out[level]
            for i in range(sizes[level + 1]):
                current = sum(weights[level][i][j] * last[level][j] for j in range(sizes[level]))
                u[level][i] = step.membrane_decay * u[level][i] + current
                record["u"][t, i] = u[level][i]
                record["psi"][t, i] = 1 / (1 + step.slope * abs(u[level][i] - step.threshold)) ** 2
                if u[level][i] > step.threshold:
                    now[level + 1][i] = record["s"][t, i] = 1.0
                    u[level][i] = 0.0
        for level in range(depth):
            record = out[level]
            for j in range(sizes[level]):
                arrived = last[level][j] if step.trace_timing == "arrived" else now[level][j]
                x[level][j] = step.trace_decay * x[level][j] + arrived
            record["x"][t] = x[level]
            if (t + 1) % step.learning_period == 0:
                record["e"] += np.outer(record["psi"][t], x[level])
        last = now
    return out


@pytest.mark.parametrize("timing", ["arrived", "emitted"])
@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("chunk", [64, 7])
def test_every_signal_of_every_step_equals_the_loop(timing: str, period: int, chunk: int) -> None:
    step = SpikingStep(0.91, 0.83, 1.1, "fast-sigmoid", 3.0, period, timing)  # type: ignore[arg-type]
    network = dense(6, (5, 4), 3)
    simulator, parameters = make(network, CLAPP(), step, chunk)
    spikes, traces = input_spikes(network), Traces()
    responses = list(simulator.respond(parameters, spikes, traces))
    weights = [parameters[f"layer{i}.weight"][0].tolist() for i in (1, 2)]
    for stream in range(BATCH):
        for level, expected in enumerate(loop(weights, spikes[0, :, stream].numpy(), step)):
            joined = {
                name: torch.cat([getattr(part, name) for part in traces[level]], dim=1)[0, :, stream, 0].numpy()
                for name in ("membrane", "post_factor", "spike", "pre_trace")
            }
            np.testing.assert_array_equal(joined["spike"], expected["s"])
            np.testing.assert_allclose(joined["membrane"], expected["u"], rtol=1e-10, atol=1e-12)
            np.testing.assert_allclose(joined["post_factor"], expected["psi"], rtol=1e-10)
            np.testing.assert_allclose(joined["pre_trace"], expected["x"], rtol=1e-10, atol=1e-12)
            e = responses[level].eligibility.per_synapse()[0, stream, 0].numpy()
            np.testing.assert_allclose(e, expected["e"], rtol=1e-10, atol=1e-12)
            z = responses[level].activity[0, stream, 0].numpy()
            np.testing.assert_allclose(z, expected["s"].mean(0), rtol=1e-12)
            assert 0.02 < expected["s"].mean() < 0.6, "the layer is silent or saturated"


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("rule", [CLAPP(), CLAPP(sides="both", symmetric=False), BP(mask="batch")])
def test_chunks_of_time_do_not_change_learning(rule: Rule, shared: bool) -> None:
    """A stimulus in one piece (factors) and in pieces (summed per synapse) gives the same weights."""
    network = tree(4, 3, 2, (6, 5), 3, shared)
    ends = []
    for chunk in (64, 8):
        simulator, parameters = make(network, rule, chunk=chunk)
        start = {k: v.clone() for k, v in parameters.items()}
        learner = Learner(
            network,
            rule,
            parameters,
            make_optimizer("sgd", torch.tensor([0.01], dtype=torch.float64)),
            frozenset(parameters),
        )
        for stimulus in range(5):
            target = torch.eye(3, dtype=torch.float64)[None]
            fixation = torch.tensor([[[1.0], [-1.0], [1.0]]], dtype=torch.float64)
            learner.learn(simulator.respond(parameters, input_spikes(network, stimulus)), fixation, target)
        moved = [(parameters[f"layer{i}.weight"] - start[f"layer{i}.weight"]).norm() for i in (1, 2)]
        assert min(moved) > 1e-3
        ends.append({k: v.clone() for k, v in parameters.items()})
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shared", [True, False])
def test_a_long_stimulus_is_replayed_for_open_gates_only(shared: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plastic.models.network.outer.WORTHWHILE", 0)  # closed gates are left out in small networks too
    network = tree(4, 3, 2, (6, 5), 3, shared)
    simulator, parameters = make(network, CLAPP())
    spikes = input_spikes(network)
    gate = torch.tensor([[[1.0], [0.0], [0.0]]], dtype=torch.float64)
    whole, replayed = (
        list(replace(simulator, chunk=chunk).respond(parameters, spikes.clone())) for chunk in (STEPS, 8)
    )
    for one, other in zip(whole, replayed, strict=True):
        torch.testing.assert_close(other.activity, one.activity, rtol=0, atol=0)
        assert isinstance(other.eligibility, Replay)
        modulator = torch.randn(one.activity.shape, dtype=torch.float64) * gate[..., None]
        e = torch.einsum("ebpn,etbpn,etbpk->epnk", modulator, one.eligibility.post, one.eligibility.pre)
        assert e.abs().max() > 0.1
        found = other.eligibility.credit(modulator, gate).value()
        torch.testing.assert_close(found, e.sum(1) if shared else e, rtol=1e-12, atol=1e-12)


def test_one_synapse_by_hand() -> None:
    """One input spike at step 0 and weight 2: it arrives at step 1, the neuron fires there."""
    network = dense(1, (1,), 2)
    step = SpikingStep(membrane_decay=0.5, trace_decay=0.5, threshold=1.0, slope=1.0)
    simulator, parameters = make(network, CLAPP(), step)
    parameters["layer1.weight"][:] = 2.0
    parameters["layer1.W_pred"][:] = 3.0
    spikes = torch.zeros(1, 3, 1, 1, dtype=torch.float64)
    spikes[0, 0] = 1.0
    found: dict[str, float] = {}
    seen: list[Observation] = []
    learner = Learner(
        network,
        CLAPP(),
        parameters,
        lambda name, w, dw, s: found.__setitem__(name, dw.value().item()),
        frozenset(parameters),
    )
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    for _ in range(2):
        learner.learn(simulator.respond(parameters, spikes), one, one.expand(1, 1, 2), lambda _, o: seen.append(o))
    # u: 0, 2 (fires, reset), 0; x̄: 0, 1, 0.5; ψ: 1/(1+|u−1|)² = 1/4, 1/4, 1/4
    eligibility = 0.25 * 0 + 0.25 * 1 + 0.25 * 0.5
    z = c = 1 / 3
    gate = 1.0 if 3.0 * z * c < 1 else 0.0
    assert seen[1].response.activity.item() == pytest.approx(z)
    assert found["layer1.weight"] == pytest.approx(gate * 3.0 * c * eligibility)
    assert found["layer1.W_pred"] == pytest.approx(gate * z * c)
    assert gate == 1.0


def test_snntorchs_own_reset_is_another_rule() -> None:
    """Why the reset is done outside: with snnTorch's default the membrane leaks on after a spike."""
    import snntorch as snn

    drive = torch.tensor([[1.5], [0.2], [0.2]])
    theirs = snn.Leaky(beta=0.9, reset_mechanism="zero")
    mem, spikes = torch.zeros(1), []
    for current in drive:
        spike, mem = theirs(current, mem)
        spikes.append((spike.item(), mem.item()))
    assert spikes[0] == (1.0, 1.5)  # not reset in the step of its spike
    network = dense(1, (1,), 2)
    simulator, _ = make(network, CLAPP(), SpikingStep(membrane_decay=0.9))
    state = simulator._rest(network.layers[0], torch.zeros(1, 3, 1, 1))
    membrane, _ = simulator._integrate(drive.view(1, 3, 1, 1, 1), state)
    assert membrane.flatten().tolist() == pytest.approx([1.5, 0.2, 0.38])


def test_no_graph_is_built() -> None:
    network = dense(6, (5,), 3)
    simulator, parameters = make(network, CLAPP())
    response = next(iter(simulator.respond(parameters, input_spikes(network))))
    assert response.activity.grad_fn is None
    assert response.eligibility.post is not None
    assert response.eligibility.post.grad_fn is None

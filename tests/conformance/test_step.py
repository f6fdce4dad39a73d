"""The canonical step itself: order within a step, chunks of time, surrogates, signals, Brian2's surroundings."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch

from plastic.config.settings import SURROGATES
from plastic.errors import PlasticError
from plastic.models.backends.brian2 import equations as brian2_equations
from plastic.models.backends.brian2.package import code_target
from plastic.models.backends.reference import step as reference
from plastic.models.backends.snntorch.simulator import SnnTorchSimulator
from plastic.models.learning.eligibility import Response
from plastic.models.neuron import surrogate
from plastic.models.neuron.constants import LayerTrace, SpikingStep, Traces
from plastic.models.studies.case import Case, case_task
from plastic.models.training.ensemble import Ensemble

pytestmark = pytest.mark.usefixtures("numpy_code")

FORMULAS: dict[str, Callable[[Any, float], Any]] = {
    "fast-sigmoid": lambda x, k: 1 / (1 + k * abs(x)) ** 2,
    "superspike": lambda x, k: (1 + abs(k * x)) ** -2.0,
    "triangular": lambda x, k: np.where(abs(x) < 1 / k, 1 - k * abs(x), 0.0),
    "atan": lambda x, k: 1 / (1 + (k * x) ** 2),
}


@pytest.mark.parametrize("slope", [0.5, 2.0, 10.0])
@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_are_their_formula_and_peak_at_one(name: str, slope: float) -> None:
    x = np.linspace(-3, 3, 601)  # 0 among them
    expected = FORMULAS[name](x, slope)
    b2 = pytest.importorskip("brian2")
    group = b2.NeuronGroup(
        len(x), f"u : 1\npsi = {brian2_equations.POST_FACTOR[name].format(distance='u - theta')} : 1"
    )
    group.u = x + 1
    group.namespace.update({"theta": 1.0, "slope": slope})
    brian2 = np.asarray(group.psi[:])
    np.testing.assert_allclose(surrogate.pseudo_derivative(name)(torch.tensor(x), slope), expected, atol=1e-14)
    np.testing.assert_allclose(reference.POST_FACTOR[name](x, slope), expected, atol=1e-14)
    np.testing.assert_allclose(brian2, expected, atol=1e-12)
    assert expected.max() == expected[300] == 1


@pytest.mark.parametrize("name", surrogate.RATE)
def test_rate_functions_are_their_formula_and_autograds_derivative(name: str) -> None:
    formula = {
        "relu": lambda a: max(a, 0.0),
        "tanh": np.tanh,
        "softplus": lambda a: np.log1p(np.exp(a)),
        "linear": float,
    }
    rho, derivative = surrogate.rate_function(name)
    a = torch.linspace(-4, 4, 80, dtype=torch.float64, requires_grad=True)  # without 0, where relu has none
    z = rho(a)
    np.testing.assert_allclose(z.detach(), [formula[name](x) for x in a.tolist()], rtol=1e-12)
    (expected,) = torch.autograd.grad(z.sum(), a)
    torch.testing.assert_close(derivative(a.detach(), z.detach()), expected, rtol=1e-12, atol=1e-14)


def test_functions_that_there_are_not_are_refused() -> None:
    for make, there in ((surrogate.rate_function, surrogate.RATE), (surrogate.pseudo_derivative, SURROGATES)):
        with pytest.raises(PlasticError, match=f"'step'; choose one of: {', '.join(there)}"):
            make("step")


@pytest.mark.parametrize(
    ("name", "theirs", "slope"),
    [("superspike", snn.surrogate.fast_sigmoid(slope=25), 25.0), ("atan", snn.surrogate.atan(alpha=2.0), np.pi)],
)
def test_surrogates_are_those_of_snntorch(name: str, theirs: Any, slope: float) -> None:
    x = torch.linspace(-2, 2, 41, dtype=torch.float64, requires_grad=True)
    theirs(x).sum().backward()
    assert x.grad is not None
    expected = x.grad / x.grad.max()
    torch.testing.assert_close(surrogate.pseudo_derivative(name)(x.detach(), slope), expected)


def one_neuron(spikes: list[int], weight: float, step: SpikingStep) -> tuple[LayerTrace, Response]:
    """One neuron with one synapse in the snntorch simulator."""
    case = Case("clapp", step=step)
    network = replace(
        Ensemble(case.settings("snntorch", "float64"), [case_task(0)], [0], [0.1]).network, inputs=1, layers=(LAYER,)
    )
    simulator = SnnTorchSimulator(network, case.settings("snntorch", "float64").rule, step)
    traces: Traces = {}
    given = torch.tensor(spikes, dtype=torch.float64).view(1, -1, 1, 1)
    weights = {"layer1.weight": torch.full((1, 1, 1), weight, dtype=torch.float64)}
    (response,) = simulator.respond(weights, given, traces)
    return traces[0][0], response


LAYER = Ensemble(
    Case("clapp", topology="dense").settings("snntorch", "float64"), [case_task(0)], [0], [0.1]
).network.layers[0]
LAYER = replace(LAYER, fan_in=1, neurons=1)


def test_order_within_a_step() -> None:
    """By hand, weight 0.7, β = λ = 0.5, θ = 1: delay, ψ before the reset, reset in the step of the spike."""
    shown, response = one_neuron([1, 1, 1, 1, 0], 0.7, SpikingStep(0.5, 0.5, 1.0, "triangular", 1.0))
    membrane = [0.0, 0.7, 0.7 * 0.5 + 0.7, 0.7, 0.35 + 0.7]  # 1.05 spikes, and leaves nothing behind
    assert shown.membrane.flatten().tolist() == pytest.approx(membrane)
    assert shown.spike.flatten().tolist() == [0, 0, 1, 0, 1]
    assert shown.post_factor.flatten().tolist() == pytest.approx([0, 0.7, 0.95, 0.7, 0.95])
    trace = [0, 1, 1.5, 1.75, 1.875]
    assert shown.pre_trace.flatten().tolist() == pytest.approx(trace)
    expected = 0.7 * 1 + 0.95 * 1.5 + 0.7 * 1.75 + 0.95 * 1.875
    assert response.eligibility.per_synapse().item() == pytest.approx(expected)
    assert response.activity.item() == pytest.approx(2 / 5)


def test_emitted_trace_is_one_step_ahead() -> None:
    step = SpikingStep(0.5, 0.5, 1.0, "triangular", 1.0)
    arrived, _ = one_neuron([1, 1, 0, 1, 0], 0.7, step)
    emitted, _ = one_neuron([1, 1, 0, 1, 0], 0.7, replace(step, trace_timing="emitted"))
    assert emitted.pre_trace.flatten().tolist() == pytest.approx([1, 1.5, 0.75, 1.375, 0.6875])
    assert arrived.pre_trace.flatten()[1:].tolist() == emitted.pre_trace.flatten()[:-1].tolist()
    assert torch.equal(arrived.membrane, emitted.membrane)


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({"reset_mechanism": "zero"}, True),
        ({"reset_mechanism": "zero", "reset_delay": False}, False),
        ({"reset_mechanism": "subtract"}, False),
    ],
)
def test_reset_order_of_snntorch(options: dict[str, Any], same: bool) -> None:
    """snn.Leaky resetting to zero, with its delay, shows the membrane before the reset of the same step.

    The simulator stands on this; were a release of snnTorch to change it, this is where one sees it.
    """
    theirs = snn.Leaky(
        beta=torch.tensor(0.5, dtype=torch.float64), threshold=torch.tensor(1.0, dtype=torch.float64), **options
    )
    membrane, shown, spikes = torch.zeros(1, dtype=torch.float64), [], []
    for current in (0.0, 0.7, 0.7, 0.7, 0.7):
        spike, membrane = theirs(torch.tensor([current], dtype=torch.float64), membrane)
        shown.append(membrane.item())
        spikes.append(spike.item())
    expected = [0.0, 0.7, 1.05, 0.7, 1.05]  # by hand: see test_order_within_a_step
    assert (shown == pytest.approx(expected) and spikes == [0, 0, 1, 0, 1]) is same


@pytest.mark.parametrize("timing", ["arrived", "emitted"])
@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("chunk", [1, 5, 7])
def test_chunks_of_time_change_nothing(chunk: int, period: int, timing: Any) -> None:
    case = Case(rule="bp", step=SpikingStep(learning_period=period, trace_timing=timing), time_steps=23)
    ensemble = Ensemble(case.settings("snntorch", "float64"), [case_task(0)], [0], [0.1])
    simulator = ensemble.simulator.responder  # type: ignore[attr-defined]
    assert isinstance(simulator, SnnTorchSimulator)
    spikes = ensemble.encode(ensemble.stream.next().inputs, "spikes", 0)
    whole = list(simulator.respond(ensemble.parameters, spikes))
    parts = list(replace(simulator, chunk=chunk).respond(ensemble.parameters, spikes))
    for one, other in zip(whole, parts, strict=True):
        assert one.activity.sum() > 0
        assert torch.equal(one.activity, other.activity)
        torch.testing.assert_close(one.post, other.post, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            one.eligibility.per_synapse(), other.eligibility.per_synapse(), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("timing", ["arrived", "emitted"])
@pytest.mark.parametrize("backend", ["snntorch", "brian2"])
def test_all_signals_are_those_of_the_reference(backend: str, timing: Any) -> None:
    if backend == "brian2":
        pytest.importorskip("brian2")
    case = Case("clapp", shared=False, streams=1, step=SpikingStep(trace_timing=timing))
    shown = []
    for name in ("reference", backend):
        traces: Traces = {}
        Ensemble(case.settings(name, "float64"), [case_task(0)], [0], [0.1]).step(traces=traces)
        shown.append(traces)
    for layer, (truth,) in shown[0].items():
        (found,) = shown[1][layer]
        for signal, value in vars(truth).items():
            torch.testing.assert_close(getattr(found, signal), value, rtol=1e-12, atol=1e-12, msg=f"{signal} {layer}")


def small_brian2_run(widths: tuple[int, ...] = (12, 10)) -> Ensemble:
    case = Case(rule="dfa", streams=1, topology="dense", widths=widths)
    ensemble = Ensemble(case.settings("brian2", "float64"), [case_task(0)], [0], [0.1])
    ensemble.train(3)
    return ensemble


def test_brian2_leaves_preferences_and_device_as_they_were() -> None:
    brian2 = pytest.importorskip("brian2")
    before = brian2.get_device(), brian2.prefs.core.default_float_dtype, brian2.prefs.codegen.target
    brian2.prefs.core.default_float_dtype = np.float32
    brian2.set_device("cpp_standalone", build_on_run=False)
    device = brian2.get_device()
    try:
        ensemble = small_brian2_run()
        assert brian2.get_device() is device
        assert brian2.prefs.core.default_float_dtype == np.float32
    finally:
        brian2.set_device("runtime")
        brian2.prefs.core.default_float_dtype = before[1]
    assert ensemble.learned == 3
    assert brian2.prefs.codegen.target == before[2]


def test_brian2_cython_code_gives_the_same() -> None:
    """Of one layer: a second would compile the same code once more, under other names."""
    brian2 = pytest.importorskip("brian2")
    expected = small_brian2_run((12,)).parameters
    brian2.prefs.codegen.target = "cython"
    try:
        found = small_brian2_run((12,)).parameters
    finally:
        brian2.prefs.codegen.target = "numpy"
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("compiler", [True, False])
def test_brian2_without_a_compiler_says_so_and_gives_the_same(compiler: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left to itself Brian2 takes Cython, or numpy with a warning."""
    brian2 = pytest.importorskip("brian2")
    from brian2.codegen.runtime.cython_rt import CythonCodeObject
    from brian2.utils.logger import catch_logs

    expected = small_brian2_run().parameters
    monkeypatch.setattr(CythonCodeObject, "is_available", classmethod(lambda cls: compiler))
    monkeypatch.setattr(sys.modules["brian2.devices.device"], "_auto_target", None)
    brian2.prefs.codegen.target = "auto"  # as it is before anybody chooses
    try:
        with catch_logs() as said:
            assert code_target(brian2) == ("cython" if compiler else "numpy")
        warned = any(level == "WARNING" and "no working C++ compiler" in text for level, _, text in said)
        assert warned is not compiler
        found = expected if compiler else small_brian2_run().parameters
    finally:
        brian2.prefs.codegen.target = "numpy"
    assert all(torch.equal(found[name], value) for name, value in expected.items())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_reference_goes_on_where_it_was(optimizer: str) -> None:
    case = Case("clapp", options=(("sides", "both"),), optimizer=optimizer)
    one, two = (Ensemble(case.settings("reference", "float64"), [case_task(0)], [0], [0.1]) for _ in range(2))
    one.train(10)
    two.train(5)
    again = Ensemble(case.settings("reference", "float64"), [case_task(0)], [0], [0.1])
    again.restore(two.snapshot())
    again.train(5)
    for name, value in one.parameters.items():
        assert torch.equal(again.parameters[name], value)

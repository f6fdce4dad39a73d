"""Which neurons are snnTorch's own classes, and that these are the declared neurons: equal membranes and spikes."""

from __future__ import annotations

import numpy as np
import pytest
import snntorch as snn
import torch

from plastic.models.backends.snntorch.cells import Cells, own_class
from plastic.models.neuron.constants import SpikingStep
from plastic.neurons import ALIF, CUBA, LIF, Constants, Izhikevich, Neuron

CPU = torch.device("cpu")
OWN = [
    (LIF(), snn.Leaky),
    (LIF(reset="subtract"), snn.Leaky),
    (LIF(reset="none"), snn.Leaky),
    (CUBA(reset="subtract"), snn.Synaptic),
    (CUBA(reset="none", synapse_decay=0.6), snn.Synaptic),
]
DECLARED = [
    LIF(refractory=1), LIF(reset="subtract", floor=-0.5), CUBA(), CUBA(reset="subtract", refractory=1),
    ALIF(refractory=2), Izhikevich(),
]  # fmt: skip


def step_of(neuron: Neuron) -> SpikingStep:
    return SpikingStep(membrane_decay=0.85, threshold=1.2, slope=3.0, neuron=neuron)


def declared(step: SpikingStep, drives: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Membrane, ψ and spike by the declaration, in numpy: drives (time, neurons)."""
    constants = Constants(
        step.membrane_decay, step.threshold, lambda x: 1 / (1 + step.slope * np.abs(x)) ** 2
    )  # fmt: skip
    state, rows = {name: np.full(drives.shape[1], value) for name, value in step.neuron.state.items()}, []
    for drive in drives:
        state, did = step.neuron.step(state, drive, constants)
        rows.append((did.membrane, did.post_factor, did.spike))
    membrane, psi, spike = (np.stack(column) for column in zip(*rows, strict=True))
    return membrane, psi, spike


DRIVES = np.random.default_rng(5).normal(0.25, 0.7, size=(80, 6))


@pytest.mark.parametrize(("neuron", "kind"), OWN)
def test_snntorchs_own_class_is_the_declared_neuron(neuron: Neuron, kind: type) -> None:
    own = own_class(step_of(neuron), torch.float64, CPU)
    assert type(own) is kind
    membrane, _, spike = declared(step_of(neuron), DRIVES)
    assert 20 < spike.sum() < 400
    states = [torch.zeros(6, dtype=torch.float64) for _ in range(1 if kind is snn.Leaky else 2)]
    for t, drive in enumerate(torch.as_tensor(DRIVES)):
        fired, *states = own(drive, *states)
        np.testing.assert_allclose(states[-1].numpy(), membrane[t], rtol=0, atol=1e-12)
        assert np.array_equal(fired.numpy(), spike[t])


def test_its_other_classes_are_other_neurons() -> None:
    assert [own_class(step_of(neuron), torch.float64, CPU) for neuron in DECLARED] == [None] * len(DECLARED)
    # Synaptic with reset_mechanism="zero" throws away the current of the step after a spike
    theirs = snn.Synaptic(alpha=0.8, beta=0.85, threshold=1.2, reset_mechanism="zero")
    syn = mem = torch.zeros(1)
    found = []
    for drive in (2.0, 0.5):
        _, syn, mem = theirs(torch.tensor([drive]), syn, mem)
        found.append(float(mem))
    membrane, _, spike = declared(step_of(CUBA()), np.array([[2.0], [0.5]]))
    assert spike[:, 0].tolist() == [1, 1]
    assert membrane[:, 0].tolist() == pytest.approx([2.0, 2.1])
    assert found == pytest.approx([2.0, 0.0])


@pytest.mark.parametrize("neuron", [*(neuron for neuron, _ in OWN[1:]), *DECLARED])
def test_cells_do_what_is_declared_chunk_by_chunk_and_again(neuron: Neuron) -> None:
    step = step_of(neuron)
    membrane, psi, spike = declared(step, DRIVES)
    assert spike.sum() > 10
    given = torch.as_tensor(DRIVES).view(1, 80, 1, 1, 6)
    cells, replay = (Cells.at_rest(step, given[:, 0] * 0) for _ in range(2))
    for part in (slice(0, 33), slice(33, 80)):
        now, fired = given[:, part].clone(), torch.empty_like(given[:, part])
        post = cells.run(now, fired)
        np.testing.assert_allclose(now.flatten(0, 3).numpy(), membrane[part], rtol=0, atol=1e-10)
        np.testing.assert_allclose(post.flatten(0, 3).numpy(), psi[part], rtol=0, atol=1e-10)
        assert np.array_equal(fired.flatten(0, 3).numpy(), spike[part])
        again = given[:, part].clone()
        assert torch.allclose(replay.again(again, fired), post, rtol=0, atol=1e-10)
        assert torch.allclose(again, now, rtol=0, atol=1e-10)

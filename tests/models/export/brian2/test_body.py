"""What exported scripts share, as modules of ours: beside loops, torch's Adam and numbers written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from plastic.models.export.brian2.body.arrays import Array, Arrays
from plastic.models.export.brian2.body.data import compare, input_spikes
from plastic.models.export.brian2.body.learning import adam, change, circuit_updates, credit, output_error, sent_down
from plastic.models.export.brian2.copied import MODULES, copied, definitions, imports_for, read_module

STREAMS, POSITIONS, NEURONS, INPUTS = 3, 2, 4, 5


def drawn(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def test_credit_sums_modulator_times_eligibility_over_the_streams() -> None:
    m, eligibility = drawn(STREAMS, POSITIONS * NEURONS), drawn(STREAMS, POSITIONS, NEURONS, INPUTS)
    expected = np.zeros((POSITIONS, NEURONS, INPUTS))
    for stream, position, neuron in np.ndindex(STREAMS, POSITIONS, NEURONS):
        expected[position, neuron] += m[stream, position * NEURONS + neuron] * eligibility[stream, position, neuron]
    np.testing.assert_allclose(credit(m, eligibility), expected, rtol=1e-12)


def test_what_is_sent_down_is_the_transpose_of_what_the_patches_drive() -> None:
    shared, local = drawn(NEURONS, INPUTS), drawn(POSITIONS, NEURONS, INPUTS)
    below, signal = drawn(STREAMS, POSITIONS, INPUTS), drawn(STREAMS, POSITIONS, NEURONS)
    for weight in (shared, local):
        drive = np.einsum("pnk,bpk->bpn", np.broadcast_to(weight, local.shape), below)
        sent = sent_down(weight, signal)
        assert sent.shape == (STREAMS, POSITIONS * INPUTS)
        np.testing.assert_allclose((sent * below.reshape(STREAMS, -1)).sum(), (signal * drive).sum(), rtol=1e-12)


def test_the_output_error_is_the_gradient_of_the_cross_entropy() -> None:
    weight, z, target = drawn(4, 6), drawn(STREAMS, 6), np.eye(4)[[0, 3, 1]]
    output = torch.tensor(z @ weight.T, requires_grad=True)
    torch.nn.functional.cross_entropy(output, torch.tensor(target), reduction="sum").backward()
    assert output.grad is not None
    np.testing.assert_allclose(output_error(weight, z, target), output.grad.numpy(), rtol=1e-9)


def test_the_circuits_own_weights_learn_by_three_factors() -> None:
    gate, post, pre = drawn(STREAMS, 1), drawn(STREAMS, 4), drawn(STREAMS, 6)
    found = circuit_updates("layer2", {"W_pred": (gate, post, pre), "B": (-1.0, post, pre)})
    assert sorted(found) == ["layer2.B", "layer2.W_pred"]
    outer = [post[stream][:, None] * pre[stream] for stream in range(STREAMS)]
    np.testing.assert_allclose(found["layer2.B"], -sum(outer), rtol=1e-12)
    np.testing.assert_allclose(found["layer2.W_pred"], sum(g * o for g, o in zip(gate[:, 0], outer, strict=True)))


def test_weights_stop_at_the_bound() -> None:
    weights: Arrays = {"a": np.array([0.0, 0.9, -0.9]), "b": np.array([1.0])}
    change(weights, {"a": np.array([1.0, 1.0, -9.0])}, 0.2, 1.0)
    np.testing.assert_allclose(weights["a"], [0.2, 1.0, -1.0])
    assert weights["b"] == 1.0


def test_adam_steps_as_torchs_does() -> None:
    moments, weights = dict[str, tuple[int, Array, Array]](), {"a": drawn(3, 2), "b": drawn(4)}
    theirs = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in weights.items()}
    optimizer = torch.optim.Adam(theirs.values(), lr=0.1)
    for step in range(1, 6):
        updates = {"a": drawn(3, 2) / step, "b": drawn(4) * step}
        for name, update in updates.items():
            theirs[name].grad = -torch.tensor(update)
        optimizer.step()
        change(weights, adam(updates, moments), 0.1, np.inf)
    for name, value in weights.items():
        np.testing.assert_allclose(value, theirs[name].detach().numpy(), rtol=1e-6)
        assert np.abs(value - (drawn(3, 2) if name == "a" else drawn(4))).min() > 0.1


def test_input_spikes_are_the_bits_of_the_first_steps() -> None:
    dense = np.random.default_rng(0).random((8, 2 * 5)) < 0.3  # 8 steps of 2 streams of 5 inputs
    data = {"spikes": np.packbits(dense, axis=1), "fixation": np.ones((2, 2)), "inputs": np.array(5)}
    size, index, step = input_spikes(data, 6)
    again = np.zeros((6, size), bool)
    again[step, index] = True
    np.testing.assert_array_equal(again, dense[:6])
    assert again.any()


@pytest.mark.parametrize(("change_by", "status"), [(0.0, 0), (9e-7, 0), (2e-6, 1), (np.nan, 1)])
def test_the_status_says_whether_the_weights_are_those_of_the_run(change_by: float, status: int) -> None:
    data = {"initial/a": np.array([1.0, 0.0]), "final/a": np.array([2.0, 0.5]), "initial/b": np.ones(1)}
    data["final/b"] = data["initial/b"]
    weights = {"b": np.ones(1), "a": data["final/a"] + [0, change_by]}
    assert compare(weights, data, 1e-6) == status


def test_only_what_is_used_is_copied_and_word_for_word() -> None:
    found = copied("change(weights, updates, 0.1, np.inf)")
    assert found.pop("arrays") == ["Arrays = dict[str, NDArray[Any]]"]
    assert [text.partition("(")[0] for text in found.pop("learning")] == ["def change"]
    assert not any(found.values())
    found = copied("main(adam, post_factor, input_activity, output_error, sent_down, circuit_updates, credit, change)")
    for module in MODULES:
        assert found[module] == list(definitions(module).values())
        assert all(text in read_module(module) for text in found[module])


def test_imports_are_those_that_are_used() -> None:
    assert imports_for("x = np.ones(3) * ms") == "\nimport numpy as np\nfrom brian2 import ms"
    assert imports_for("sys.exit(Path(Clock))").splitlines() == [
        "import sys", "from pathlib import Path", "", "from brian2 import Clock",
    ]  # fmt: skip


@pytest.mark.parametrize("module", ["arrays", "learning", "data"])
def test_what_needs_no_brian2_imports_none(module: str) -> None:
    imported = {line.split()[1] for line in read_module(module).splitlines() if line.startswith(("import ", "from "))}
    assert "numpy" in imported
    assert imported <= {"numpy", "numpy.typing", "typing", "plastic.models.export.brian2.body.arrays"}

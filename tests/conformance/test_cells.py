"""Every rule × backend cell against the reference, and that the comparison can fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plastic.experiments.conformance.cells import cells, refused
from plastic.experiments.conformance.test_backend import (  # noqa: F401
    pytest_generate_tests,
    test_it_does_what_the_reference_does,
    test_it_goes_on_where_it_was,
    test_not_everything_is_refused,
    test_single_precision,
)
from plastic.models.neuron.constants import SpikingStep
from plastic.models.studies.case import Case, run_case
from plastic.models.studies.check import comparable, compare, tuned, weight_error

pytestmark = pytest.mark.usefixtures("numpy_code")


def test_few_cells_are_refused() -> None:
    for backend in comparable():
        every = cells(backend)
        run = [cell for cell in every if refused(cell.case, backend) is None]
        assert len(every) > 150
        assert len(run) > (140 if backend == "snntorch" else 100), backend
        assert sum(not cell.slow for cell in run) > (70 if backend == "snntorch" else 50), backend


def test_hinge_gates_are_seen_open_and_closed() -> None:
    gates = run_case(Case(rule="clapp", shared=False, streams=1, learning_rate=0.1), "reference").gates
    assert 0.02 < 1 - np.mean(gates) < 0.98


def test_chaotic_learning_is_named() -> None:
    """Where the last digit decides in the reference too, the verdict is not that the backends differ."""
    found = compare(Case(rule="dfa", shared=False, learning_rate=0.5), "snntorch")
    assert "chaotic" in found.vacuous
    assert not found.agrees


def test_a_silent_network_is_vacuous() -> None:
    case = Case(rule="dfa", step=SpikingStep(threshold=50.0), learning_rate=0.01, stimuli=20)
    found = compare(case, "snntorch")
    assert "fires" in found.vacuous
    assert not found.agrees


def test_weights_that_stay_are_vacuous() -> None:
    found = compare(Case(rule="dfa", learning_rate=1e-9, stimuli=20), "snntorch")
    assert "moved by" in found.vacuous
    assert not found.agrees


@pytest.mark.parametrize("name", ["layer1.weight", "layer2.weight"])
def test_weights_that_are_no_numbers_disagree(name: str) -> None:
    case = tuned(Case(rule="dfa", stimuli=20, learning_rate=0.5))
    truth = run_case(case, "reference")
    found = {k: v.copy() for k, v in truth.weights[-1].items()}
    assert weight_error(truth, truth.weights[-1], found) == 0
    found[name][0, 0] = np.nan
    assert not weight_error(truth, truth.weights[-1], found) <= 1e6


def test_another_simulation_disagrees() -> None:
    """The comparison can fail: one constant a little off, and spikes and weights differ."""
    case = Case(rule="dfa", learning_rate=0.01, stimuli=50)
    truth = run_case(case, "reference")
    other = run_case(replace(case, step=SpikingStep(membrane_decay=0.91)), "snntorch")
    assert any((a[0] != b[0]).any() for a, b in zip(truth.spikes, other.spikes, strict=True))
    difference = np.abs(truth.weights[-1]["layer1.weight"] - other.weights[-1]["layer1.weight"]).max()
    assert difference > 1e-6

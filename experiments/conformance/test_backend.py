"""What must hold of a backend beside the reference, on the same spikes from the same weights.

Float64: identical spike trains, weights within 1e-6 of how far they moved. Float32: at most 1 in 1000 spikes differs,
weights within 1 %. A silent network or weights that did not move fail; what is refused is refused with one sentence.
"""

from __future__ import annotations

import pytest
import torch

from plastic.backends import backends, capabilities, compared
from plastic.errors import PlasticError
from plastic.experiments.conformance.cells import REPRESENTATIVES, Cell, cells, refused
from plastic.models.studies.case import Case, case_task
from plastic.models.studies.check import comparable, compare
from plastic.models.training.ensemble import Ensemble
from plastic.rules import all_rules


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test for every backend that was asked for, otherwise for all that are held to the reference."""
    asked = metafunc.config.getoption("plastic_backend", default=None) or comparable()
    for name in asked:
        if not compared(capabilities(name)):
            raise pytest.UsageError(f"the backend {name} is not one that is held to the reference")
    if "cell" in metafunc.fixturenames:
        order = sorted(((cell, name) for name in asked for cell in cells(name)), key=lambda both: both[0].name)
        metafunc.parametrize(
            ("backend", "cell"), [_of(name, cell.slow, cell.name, cell) for cell, name in order]
        )  # a case after the other, so that the reference runs it once for all
    elif "rule" in metafunc.fixturenames:
        metafunc.parametrize(
            ("backend", "rule"),
            [_of(name, rule not in REPRESENTATIVES, rule, rule) for name in asked for rule in all_rules()],
        )
    elif "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", [_of(name, False, name) for name in asked])


def _of(backend: str, slow: bool, label: str, *values: object) -> object:
    """A parameter of a test, skipped where what the backend stands on is missing."""
    package = backends()[backend].package
    marks = [pytest.mark.slow] if slow else []
    if not package.installed:
        marks.append(pytest.mark.skip(f"{package.name} is missing: {package.remedy}"))
    return pytest.param(backend, *values, id=f"{backend}-{label}" if values else backend, marks=marks)


def test_it_does_what_the_reference_does(backend: str, cell: Cell) -> None:
    if (reason := refused(cell.case, backend)) is not None:
        with pytest.raises(PlasticError) as raised:
            made(cell.case, backend)
        assert str(raised.value).endswith(".")
        assert "\n" not in str(raised.value)
        pytest.skip(reason)
    found = compare(cell.case, backend)
    assert found.vacuous == ""
    assert found.differing.sum() == 0
    assert found.error[-1] <= 1e-6
    assert found.agrees


def test_not_everything_is_refused(backend: str) -> None:
    """Rules of every kind run on trees and dense networks."""
    run = {cell.name for cell in cells(backend) if refused(cell.case, backend) is None}
    assert {f"{rule}:{topology}" for rule in REPRESENTATIVES for topology in ("dense", "tree-local")} <= run


def test_single_precision(backend: str, rule: str) -> None:
    """Within the tolerance; or, where a rule divides by what is nearly silent or has a gate on the edge, the
    reference itself with weights 6e-8 away ends as far away."""
    if "float32" not in capabilities(backend).dtypes:
        pytest.skip(f"the backend {backend} has no float32")
    case = next(cell.case for cell in cells(backend) if cell.name == f"{rule}:tree-shared")
    if (reason := refused(case, backend)) is not None:
        pytest.skip(reason)
    found = compare(case, backend, "float32")
    assert found.agrees or "chaotic" in found.vacuous, (found.fraction, found.error[-1], found.vacuous)


def test_it_goes_on_where_it_was(backend: str) -> None:
    """Two runs of 5 stimuli are one of 10, to the last bit."""
    if not capabilities(backend).resumes:
        pytest.skip(f"the backend {backend} does not go on from a checkpoint")
    case = Case("clapp", streams=1, options=(("sides", "both"),))
    one, two, again = (made(case, backend) for _ in range(3))
    one.train(10)
    two.train(5)
    again.restore(two.snapshot())
    again.train(5)
    assert one.learned == again.learned == 10
    for name, value in one.parameters.items():
        assert torch.equal(again.parameters[name], value)


def made(case: Case, backend: str) -> Ensemble:
    """The network of the case, untrained."""
    return Ensemble(case.settings(backend, "float64"), [case_task(case.seed, len(case.widths))], [case.seed], [0.1])

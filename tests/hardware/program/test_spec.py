"""The integer program: what it refuses, and that it survives JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from plastic.errors import PlasticError
from plastic.hardware.program.arithmetic import ONE, FixedPoint, Floating
from plastic.hardware.program.circuit import Circuit, Kept, Learned, Modulated, Node, evaluate
from plastic.hardware.program.spec import ChipLayer, Factor, Neurons, Plasticity, Program, Term


def program() -> Program:
    """Two inputs, three neurons, a circuit that says −activity · fixation."""
    nodes = (
        Node("input", name="activity1"), Node("input", name="fixation"), Node("constant", value=-1.0),
        Node("multiply", (0, 1)), Node("multiply", (3, 2)),
    )  # fmt: skip
    circuit = Circuit(nodes, (Modulated(4),), (Learned("B", 3, 0),), (Kept("held", 0),))
    plasticity = Plasticity(
        (Term((Factor("t"), Factor("y1", -64)), 3, -7),),
        (Term((Factor("x1"), Factor("y2")), 3, -7), Term((Factor("t"), Factor("y3")), -1, -1)),
        12, 10, 0,
    )  # fmt: skip
    layer = ChipLayer(
        1, 2, 3, np.array([[[1, -2], [3, -256], [255, 6]]], np.int16), 0, 8,
        Neurons(4095, 410, 30, np.arange(127, -1, -1, dtype=np.int32), 4), plasticity, 1000, 12,
    )  # fmt: skip
    state = {"B": np.zeros((3, 3), np.int64), "held": np.zeros((1, 3), np.int64)}
    return Program(2, 8, 20, 1, (layer,), circuit, state, "nearest", "sim-3f", ({"weight": 30.0},), {"rule": "own"})


def test_a_program_survives_json() -> None:
    before = program()
    plain, arrays = before.plain()
    after = Program.of(json.loads(json.dumps(plain)), arrays)
    assert after.circuit == before.circuit
    assert after.layers[0].plasticity == before.layers[0].plasticity
    assert json.dumps(after.plain()[0]) == json.dumps(plain)
    for name, value in after.plain()[1].items():
        assert value.dtype == arrays[name].dtype
        np.testing.assert_array_equal(value, arrays[name])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 4}, "version 4"),
        ({"layers": [{}]}, "malformed"),
        ({"profile": "chip"}, "malformed"),
        ({"eligibility": "?"}, "malformed"),
        ({"circuit": {"nodes": []}}, "malformed"),
    ],
)
def test_a_foreign_or_broken_program_is_refused(change: dict[str, object], words: str) -> None:
    plain, arrays = program().plain()
    with pytest.raises(PlasticError, match=words):
        Program.of(plain | change, arrays)


def test_a_missing_array_is_refused() -> None:
    plain, arrays = program().plain()
    with pytest.raises(PlasticError, match=r"layer1\.weight"):
        Program.of(plain, {k: v for k, v in arrays.items() if k != "layer1.weight"})


@pytest.mark.parametrize(("mantissa", "exponent"), [(8, 0), (-8, 0), (1, 9), (1, -8)])
def test_a_scale_beyond_the_learning_engine_is_refused(mantissa: int, exponent: int) -> None:
    with pytest.raises(PlasticError, match="fits"):
        Term((Factor("x1"), Factor("y2")), mantissa, exponent)


def test_a_factor_that_the_engine_has_not_is_refused() -> None:
    with pytest.raises(PlasticError, match="'z'"):
        Term((Factor("z"),), 1, 0)


def test_shifts_are_those_of_the_learning_engine() -> None:
    """0 for one trace, 3 for two, 10 for three, 5 for a tag and a trace: seen in Lava."""
    for names, shift in (("x1", 0), ("x1 y2", 3), ("x1 y1 y2", 10), ("t y1", 5), ("w y1", 5)):
        product = Term(tuple(Factor(name) for name in names.split()), 1, 0)
        assert product.shift == shift
        assert product.gain == 2.0**-shift


def test_a_node_that_reads_ahead_is_refused() -> None:
    plain, arrays = program().plain()
    plain["circuit"]["nodes"][0]["args"] = [3]
    with pytest.raises(PlasticError, match="malformed"):
        Program.of(plain, arrays)


def test_fixed_point_follows_floating_point() -> None:
    """Every operation with rounding of its own, on numbers of both signs."""
    generator = np.random.default_rng(0)
    a, b = generator.normal(size=(2, 3, 1, 5)) * 2
    b = np.where(np.abs(b) < 0.1, 0.1, b)
    whole = [np.round(x * ONE).astype(np.int64) for x in (a, b)]
    for name, given, tolerance in (
        ("multiply", 2, 1e-6), ("divide", 2, 1e-5), ("exp", 1, 1e-5), ("sign", 1, 0), ("absolute", 1, 0),
    ):  # fmt: skip
        exact = getattr(Floating, name)(*[x / ONE for x in whole[:given]])
        np.testing.assert_allclose(getattr(FixedPoint, name)(*whole[:given]) / ONE, exact, atol=tolerance)
    squares = whole[0] * whole[0] >> 24
    np.testing.assert_allclose(FixedPoint.sqrt(squares) / ONE, np.abs(whole[0]) / ONE, atol=1e-3)
    product = FixedPoint.matmul(whole[0], np.swapaxes(whole[1], -1, -2)) / ONE
    np.testing.assert_allclose(product, np.matmul(a, np.swapaxes(b, -1, -2)), atol=1e-5)


def test_a_quotient_by_zero_is_zero_in_both() -> None:
    zero, number = np.zeros(1, np.int64), np.array([ONE])
    assert FixedPoint.divide(number, zero)[0] == 0
    assert Floating.divide(np.array([1.0]), np.array([0.0]))[0] == 0


def test_nodes_are_evaluated_in_order() -> None:
    values = evaluate(
        program().circuit, Floating, {"activity1": np.array([[[0.5, 0.0, 1.0]]]), "fixation": np.array([[[-1.0]]])}, {}
    )
    np.testing.assert_array_equal(values[4], [[[0.5, 0.0, 1.0]]])

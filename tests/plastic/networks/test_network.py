"""A network as a value: it prints as it is written, compares, hashes, and refuses what cannot be, in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plastic
from plastic import Convolution, Dense, Input, Layer, Network, Patches, PlasticError, Readout, Sparse
from plastic.rules import CLAPP, VICReg


def example() -> Network:
    return Network(
        Input(16),
        Layer(128, Patches(2), rule=CLAPP(margin=2.0), learning_rate=0.05),
        Layer(64, Sparse(0.1, sign="excitatory", bounds=(0, 2)), rule="vicreg"),
        Layer(5, Sparse(indices=[(0, 1), (3, 2)], sign=[1, -1] * 32), rule=None),  # type: ignore[arg-type]
        Layer(4, Convolution(3, 2, whole_circuit=True, scale=0.5), rule="my_rule.py:MyRule"),
        Readout(8, learning_rate=0.1),
    )


def test_it_prints_as_it_is_written_compares_and_hashes() -> None:
    network = example()
    assert repr(Network(Input(16), Layer(128, Patches(2)), Layer(4, Dense(sign=0.8)), Readout(8))) == (
        "Network(Input(16), Layer(128, Patches(2)), Layer(4, Dense(sign=0.8)), Readout(8))"
    )
    assert repr(network.layers[2].projection).startswith("Sparse(indices=((0, 1), (3, 2)), sign=(1, -1")
    written = (
        repr(network).replace("rule=CLAPP(", "rule=plastic.rules.CLAPP(").replace("VICReg(", "plastic.rules.VICReg(")
    )
    again = eval(written, {"plastic": plastic} | {k: getattr(plastic, k) for k in plastic.__all__})
    assert again == network == example()
    assert len({again, network, example(), Network(Input(16), Layer(3))}) == 2
    assert network != Network(*(network.input, *network.layers))


def test_a_rule_is_a_value_a_name_a_file_none_or_that_of_the_run() -> None:
    rules = [Layer(3, rule=rule).rule for rule in ("run", None, "none", plastic.rules.load_rule("none"), "vicreg")]
    assert rules == ["run", None, None, None, VICReg()]
    assert Layer(3, rule="vicreg:sides=current").rule == VICReg(sides="current")
    assert Layer(3, rule="a.py:B").rule == "a.py:B"  # which is read where it is needed


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Network(Layer(3)), "the first part of a network is Layer(3)"),
        (lambda: Network(Input(3)), "a network has no Layer"),
        (lambda: Network(Input(3), Readout(2), Layer(3)), "a network has Readout(2) between"),
        (lambda: Layer(0), "the number of neurons of a layer is 0; it must be a whole number above 0"),
        (lambda: Layer(3, Patches), "the projection of a layer is <class"),
        (lambda: Layer(3, rule="clap"), "unknown rule 'clap'; choose one of"),
        (lambda: Layer(3, rule=7), "the rule of a layer is 7"),
        (lambda: Layer(3, learning_rate=0), "a layer of rule None is fixed"),
        (lambda: Layer(3, rule=None, learning_rate=0.1), "its learning_rate means nothing"),
        (lambda: Layer(3, recurrent=Sparse(0.1)), "recurrent=Sparse(0.1), which is not built yet"),
        (lambda: Layer(3, lateral=Dense()), "lateral=Dense(), which is not built yet"),
        (lambda: Dense(delay=2), "Dense has a delay of 2 steps, which is not built yet"),
        (lambda: Dense(delay=0), "it must be a whole number of steps from 1 on"),
        (lambda: Dense(bounds=(1, 1)), "they must be (low, high), low < high"),
        (lambda: Dense(sign="exitatory"), "the sign of Dense is 'exitatory'"),
        (lambda: Dense(sign=(1, 0)), "+1 or -1 for each neuron below"),
        (lambda: Dense(scale=-1), "the scale of Dense is -1"),
        (lambda: Sparse(), "Sparse takes a probability or indices, one of them"),
        (lambda: Sparse(1.5), "Sparse has a probability of 1.5"),
        (lambda: Sparse(indices=((0, 1), (0, 1))), "name a pair twice"),
        (lambda: Sparse(indices=((0, -1),)), "must be pairs (unit below, neuron)"),
        (lambda: Patches(0), "Patches has a branching of 0"),
        (lambda: Convolution(2), "a kernel of 2, which has no middle"),
        (lambda: Input(16, 3), "16 input neurons do not divide into 3 positions"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_sentence(make: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(PlasticError) as caught:
        make()
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(".")


def test_networks_that_fit_a_task_are_such_values() -> None:
    task = plastic.stimuli.rhm(levels=2, train=64, seed=1)
    assert plastic.tree(task, (8, 6), shared=False) == Network(
        Input(32, 4), Layer(8, Patches(2, False)), Layer(6, Patches(2, False)), Readout(8)
    )
    assert plastic.dense(task, (8,)) == Network(Input(32, 4), Layer(8), Readout(8))
    with pytest.raises(PlasticError, match="layer 3 would group 1 positions by 2"):
        plastic.tree(task, (8, 8, 8))
    images = plastic.stimuli.digits(train=64, test=32)
    assert plastic.convolutional(images, 4, 2) == Network(
        Input(64, 64), Layer(4, Convolution(3, 1, 8)), Layer(8, Convolution(3, 2, 4)), Readout(10)
    )

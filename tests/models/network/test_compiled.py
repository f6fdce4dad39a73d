"""What simulators compute with, made of a network that was described: sizes, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import plastic
from plastic import Convolution, Dense, Input, Layer, Network, Patches, PlasticError, Readout, Sparse
from plastic.models.network import layer as sizes
from plastic.models.network.compiled import compiled
from plastic.models.network.convolution import Convolution as Map
from plastic.rules import CLAPP, DFA


def test_trees_and_dense_networks_are_what_their_sizes_say() -> None:
    task = plastic.stimuli.rhm(levels=2, train=64, seed=1)
    for shared in (True, False):
        made = compiled(plastic.tree(task, (8, 6), shared), task)
        assert made == sizes.tree(4, 8, 2, (8, 6), 8, shared)
    assert compiled(plastic.dense(task, (8, 6)), task) == sizes.dense(32, (8, 6), 8)


def test_the_input_lies_in_positions_as_the_task_or_the_network_says() -> None:
    task = plastic.stimuli.rhm(levels=2, train=64, seed=1)
    assert compiled(Network(Input(32), Layer(5, Patches(4))), task).layers == (sizes.Layer(1, 32, 5),)
    assert compiled(Network(Input(32, 2), Layer(5, Patches(2)))).layers == (sizes.Layer(1, 32, 5),)
    images = plastic.stimuli.digits(train=64, test=32)
    (made,) = compiled(Network(Input(64), Layer(5, Convolution(3, 2, 2))), images).layers
    assert made == Map(16, 9, 5, side=8, channels=1, kernel=3, pool=2, cells=2)


def test_the_circuit_of_a_broadcast_sees_every_unit_of_a_map() -> None:
    images = plastic.stimuli.digits(train=64, test=32)
    network = Network(
        Input(64), Layer(5, Convolution()), Layer(4, Convolution(), rule=CLAPP()), Layer(3, Convolution())
    )
    seen = [[layer.whole_circuit for layer in compiled(network, images, run).layers] for run in (DFA(), CLAPP())]  # type: ignore[attr-defined]
    assert seen == [[True, False, True], [False, False, False]]


def test_signs_are_those_of_the_neurons_below_position_by_position() -> None:
    layers = Layer(5, Patches(2, sign=(1, -1))), Layer(3, Dense(sign=0.8)), Layer(2, Sparse(0.5, sign="inhibitory"))
    network = Network(Input(8, 4), *layers)
    first, second, third = compiled(network).layers
    assert first.own.signs == (1, -1, 1, -1)
    assert second.own.signs == (1, 1, 1, 1, -1) * 2
    assert third.own.signs == (-1, -1, -1)
    assert third.inputs == 1.5


TASK: dict[str, Any] = {"levels": 2, "train": 64, "seed": 1}


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Network(Input(16), Layer(3)), "an input of 16 neurons and <Task rhm"),
        (lambda: Network(Input(32), Layer(3), Readout(5)), "make it Readout(8)"),
        (lambda: Network(Input(32), Layer(3, Patches(3))), "layer 1 groups 4 positions by 3, which does not divide"),
        (lambda: Network(Input(32), Layer(3), Layer(3, Patches(2))), "layer 2 groups 1 positions by 2"),
        (lambda: Network(Input(32, 8), Layer(3, Convolution())), "the 8 positions below it are no square"),
        (lambda: Network(Input(32, 4), Layer(3, Convolution(3, 3))), "would pool a map of 2 × 2 by 3"),
        (lambda: Network(Input(32, 4), Layer(3, Convolution(3, 1, 3))), "does not divide into 3 × 3 cells"),
        (lambda: Network(Input(32), Layer(3, Dense(sign=(1, -1, 1)))), "layer 1 has 3 signs and 8 neurons below it"),
        (lambda: Network(Input(32), Layer(3, Dense(sign=0.5, bounds=(0, 1)))), "leave no weight but 0"),
        (lambda: Network(Input(32), Layer(3, Sparse(0.5, bounds=(1, 2)))), "leave out 0, the weight of a synapse"),
        (lambda: Network(Input(32), Layer(3, Sparse(indices=((32, 0),)))), "a synapse from unit 32; below are 32"),
        (lambda: Network(Input(32), Layer(3, Sparse(indices=((0, 3),)))), "a synapse onto neuron 3; it has 3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence(make: Callable[[], Network], sentence: str) -> None:
    task = plastic.stimuli.rhm(**TASK)
    with pytest.raises(PlasticError) as caught:
        compiled(make(), task)
    assert sentence in str(caught.value)


def test_a_network_without_a_task_says_where_its_input_lies() -> None:
    with pytest.raises(PlasticError, match="does not say in how many positions they lie"):
        compiled(Network(Input(32), Layer(3, Patches(2))))
    assert compiled(Network(Input(32), Layer(3))).layers == (sizes.Layer(1, 32, 3),)

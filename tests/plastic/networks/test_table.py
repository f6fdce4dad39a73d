"""A network as tables of TOML: there and back, and what is wrong with one is said with its place."""

from __future__ import annotations

from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic import Convolution, Dense, Input, Layer, Network, Patches, PlasticError, Readout, Sparse
from plastic.networks.table import from_table, to_table
from plastic.rules import CLAPP, DFA

try:
    import tomllib
except ImportError:
    import tomli as tomllib

common: dict[str, Any] = {
    "bounds": st.none() | st.tuples(st.floats(-3, 0), st.floats(0.125, 3)),
    "sign": st.none() | st.sampled_from(["excitatory", "inhibitory", 0.5]) | st.tuples(st.just(1), st.just(-1)),
    "scale": st.none() | st.floats(0.125, 2),
}
pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4, unique=True)
projections = st.one_of(
    st.builds(Dense, **common),
    st.builds(Patches, st.integers(1, 4), st.booleans(), **common),
    st.builds(Sparse, st.floats(0.125, 1), **common),
    st.builds(Sparse, indices=pairs.map(tuple), **common),
    st.builds(Convolution, st.sampled_from([1, 3]), st.integers(1, 2), whole_circuit=st.none() | st.booleans()),
)
rules = st.sampled_from(["run", None, CLAPP(), CLAPP(margin=2.5, symmetric=False), DFA(mask="none"), "a.py:B"])
layers = st.builds(Layer, st.integers(1, 9), projections, rule=rules) | st.builds(
    Layer, st.integers(1, 9), learning_rate=st.floats(1e-6, 1)
)
networks = st.builds(
    lambda inputs, stack, readout: Network(inputs, *stack, *readout),
    st.builds(Input, st.integers(1, 4).map(lambda n: 12 * n), st.none() | st.sampled_from([1, 4])),
    st.lists(layers, min_size=1, max_size=3),
    st.lists(st.builds(Readout, st.integers(1, 9)), max_size=1),
)


@given(network=networks)
@settings(max_examples=60, deadline=None)
def test_a_network_is_the_same_after_toml(network: Network) -> None:
    assert from_table(tomllib.loads(tomli_w.dumps(to_table(network)))) == network


def table(**layer: Any) -> dict[str, Any]:
    return {"input": {"units": 16}, "layers": [{"neurons": 4}, {"neurons": 4} | layer]}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (table(neuronz=3), "unknown key 'neuronz' in layer 2; it has: neurons, projection, rule"),
        (table() | {"output": {}}, "unknown key 'output' in a network; it has: input, layers, readout"),
        (table(projection={"kind": "densse"}), "the projection of layer 2 has the unknown kind 'densse'; choose"),
        (table(projection={"branching": 2}), "the projection of layer 2 has no kind"),
        (table(projection={"kind": "patches"}), "the patches projection of layer 2 does not say 'branching'"),
        (table(projection={"kind": "dense", "bound": 1}), "unknown key 'bound' in the dense projection of layer 2"),
        (table(projection={"kind": "dense", "delay": 3}), "layer 2: Dense has a delay of 3 steps, which is not built"),
        (table(projection="dense"), "the projection of layer 2 must be a table"),
        (table(rule="clap"), "unknown rule 'clap'"),
        (table(rule="clapp", rule_options=["margin"]), "'rule_options' of layer 2 is ['margin']"),
        (table(rule="clapp", rule_options=["width=3"]), "rule 'clapp' has no option 'width'"),
        (table(rule_options=["margin=1"]), "layer 2 has options of a rule and no rule"),
        (table(recurrent=True), "recurrent=True, which is not built yet"),
        ({"input": {"units": 16}}, "a network needs [input] and [[layers]]"),
        ({"input": {"units": 16}, "layers": {"neurons": 3}}, "'layers' of a network must be tables"),
        ({"input": {}, "layers": [{"neurons": 3}]}, "[input] does not say 'units'"),
        ("net", "a network must be a table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(given: Any, sentence: str) -> None:
    with pytest.raises(PlasticError) as caught:
        from_table(given)
    assert sentence in str(caught.value)

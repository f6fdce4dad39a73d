"""Learning rules as strings, and which rules of plastic fit a chip.

Every rule that fits, emulator against Lava's fixed point and Lava's float against the reference: tests/conformance.
"""

from __future__ import annotations

import re

import pytest

from plastic.errors import PlasticError
from plastic.hardware.chip.options import circuit_of
from plastic.hardware.lava.grammar import rule_string
from plastic.hardware.lava.shim import load_lava
from plastic.hardware.program.spec import Factor, Term
from plastic.models.backends.refusals import usual_refusal
from plastic.models.network.layer import dense, tree
from plastic.rules import all_rules, load_rule


def test_strings_say_what_the_products_are() -> None:
    """Lava's own parser, which drops signs and misreads constants without a word, reads each one back."""
    load_lava()
    from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

    products = [
        Term((Factor("t"), Factor("y1", -64)), -4, -7),
        Term((Factor("t"), Factor("y3")), -1, -1),
        Term((Factor("x1"), Factor("y2")), 7, 8),
        Term((Factor("x1", 3), Factor("y1", -64), Factor("y2")), 5, -6),
        Term((Factor("w"), Factor("y2", 2)), -3, 0),
        Term((Factor("x1"),), 1, 2),
    ]
    for several in ([one] for one in products):
        read_back(Loihi3FLearningRule, several)
    read_back(Loihi3FLearningRule, products)


def read_back(parser: type, products: list[Term]) -> None:
    rule = parser(dw=rule_string(products), x1_impulse=1, x1_tau=1, rng_seed=0)
    found = rule.active_product_series["dw"].products
    for product, read in zip(products, found, strict=True):
        assert read.dependency == "u"
        assert (read.s_mantissa, read.s_exp - 7) == (product.mantissa, product.exponent)
        factors = [(f.state_var, f.const or 0) for f in read.factors]
        assert factors == [(f.variable, f.constant) for f in product.factors]


@pytest.mark.parametrize(
    ("rule", "options", "words"),
    [
        ("lpl", {}, "sides=both"),
        ("bp", {}, "layer above"),
        ("infonce", {}, "streams"),
        ("simclr", {"negatives_from": "memory"}, "remembers 16 earlier objects"),
        ("ff", {}, "inputs that spikes are not"),
    ],
)
def test_what_a_chip_cannot_do_is_refused(rule: str, options: dict[str, str], words: str) -> None:
    assert words in (usual_refusal(load_rule(rule, options), "loihi", 1) or "")


@pytest.mark.parametrize("rule", all_rules())
def test_the_options_that_a_refusal_names_lead_onto_the_chip(rule: str) -> None:
    options: dict[str, str] = {}
    while (reason := usual_refusal(load_rule(rule, options), "loihi", 1)) is not None:
        named = re.search(r"--rule-options (\w+)=(\w+)\.$", reason)
        if named is None:
            assert not options, f"the options {options} were named, and then: {reason}"
            assert "--backend " in reason or "on the backend" in reason
            return
        options[named[1]] = named[2]


def test_what_is_only_shown_does_not_refuse() -> None:
    """The loss of direct feedback needs a logarithm, its modulator does not."""
    compiled = circuit_of(load_rule("dfa", {}), tree(4, 8, 2, (6, 5), 8, shared=False), 0.1)
    assert all(layer.loss == -1 for layer in compiled.circuit.layers)
    assert {"readout.weight", "layer1.B", "layer2.B"} == set(compiled.states)


def test_a_rule_that_branches_on_numbers_is_refused() -> None:
    with pytest.raises(PlasticError, match="layer above"):
        circuit_of(load_rule("bp", {}), dense(8, (4, 4), 3), 0.1)

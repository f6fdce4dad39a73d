"""Rules on the chip: the four of the issue, emulator against Lava's fixed point and Lava's float against the reference.

200 stimuli, two seeds: python -m plastic.experiments.chip_exact, recorded in docs/results. Here the same, shorter.
"""

from __future__ import annotations

import pytest
from chips import compare

from plastic.errors import PlasticError
from plastic.experiments.chip_exact import RULES, chip_case, float_case
from plastic.hardware.backend import circuit_of
from plastic.hardware.program import Factor, Product
from plastic.hardware.rules import rule_string
from plastic.hardware.shim import load_lava
from plastic.hardware.support import chip_refusal
from plastic.models.topology import dense, tree
from plastic.rules import load_rule


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
@pytest.mark.parametrize("rule", RULES)
def test_emulator_and_lava_agree_on_a_rule(rule: str, rounding: str) -> None:
    case = chip_case(rule, rounding, seed=1, stimuli=20)
    found = compare(case.program, case.spikes, case.fixation, case.target, seed=1, every=10)
    assert found.differing == []
    assert all(0.01 < rate < 0.7 for rate in found.rates), found.rates
    assert all(moved > 0.01 for moved in found.moved), found.moved
    assert found.largest_tag > 20
    assert max(abs(m).max() for m in found.modulators) >= 4


@pytest.mark.parametrize("rule", RULES)
def test_lava_in_float_is_the_reference(rule: str) -> None:
    found = float_case(rule, seed=0, stimuli=12)
    assert found["spikes_differing"] == 0
    assert found["spikes"] > 500
    assert found["weight_error"] <= 1e-6
    assert found["moved"] > 0.001


def test_strings_say_what_the_products_are() -> None:
    """Lava's own parser, which drops signs and misreads constants without a word, reads each one back."""
    load_lava()
    from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

    products = [
        Product((Factor("t"), Factor("y1", -64)), -4, -7),
        Product((Factor("t"), Factor("y3")), -1, -1),
        Product((Factor("x1"), Factor("y2")), 7, 8),
        Product((Factor("x1", 3), Factor("y1", -64), Factor("y2")), 5, -6),
        Product((Factor("w"), Factor("y2", 2)), -3, 0),
        Product((Factor("x1"),), 1, 2),
    ]
    for several in ([one] for one in products):
        read_back(Loihi3FLearningRule, several)
    read_back(Loihi3FLearningRule, products)


def read_back(parser: type, products: list[Product]) -> None:
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
        ("ff", {}, "inputs that spikes are not"),
    ],
)
def test_what_a_chip_cannot_do_is_refused(rule: str, options: dict[str, str], words: str) -> None:
    assert words in (chip_refusal(load_rule(rule, options), "loihi") or "")


def test_what_is_only_shown_does_not_refuse() -> None:
    """The loss of direct feedback needs a logarithm, its modulator does not."""
    compiled = circuit_of(load_rule("dfa", {}), tree(4, 8, 2, (6, 5), 8, shared=False), 0.1)
    assert all(layer.loss == -1 for layer in compiled.circuit.layers)
    assert {"readout.weight", "layer1.B", "layer2.B"} == set(compiled.states)


def test_a_rule_that_branches_on_numbers_is_refused() -> None:
    with pytest.raises(PlasticError, match="layer above"):
        circuit_of(load_rule("bp", {}), dense(8, (4, 4), 3), 0.1)

"""Which rules can be in one network."""

from __future__ import annotations

import pytest

from plastic import Input, Layer, Network, PlasticError
from plastic.models.network.compiled import compiled
from plastic.models.network.mixed import check_rules, label, presentation
from plastic.rules import CLAPP, Rule, load_rule


def network(*rules: str | Rule | None) -> Network:
    return Network(Input(8), *(Layer(4, rule=rule) for rule in rules))


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (("bp", "clapp"), "layer 1 has rule 'bp', which reads what the layer above sends down, and layer 2 has"),
        (("fa", "bp"), "give all layers above it 'fa' too"),
        (("usf", "usf", None), "layer 3 is fixed and sends nothing of that kind"),
        (("clapp", "ff"), "layer 2 has rule 'ff', which is shown stimuli another way (labelled)"),
        (("scff", "ff"), "another way (labelled) than the rules of other layers (pair)"),
        (("dfa", "eprop:learning_signal=step"), "layers 1 and 2 read the output error in two ways"),
    ],
)
def test_what_cannot_be_together_is_refused_with_the_reason(rules: tuple[str | None, ...], sentence: str) -> None:
    with pytest.raises(PlasticError) as caught:
        check_rules(compiled(network(*rules)), CLAPP())
    assert sentence in str(caught.value)


TOGETHER = [("clapp", "bp", "bp"), ("dfa", "bp"), ("vicreg", None, "lpl"), ("dfa", "clapp"), (None, "ff"), ("run",) * 2]


@pytest.mark.parametrize("rules", TOGETHER)
def test_the_rest_can(rules: tuple[str | None, ...]) -> None:
    check_rules(compiled(network(*rules)), CLAPP())


def test_fixed_layers_take_any_presentation_and_rules_are_named_in_order() -> None:
    made = compiled(network(None, "ff", "run", "ff"))
    assert presentation(made, load_rule("ff")) == "labelled"
    assert label(made, CLAPP()) == "none + ff + clapp"

"""Every rule × chip: the emulator against Lava's fixed point, bit for bit, and Lava's float against the reference.

A rule's default options, and where they do not fit, the fewest with which it does. What does not fit is excluded
with the sentence in which it is refused; `pytest --unsupported` sees that each one is. 200 stimuli with -m slow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from plastic.errors import PlasticError
from plastic.experiments.conformance.cells import OWN_INPUT
from plastic.experiments.studies.chip_exact import FLOAT, RULES, compare_fixed, float_case
from plastic.hardware.chip.refusals import chip_options
from plastic.hardware.compiler.tag_leak import float_refusal
from plastic.models.backends.refusals import usual_refusal
from plastic.rules import all_rules, load_rule

ROUNDINGS = ("stochastic", "nearest")
SHORT, LONG = 10, 200  # stimuli
LATE = {"clapp++": 20}  # whose upper layer has not moved before
SHORT_FLOAT = 8


def options_of(rule: str, floats: bool) -> list[dict[str, str]]:
    """Its default options, and those with which it fits."""
    fitting, known = chip_options(rule), load_rule(rule, {})
    if floats and fitting is not None and float_refusal(known) is not None:
        fitting = fitting | dict(known.acts.unfiltered)
    return [{}] if not fitting else [{}, fitting]


def rules(quick: Sequence[str] = (), floats: bool = False) -> list[Any]:
    """(rule, options, number); those that fit and are not named in `quick` are slow, if any is."""
    found = []
    for number, name in enumerate(all_rules()):
        for options in options_of(name, floats):
            rule = load_rule(name, options)
            reason = usual_refusal(rule, "loihi", 1) or (float_refusal(rule) if floats else None)
            marks = [pytest.mark.unsupported(reason)] if reason else []
            if quick and not reason and name not in quick:
                marks.append(pytest.mark.slow)
            shown = "-".join([name, *(f"{k}={v}" for k, v in options.items())])
            found.append(pytest.param(name, options, number, id=shown, marks=marks))
    return found


def fixed(rule: str, options: dict[str, str], rounding: str, seed: int, stimuli: int) -> None:
    found = compare_fixed(rule, rounding, seed, stimuli, options)
    assert found["differing"] == dict.fromkeys(("spikes", "modulators", "tags", "weights"), 0)
    assert all(0.01 < rate < 0.7 for rate in found["rates"]), found["rates"]
    assert all(moved > 0.01 for moved in found["weights_moved"]) or not load_rule(rule, {}).acts.learn, found
    if load_rule(rule, {}).acts.learn:
        assert found["largest_tag"] > 20
        assert found["largest_modulator"] >= 16  # two levels of 8


def floating(rule: str, options: dict[str, str], seed: int, stimuli: int, slower: float = 1.0) -> None:
    found = float_case(rule, seed, stimuli, options, slower)
    assert found["spikes_differing"] == 0
    assert found["spikes"] > 40 * stimuli
    assert found["weight_error"] <= 1e-6
    assert found["moved"] > 0.001 or not load_rule(rule, {}).acts.learn


@pytest.mark.parametrize(("rule", "options", "number"), rules())
def test_loihi_is_lava_fixed_bit_for_bit(rule: str, options: dict[str, str], number: int) -> None:
    """One rounding and seed, another for the next rule; all with -m slow."""
    fixed(rule, options, ROUNDINGS[number % 2], number // 2 % 2, LATE.get(rule, SHORT))


@pytest.mark.parametrize(("rule", "options", "number"), rules(RULES, floats=True))
def test_lava_float_is_the_reference(rule: str, options: dict[str, str], number: int) -> None:
    floating(rule, options, number % 2, SHORT_FLOAT)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("rule", "options", "number"), rules())
def test_loihi_is_lava_fixed_for_200_stimuli(
    rule: str, options: dict[str, str], number: int, rounding: str, seed: int
) -> None:
    del number
    fixed(rule, options, rounding, seed, LONG)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("rule", "options", "number"), rules(floats=True))
def test_lava_float_is_the_reference_for_200_stimuli(
    rule: str, options: dict[str, str], number: int, seed: int
) -> None:
    del number
    floating(rule, options, seed, LONG, FLOAT)


def test_what_arrives_is_counted_alike() -> None:
    """By a rule that reads the mean input, which no built-in one does."""
    fixed(OWN_INPUT, {}, "nearest", 0, SHORT)
    floating(OWN_INPUT, {}, 0, SHORT_FLOAT)


def test_most_kinds_of_rules_fit() -> None:
    """The exclusions are not everything: rules of each family and of each kind of modulator run on a chip."""
    fitting = [load_rule(name, chip_options(name) or {}) for name in all_rules() if chip_options(name) is not None]
    assert len(fitting) >= 12
    assert {"none", "scalar", "broadcast"} <= {rule.modulator for rule in fitting}


def test_a_rule_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PlasticError, match="layer above"):
        compare_fixed("bp", "nearest", 0, 2)

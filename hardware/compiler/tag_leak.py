"""A tag that forgets: ē ← κ ē + ψ x̄, of rules that weight every step and filter the eligibility of each synapse."""

from __future__ import annotations

from plastic.hardware.program.spec import CLEAR, EXPONENTS, Factor, Term
from plastic.rules.rule import Rule


def filtered(rule: Rule) -> float:
    """The decay per step of the eligibility of a rule that weights every step; 0 where it is not filtered."""
    return max(rule.eligibility_decays, default=0.0)


def unfiltered_by(rule: Rule) -> str:
    """Options with which it is not filtered, as another remedy in a sentence."""
    options = " ".join(f"{key}={value}" for key, value in rule.acts.unfiltered.items())
    return f", or --rule-options {options}" if options else ""


def float_refusal(rule: Rule) -> str | None:
    """Why Lava's floating-point processes cannot run the rule, as one sentence; None if they can."""
    if (decay := filtered(rule)) == 0:
        return None
    return (
        f"rule {rule.name!r} as it is set filters the eligibility of every synapse (by {decay:.3g}), and in floating "
        f"point the tag adds up what waits for the stimulus' end; take --precision fixed{unfiltered_by(rule)}."
    )


def tag_decay(decay: float) -> float:
    """The decay that a tag has, to 1/64."""
    return 1 - round(64 * (1 - decay)) / 64


def leak(decay: float) -> tuple[Term, ...]:
    """t · (y3 − 64) · Σ gains = −(1 − κ) t in every step, to 1/64 of t and without rounding, and 0 where y3 clears."""
    rest, found = round(64 * (1 - tag_decay(decay))), list[Term]()
    while rest:
        shift = max(0, rest.bit_length() - 3)
        mantissa = rest >> shift  # three bits
        found.append(Term((Factor("t"), Factor("y3", -CLEAR)), mantissa, shift + EXPONENTS[0]))
        rest -= mantissa << shift
    return tuple(found)

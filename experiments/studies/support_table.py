"""Which rule runs on which backend: the table in the README and the page docs/backends.md, made from what the
backends say.

python -m plastic.experiments.studies.support_table                            the table
python -m plastic.experiments.studies.support_table --page > docs/backends.md  the page, with the reasons
"""

from __future__ import annotations

import sys

from plastic.backends import backends
from plastic.models.backends.refusals import usual_refusal
from plastic.rules import Rule, all_rules, load_rule

STREAMS = 128


def verdict(rule: type[Rule], backend: str) -> tuple[str, str]:
    """✓, ✓¹ (with the options for one stream), ✓² (with sides=current) or –; and those options, or the reason."""
    reason = usual_refusal(rule(), backend, STREAMS)
    if reason is None:
        return "✓", ""
    if (alone := dict(rule.reads.one_stream)) and usual_refusal(load_rule(rule.name, alone), backend, STREAMS) is None:
        return "✓¹", " ".join(f"{key}={value}" for key, value in alone.items())
    if rule().sides == "both" and usual_refusal(load_rule(rule.name, {"sides": "current"}), backend, STREAMS) is None:
        return "✓²", "sides=current"
    return "–", reason


def support_table() -> str:
    """Markdown: one row per rule, ✓ where it runs with the default batch."""
    lines = [
        f"| rule | third factor m_i | {' | '.join(f'`{backend}`' for backend in backends())} |",
        "|---|---|" + ":-:|" * len(backends()),
    ]
    for name, rule in all_rules().items():
        third = rule.about.third.replace("|", "\\|")
        lines.append(f"| `{name}` | {third} | {' | '.join(verdict(rule, b)[0] for b in backends())} |")
    return "\n".join(lines)


def online_form(rule: type[Rule]) -> str:
    """What one stream changes: where averages come from, and what negatives are."""
    parts = []
    if rule.reads.one_stream:
        parts.append("with " + ", ".join(f"`--rule-options {k}={v}`" for k, v in rule.reads.one_stream.items()))
    if (asked := rule.reads.averages) is not None:
        also = ", covariance" * asked.covariance + ", covariance between views" * asked.cross
        parts.append(f"slow traces of mean and variance{also}")
    return "; ".join(parts) or "the same"


def refusals() -> list[str]:
    """One line per cell that is refused, with the sentence that the command says."""
    return [
        f"- `{name}` on `{backend}`: {text}"
        for name, rule in all_rules().items()
        for backend in backends()
        for mark, text in [verdict(rule, backend)]
        if mark == "–"
    ]


def backends_page() -> str:
    """docs/backends.md."""
    lines = ["| rule | " + " | ".join(f"`{b}`" for b in backends()) + " | with one stream |"]
    lines.append("|---|" + ":-:|" * len(backends()) + "---|")
    for name, rule in all_rules().items():
        marks = " | ".join(verdict(rule, backend)[0] for backend in backends())
        lines.append(f"| `{name}` | {marks} | {online_form(rule)} |")
    return PAGE.format(table="\n".join(lines), refusals="\n".join(refusals()))


PAGE = """# Which rule runs where

Made by `python -m plastic.experiments.studies.support_table --page > docs/backends.md`; a test compares it.

{table}

✓¹: with the options of the last column. ✓²: with `--rule-options sides=current`, since a synapse of a
chip has one tag. `brian2`, `loihi` and `lava` run one stream, online; the other backends run as many as
`--batch` says, and one as well.

What a backend cannot compute in batches another computes, and the run says so: `computed_by` in its `result.json` names
the backend that computed the features of its probes, or the rates that its initial weights are scaled to.

## One stream

A rule that averages over stimuli averages over a batch, or online by slow traces: every neuron keeps
a trace of its mean and of its variance, lateral synapses one of the covariance. They forget with the
time constant `--statistics-time-constant` (in stimuli, default 100) and are debiased: stimulus k
counts exp(−(n − k)/τ) at stimulus n, so they need no priming. `--statistics traces` is the default
where there is one stream, `batch` where there are several; either may be chosen. The traces are part
of the checkpoint, as the short memories are.

A rule that compares a response with others takes its negatives from the streams beside it, or online
from saccades (`negatives=saccade`) or from a short memory (`negatives_from=memory`): the last
response to each of the objects that the gaze has left.

## Published spiking forms

A third factor that changes within a stimulus weights the eligibility as it accrues:
ΔW_ij = η m_i Σ_t g_i[t] ē_ij[t]. Each form is proven equal to its published equation in
tests/models/learning/test_stepwise.py, and runs on `reference`, `snntorch` and `brian2`:

- e-prop (Bellec et al. 2020), `--rule eprop --rule-options learning_signal=step`: in every step the error of a
  leaky readout, and an eligibility filtered alike. With `feedback=symmetric`, one hidden layer and λ = β it is
  backpropagation through time with the reset detached.
- ESPP (Graf et al. 2024), `--rule espp --rule-options gate=online`: a gate from the step's own spikes and inputs.
- LPL (Halvagal & Zenke 2023), `--rule lpl-spiking`: each neuron's spikes against those of 20 ms ago and against its
  running mean, over its variance.

On `loihi` and `lava` a second circuit answers the spikes of every step within that step, and weights change in every
step:

```
plastic simulate --rule espp --rule-options gate=online --backend loihi --eligibility none
plastic simulate --rule eprop --rule-options learning_signal=step leak=0 --backend loihi --eligibility none
plastic simulate --rule eprop --rule-options learning_signal=step --backend loihi --learning-rate 0.02
```

Without a tag an eligibility is that of the step alone, ē = ψ x̄: ESPP's, and e-prop's with `leak=0`. With one the tag
is ē itself, and forgets by κ, to 1/64: e-prop with any `leak`. What does not fit are steps that remember, and LPL,
which filters every synapse twice. `lava --precision float` runs ESPP, and e-prop with `leak=0`, with the weighted
eligibility in the tag, so that weights change when the stimulus ends, as in the reference.

## Refused

{refusals}

Two more things are refused with a sentence, whatever the rule: more than one stream on `brian2`, and
`float32` on `reference` and `brian2`.
"""


if __name__ == "__main__":
    print(backends_page() if "--page" in sys.argv[1:] else support_table(), end="" if "--page" in sys.argv else "\n")

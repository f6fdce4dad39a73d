"""What is compared: small networks that learn, rule by rule, and variants that differ from them in one thing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from plastic.backends import capabilities, first, reference
from plastic.models.backends import backend_of
from plastic.models.backends.refusals import neuron_refusal, refusal
from plastic.models.neuron.constants import SpikingStep
from plastic.models.studies.case import Case
from plastic.neurons import ALIF, CUBA, LIF, Izhikevich, Neuron
from plastic.rules import all_rules, load_rule, rule_class

OWN_RULE, OWN_INPUT = (
    f"{Path(__file__).with_name('own_rule.py')}:{name}" for name in ("LearnedFeedback", "InputGated")
)
NEURONS: dict[str, tuple[Neuron, tuple[str, ...]]] = {  # with the rules that each learns by
    "lif-subtract": (LIF(reset="subtract"), ("clapp",)),
    "lif-none": (LIF(reset="none"), ("clapp",)),
    "lif-refractory-floor": (LIF(refractory=2, floor=-0.5), ("clapp",)),
    "alif": (ALIF(), ("clapp", "dfa")),
    "alif-refractory": (ALIF(adaptation=0.5, refractory=1), ("dfa",)),
    "cuba": (CUBA(), ("clapp", "dfa")),
    "cuba-subtract": (CUBA(reset="subtract"), ("dfa",)),
    "izhikevich": (Izhikevich(), ("clapp", "dfa")),
}
REPRESENTATIVES = ("clapp", "dfa", "bp")  # third factor from the layer itself, broadcast, chained

TOPOLOGIES = {
    "dense": Case("clapp", topology="dense"),
    "tree-shared": Case("clapp", topology="tree", shared=True),
    "tree-local": Case("clapp", topology="tree", shared=False),
}

# rule, options, and what else differs from a shared tree of one stream
VARIANTS: dict[str, tuple[str, dict[str, str], dict[str, Any]]] = {
    "emitted": ("clapp", {}, {"step": SpikingStep(trace_timing="emitted")}),
    "period-3": ("clapp", {}, {"step": SpikingStep(learning_period=3)}),
    "emitted-period-5-local": (
        "dfa", {}, {"step": SpikingStep(trace_timing="emitted", learning_period=5), "shared": False},
    ),
    "long-stimuli-emitted-period-3": (
        "clapp", {}, {"time_steps": 70, "stimuli": 30, "step": SpikingStep(trace_timing="emitted", learning_period=3)},
    ),
    "asymmetric-both": ("clapp", {"sides": "both", "symmetric": "false"}, {}),
    "asymmetric-both-period-2": (
        "clapp", {"sides": "both", "symmetric": "false"}, {"step": SpikingStep(learning_period=2), "shared": False},
    ),
    "summary-mean": ("clapp", {"summary": "mean"}, {}),
    "summary-mean-local": ("clapp", {"summary": "mean"}, {"shared": False}),
    "own-mask-only": ("bp", {"upper_mask": "none"}, {}),
    "upper-mask-only": ("bp", {"mask": "none", "upper_mask": "sample"}, {"topology": "dense"}),
    "adam": ("clapp", {}, {"optimizer": "adam"}),
    "adam-readout": ("bp", {}, {"optimizer": "adam"}),
    "bounds": ("dfa", {}, {"weight_bound": 0.8}),
    "latency": ("dfa", {}, {"coding": "latency"}),
    "regular": ("bp", {}, {"coding": "regular"}),
    "decays": ("bp", {}, {"step": SpikingStep(membrane_decay=0.8, trace_decay=0.95, threshold=1.3, slope=1.0)}),
    "no-decay": ("dfa", {}, {"step": SpikingStep(membrane_decay=0.0, trace_decay=1.0)}),
    "own-rule": (OWN_RULE, {}, {}),
    "own-rule-dense": (OWN_RULE, {}, {"topology": "dense"}),
    "own-rule-local": (OWN_RULE, {}, {"shared": False}),
    "own-input": (OWN_INPUT, {}, {"shared": False}),
    **{name: ("dfa", {}, {"step": SpikingStep(surrogate=name)}) for name in ("superspike", "triangular", "atan")},
}  # fmt: skip
EVERY_STEP = {"step": SpikingStep(trace_timing="emitted", learning_period=2)}  # the clock of published spiking forms
VARIANTS |= {
    "eprop-published": ("eprop", {"learning_signal": "step"}, {}),
    "eprop-published-symmetric-period-2": ("eprop", {"learning_signal": "step", "feedback": "symmetric"}, EVERY_STEP),
    "espp-published": ("espp", {"gate": "online"}, {}),
    "espp-published-local-period-2": ("espp", {"gate": "online"}, EVERY_STEP | {"shared": False}),
    "lpl-published-pooled-fixations": (
        "lpl-spiking", {"summary": "mean", "pull_at": "fixations", "priming": "100"}, {"shared": False},
    ),
}  # fmt: skip
VARIANTS["hybrid-clapp-scalar"] = ("hybrid", {"self": "clapp", "sides": "current", "broadcast": "scalar"}, {})
VARIANTS["streams-4"] = ("clapp", {}, {"streams": 4})
VARIANTS["traces-of-4-streams"] = ("lpl", {}, {"streams": 4, "statistics": "traces"})
# a layer of several positions above another: what comes down from it goes to the positions that it reads
DEEP = {"widths": (12, 10, 8)}
VARIANTS |= {f"{name}:three-layers": (name, {}, DEEP) for name in ("clapp", "dfa", "bp", "fa", "usf", "dfa-product")}
VARIANTS["bp:three-layers-local"] = ("bp", {}, DEEP | {"shared": False})

# neurons that are not the default one, over few stimuli, as they differ at once; in chunks of a long one, too
VARIANTS |= {
    f"{name}:{rule}": (rule, {}, {"step": SpikingStep(neuron=neuron), "stimuli": 12, "shared": False})
    for name, (neuron, rules) in NEURONS.items()
    for rule in rules
}
VARIANTS["alif:long-stimuli"] = ("clapp", {}, {"step": SpikingStep(neuron=ALIF()), "stimuli": 4, "time_steps": 70})

LEARNERS = ("*both*", "*:current", "*:one-stream", "summary-*", "adam*", "bounds", "own-rule-*")  # what all share


@dataclass(frozen=True)
class Cell:
    """One comparison: its name (rule:topology, or a variant's), and whether it is one of those that may be left out."""

    name: str
    case: Case
    slow: bool


def variants() -> dict[str, tuple[str, dict[str, str], dict[str, Any]]]:
    """Those of above, and what differs in every rule: its masks, its sides, and what it does with one stream."""
    found = dict(VARIANTS)
    for name, rule in all_rules().items():
        online = dict(rule.reads.one_stream)
        found[f"{name}:mask-none"] = (name, online | {"mask": "none"}, {})
        found[f"{name}:mask-batch"] = (name, {"mask": "batch"}, {"streams": 4})
        for sides in rule.acts.sides:
            if sides != rule().sides:
                found[f"{name}:{sides}"] = (name, online | {"sides": sides}, {})
        if online:
            found[f"{name}:one-stream"] = (name, online, {})
    return found


def cells(backend: str) -> list[Cell]:
    """All topologies for one rule of each kind, one in turn for the others; with the slow ones all for all.

    200 stimuli for every rule, in 4 streams if the backend runs as many; a variant gets 60, in one stream.
    """
    can, found = capabilities(backend), []
    several = can.streams is None or can.streams >= 4
    for number, rule in enumerate(all_rules()):
        options = () if several else tuple(rule_class(rule).reads.one_stream.items())
        for turn, (topology, case) in enumerate(TOPOLOGIES.items()):
            slow = rule not in REPRESENTATIVES and turn != number % len(TOPOLOGIES)
            named = replace(case, rule=rule, streams=4 if several else 1, options=options)
            found.append(Cell(f"{rule}:{topology}", named, slow))
    for name, (rule, given, changes) in variants().items():
        usual: dict[str, Any] = {"streams": 1, "stimuli": 60}
        case = Case(**(usual | {"rule": rule, "options": tuple(given.items())} | changes))
        slow = ":mask-" in name and rule not in REPRESENTATIVES
        shared = not can.members and any(fnmatch(name, pattern) for pattern in LEARNERS)
        found.append(Cell(name, case, slow or shared))
    return found


def refused(case: Case, backend: str) -> str | None:
    """Why the backend, or the reference, does not run the case; None where both do."""
    can, rule = capabilities(backend), load_rule(case.rule, dict(case.options))
    weights = "shared" if case.shared else "local"
    if can.streams is not None and case.streams > can.streams:
        return f"the backend {backend} runs {can.streams} stream, not {case.streams}"
    if case.topology not in can.topologies or (case.topology == "tree" and weights not in can.weights):
        return f"the backend {backend} has no {case.topology} with {weights} weights"
    if case.step.trace_timing not in can.trace_timings:
        return f"the backend {backend} has no trace timing {case.step.trace_timing}"
    if (reason := neuron_refusal(case.step.neuron, backend)) is not None:
        return reason
    kind = case.statistics or ("traces" if case.streams == 1 else "batch")
    reasons = (refusal(rule, where, case.streams, kind) for where in (backend, first(reference)))
    return next((reason for reason in reasons if reason), None) or backend_of(backend).refusal(rule, None)

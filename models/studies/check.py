"""One rule on several backends, over the same spikes from the same weights: do they agree?

A small network learns an RHM task for some stimuli with plain SGD on the reference and on another
backend; all spikes and all weights are kept and compared. A comparison of silent networks, or of
weights that did not move, says nothing and is reported as vacuous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.backends import backends, capabilities, compared, first, fitting, reference
from plastic.errors import PlasticError
from plastic.models.backends.refusals import neuron_refusal
from plastic.models.neuron.constants import SpikingStep
from plastic.models.studies.case import Case, Track, run_case
from plastic.neurons import Neuron
from plastic.neurons.where import has_neuron
from plastic.pictures.run import draw_check
from plastic.rules import load_rule, rule_class
from plastic.traces.figure import check_name

TOLERANCE = {"float64": 1e-6, "float32": 1e-2}  # of weights, relative to how far they moved
SPIKES_TOLERANCE = {"float64": 0.0, "float32": 1e-3}  # fraction of neurons × steps that differ
RATES = (0.01, 0.6)  # spikes per step of a live layer
MOVED = 0.005  # relative change of the weights of a layer that learns
LEARNING_RATES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@lru_cache(maxsize=64)
def tuned(case: Case) -> Case:
    """The case with the smallest learning rate at which all layers that learn move clearly.

    Not a larger one: spiking networks that learn fast are chaotic, and differences in the last
    digit, which any other order of a sum brings, grow by many orders of magnitude.
    """
    if case.learning_rate is not None:
        return case
    for rate in LEARNING_RATES:
        tried = replace(case, learning_rate=rate)
        if not vacuity(tried, run_case(tried, first(reference))):
            break
    return tried


@dataclass(frozen=True)
class Comparison:
    """One backend beside the reference."""

    backend: str
    dtype: str
    case: Case
    spikes: int  # all that the reference fired
    differing: NDArray[np.int64]  # spikes that differ, per stimulus
    fraction: float  # of neurons × steps that differ
    error: NDArray[np.float64]  # of the weights after each stimulus, relative to their change over the run
    vacuous: str  # why the comparison says nothing, or ""

    @property
    def agrees(self) -> bool:
        return bool(
            not self.vacuous
            and self.fraction <= SPIKES_TOLERANCE[self.dtype]
            and self.error[-1] <= TOLERANCE[self.dtype]
        )

    @property
    def name(self) -> str:
        return f"{self.backend} {self.dtype}"

    @property
    def rule_name(self) -> str:
        return load_rule(self.case.rule, dict(self.case.options)).name

    def record(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "backend": self.backend,
            "dtype": self.dtype,
            "options": dict(self.case.options),
            "streams": self.case.streams,
            "stimuli": self.case.stimuli,
            "learning_rate": self.case.learning_rate,
            "spikes": self.spikes,
            "spikes_differing": int(self.differing.sum()),
            "weight_error": float(self.error[-1]),
            "agrees": self.agrees,
            "vacuous": self.vacuous,
        }


def compare(case: Case, backend: str, dtype: str = "float64") -> Comparison:
    """Run the case on the reference and on the backend."""
    given, case = case, tuned(case)
    assert case.learning_rate is not None
    truth, other = run_case(case, first(reference)), run_case(case, backend, dtype)
    pairs = list(zip(truth.spikes, other.spikes, strict=True))
    differing = np.array([sum(int((a != b).sum()) for a, b in zip(*pair, strict=True)) for pair in pairs])
    size = sum(layer.size for one in truth.spikes for layer in one)
    error = np.array([weight_error(truth, a, b) for a, b in zip(truth.weights, other.weights, strict=True)])
    vacuous = vacuity(case, truth)
    if not vacuous and error[-1] > TOLERANCE[dtype]:
        vacuous = chaos(case, truth, dtype)
        slower = replace(case, learning_rate=case.learning_rate / 4)
        if vacuous and given.learning_rate is None and not vacuity(slower, run_case(slower, first(reference))):
            return compare(slower, backend, dtype)
    return Comparison(
        backend, dtype, case, sum(int(layer.sum()) for one in truth.spikes for layer in one), differing,
        float(differing.sum() / size), error, vacuous,
    )  # fmt: skip


def chaos(case: Case, truth: Track, dtype: str) -> str:
    """Whether the reference itself, with weights changed in the last digit of that type, ends elsewhere."""
    nudge = {"float64": 1e-15, "float32": 6e-8}[dtype]
    error = weight_error(truth, truth.weights[-1], run_case(case, first(reference), nudge=nudge).weights[-1])
    if error <= TOLERANCE[dtype]:
        return ""
    return f"learning is chaotic here: in the reference too, {nudge:.0e} grows to {error:.0e}; take fewer --stimuli"


def weight_error(truth: Track, expected: dict[str, NDArray[Any]], found: dict[str, NDArray[Any]]) -> float:
    """Largest difference of any weight, relative to the largest change of its array over the run.

    Stricter than relative to the weights themselves; arrays that never change must be equal. nan if one is nan.
    """
    first, last = truth.weights[0], truth.weights[-1]
    worst = 0.0
    for name, value in expected.items():
        difference = float(np.abs(value - found[name]).max())
        change = float(np.abs(last[name] - first[name]).max())
        scale = change if change > 0 else float(np.abs(first[name]).max())
        worst = float(np.maximum(worst, difference / scale))  # max would pass over nan
    return worst


def vacuity(case: Case, track: Track) -> str:
    """Why agreement with this track would say nothing; empty if the network lived and learned."""
    for layer, rate in enumerate(track.rates(), 1):
        if not RATES[0] <= rate <= RATES[1]:
            return f"layer {layer} fires {rate:.3f} spikes per step, not {RATES[0]} to {RATES[1]}"
    moved, rules = track.moved(), case.rules()
    for number, rule in enumerate(rules, 1):
        learns = rule.acts.layers == "all" or (rule.acts.layers == "last" and number == len(rules))
        if learns and not moved[f"layer{number}.weight"] >= MOVED:
            return f"layer{number}.weight moved by {moved[f'layer{number}.weight']:.2%} only"
    return ""


def check_rule(case: Case, names: Sequence[str]) -> list[Comparison]:
    """The case on every one of these backends, in each arithmetic that it has; one that has fewer streams runs as many
    of the case's as it has, with the rule's options for that."""
    found = []
    for name in names:
        can = capabilities(name)
        given = case if can.streams is None or can.streams >= case.streams else of_streams(case, can.streams)
        found += [compare(given, name, dtype) for dtype in sorted(can.dtypes, reverse=True)]
    return found


def of_streams(case: Case, streams: int) -> Case:
    """The case with so few streams, and the rule's options for one where it compares streams."""
    options = dict(case.options)
    if load_rule(case.rule, options).smallest_batch > streams:
        options |= rule_class(case.rule).reads.one_stream
    return replace(case, streams=streams, options=tuple(options.items()))


def check(
    rule: str, options: dict[str, str], out: Path, neuron: Neuron, stimuli: int = 200, topology: str = "tree",
    weights: str = "local",
) -> list[Comparison]:  # fmt: skip
    """Compare the rule and the neuron across the backends that are installed and have that neuron, and draw the
    differences to `out`.

    Raises PlasticError for an unknown rule or option, a neuron that no layer can have, and where the picture cannot be
    written.
    """
    load_rule(rule, options)
    check_name(out)
    if (reason := neuron_refusal(neuron, first(reference))) is not None:
        raise PlasticError(reason)
    step = SpikingStep(neuron=neuron)
    case = Case(rule, tuple(options.items()), topology, weights == "shared", step=step, stimuli=stimuli)
    found = check_rule(case, [name for name in installed() if has_neuron(capabilities(name), neuron)])
    try:
        curves = {one.name: (one.differing, one.error) for one in found}
        draw_check(out, found[0].rule_name, curves, TOLERANCE["float64"])
    except OSError as error:
        raise PlasticError(f"cannot write the picture {str(out)!r} ({error}); choose another --out.") from None
    return found


def comparable() -> list[str]:
    """The backends that are held to the reference, spike by spike."""
    return fitting(compared)


def installed() -> list[str]:
    """Those of them whose packages are here."""
    return [name for name in comparable() if backends()[name].package.installed]

"""What a script says of its run alone: the title, constants and state, the equations."""

from __future__ import annotations

import math
import textwrap

from plastic.models.backends.brian2.equations import SCHEDULE, SLOTS, Equations
from plastic.models.export.brian2.circuit import STATE
from plastic.models.export.brian2.copied import names_in
from plastic.models.network.parameters import layer_shape
from plastic.models.runs.finished import FinishedRun
from plastic.models.studies.check import TOLERANCE
from plastic.runs.folder import versions


def title(run: FinishedRun, name: str, data: str) -> str:
    """The script's docstring: what it repeats, how it is called, whom to cite."""
    rule, streams, stimuli = run.ensemble.settings.rule, run.ensemble.settings.batch, run.config.training.steps or 0
    some, citation = max(1, stimuli // 10), f"\n{rule.about.citation}\n" if rule.about.citation else ""
    repeats = (
        f"Repeats the run {run.path.name}, which plastic {versions()['plastic']} made on the backend "
        f"{run.config.backend}, without plastic: from the same initial weights and input spikes ({data}) come the same "
        "spikes and weights. At the end it prints how far its weights are from those of the run, relative to how far "
        f"they moved there; status 1 where that exceeds {tolerance(run)}."
    )
    return f'''r"""{rule.name}: {rule.about.title}, in Brian2.

    {rule.about.equation}

{textwrap.fill(repeats, 118)}

    python {name}    all {stimuli} stimuli{f" of {streams} streams" if streams > 1 else ""}
    python {name} {some} --save spikes.npz    the first {some}, and all their spikes and weights to a file

Needs brian2 and numpy.
{citation}"""'''


def tolerance(run: FinishedRun) -> float:
    return TOLERANCE[run.config.dtype or "float64"]


def constants(run: FinishedRun, data: str, learning: str) -> str:
    """Sizes and data, and what the function `learning` uses: its settings, what it keeps from stimulus to stimulus."""
    rule, layers, training = run.ensemble.settings.rule, run.ensemble.network.layers, run.config.training
    units = ", ".join(str(layer.summary_units(rule.summary)) for layer in layers)
    learns = {
        "LEARNING_RATE": f"LEARNING_RATE, WEIGHT_BOUND = {training.learning_rate}, {_number(training.weight_bound)}",
        "moments": "moments = {}  # of every weight's updates: how many, mean, mean square",
        "context": f"context = [np.zeros((STREAMS, units)) for units in [{units}]]  # z of the stimulus before",
        STATE: _states(run),
        "eligibility_before": "eligibility_before = [np.zeros(shape) for shape in LAYERS]  # of the stimulus before",
    }
    return "\n".join([
        f"STREAMS, STEPS = {run.ensemble.settings.batch}, {run.config.spiking.time_steps}"
        "  # copies of the network, whose updates add up; steps of 1 ms per stimulus",
        "LAYERS = [  # streams, positions, neurons at each, inputs of each: its own patch of the layer below",
        *(f"    (STREAMS, {n.positions}, {n.neurons}, {n.fan_in})," for n in layers),
        "]",
        f"TOLERANCE = {tolerance(run)}",
        f'data = dict(np.load(Path(__file__).with_name("{data}")))',
        'weights = {name.removeprefix("initial/"): data[name] for name in data if name.startswith("initial/")}',
        *(line for name, line in learns.items() if name in names_in(learning)),
    ])  # fmt: skip


def _states(run: FinishedRun) -> str:
    """What the rule keeps of each layer, zero at the beginning."""
    settings, network = run.ensemble.settings, run.ensemble.network
    lines = [f"{STATE} = [  # what the rule keeps of each layer"]
    for index in range(len(network.layers)):
        shape = layer_shape(network, settings.rule, index, settings.batch, settings.statistics_decay)
        arrays = settings.rule.state(shape).items()
        lines += ["    {", *(f'        "{name}": np.zeros({size}),' for name, size in arrays), "    },"]
    return "\n".join([*lines, "]"])


def equations(run: FinishedRun) -> str:
    """What Brian2 is given, in the order of a step."""
    text = Equations.of(run.ensemble.settings.rule, run.step, run.config.spiking.time_steps)
    values = (
        f'"{name}": {_number(value)}' + (" * ms" if name.startswith("tau") else "")
        for name, value in text.constants().items()
    )
    pathways = text.on_pre.items()
    entries = [
        ("constants", "{" + ", ".join(values) + "}", ""),
        ("neuron", f'"""\n{text.neuron}\n"""', ""),
        ("synapse", f'"""\n{text.synapse}\n"""', ""),
        ("neuron_at_rest", _quoted(text.neuron_at_rest), "when a stimulus begins"),
        ("synapse_at_rest", _quoted(text.synapse_at_rest), ""),
        ("on_pre", "{" + ", ".join(f"{_quoted(name)}: {_quoted(code)}" for name, code in pathways) + "}", ""),
        ("slots", "{" + ", ".join(f"{_quoted(name)}: {_quoted(SLOTS[name])}" for name, _ in pathways) + "}", ""),
        ("post_factor", _quoted(text.post_factor), "every step, before the reset"),
        ("threshold", _quoted(text.threshold), ""),
        ("eligibility", _quoted(text.eligibility), "every step, before the reset"),
        ("reset", _quoted(text.reset), ""),
        ("schedule", "[" + ", ".join(map(_quoted, SCHEDULE)) + "]", "spikes arrive one step late"),
    ]
    lines = [f'    "{key}": {value},' + (f"  # {comment}" if comment else "") for key, value, comment in entries]
    return "\n".join(["EQUATIONS = {", *lines, "}"])


def _quoted(code: str) -> str:
    return '"' + code.replace("\n", "\\n") + '"'


def _number(x: float) -> str:
    return repr(float(x)) if math.isfinite(x) else "np.inf"

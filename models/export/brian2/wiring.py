"""The function `learn` of a script: what the third factor of each layer reads, from the top layer down."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from plastic.models.export.brian2.circuit import STATE, ThirdFactorSource
from plastic.models.export.brian2.copied import names_in
from plastic.models.network.parameters import needs_readout
from plastic.models.runs.finished import FinishedRun
from plastic.rules.rule import Rule

WIDTH = 120
MEANINGS = {
    "z": "spikes per step (streams, units)",
    "c": "z of the stimulus before",
    "y": "+1 fixation, -1 saccade (streams, 1)",
    "error": "softmax(W_out z) - target (streams, classes)",
    "target": "one-hot labels (streams, classes)",
    "top_context": "c of the top layer",
    "input_activity": "spikes that arrived, per step and input (streams, 1)",
    "weight_above": "the weights onto the layer above, or onto the readout",
    "credited_above": "m psi of the layer above (streams, positions, neurons), or -error",
    "product_above": "all weights above, multiplied (streams, units, classes)",
    "begun": "whether there was a stimulus before, 0 or 1",
    STATE: "what the rule keeps of the layer",
}


def meanings(third_factors: Sequence[str]) -> str:
    """A comment on what the functions read."""
    used = names_in("\n".join(third_factors))
    known = "; ".join(f"{name}: {meaning}" for name, meaning in MEANINGS.items() if name in used)
    return "\n".join(textwrap.wrap(known, WIDTH - 2, initial_indent="# ", subsequent_indent="# "))


def reads_context(circuits: Sequence[ThirdFactorSource]) -> bool:
    """Whether the script has to keep the activity of the stimulus before."""
    return any(set(circuit.inputs) & {"c", "top_context"} for circuit in circuits)


def learn(run: FinishedRun, circuits: Sequence[ThirdFactorSource], names: Sequence[str]) -> str:
    """The function that changes all weights when a stimulus ends, with one call of a third factor per layer.

    names: of the functions of the third factors, by layer.
    """
    rule, adam = run.ensemble.settings.rule, run.config.training.optimizer == "adam"
    if not (rule.acts.learn or needs_readout(rule) or any(circuit.learned for circuit in circuits)):
        return 'def learn(layers, stimulus):\n    """No weight changes."""'
    readout = '"readout.weight": -error.T @ features' if needs_readout(rule) else ""
    lines = [*_signals(run, circuits), f"updates = {{{readout}}}"]
    for index in reversed(range(len(circuits))):
        lines += ["", *_layer(run, circuits, names, index)]
    lines.append("")
    if reads_context(circuits):
        lines.append("context[:] = z")
    if any(circuit.both for circuit in circuits):
        lines.append("eligibility_before[:] = eligibility")
    lines.append(f"change(weights, {'adam(updates, moments)' if adam else 'updates'}, LEARNING_RATE, WEIGHT_BOUND)")
    head = "def learn(layers, stimulus):\n"
    head += '    """When a stimulus ends: the third factors from the top layer down, then all weights change."""\n'
    return head + textwrap.indent("\n".join(lines), "    ")


def _signals(run: FinishedRun, circuits: Sequence[ThirdFactorSource]) -> list[str]:
    """Statements for what several layers read."""
    rule, network = run.ensemble.settings.rule, run.ensemble.network
    used = {name for circuit in circuits for name in circuit.inputs}
    lines = []
    if "y" in used:
        lines.append('y = data["fixation"][stimulus][:, None]')
    if "z" in used or reads_context(circuits):
        mean, flat = ".mean(1)", ".reshape(STREAMS, -1)"
        lines.append(f"z = [layer.activity(){flat if rule.summary == 'flat' else mean} for layer in layers]")
    if rule.reads.signals & {"error", "target"}:
        lines.append(f'target = np.eye({network.classes})[data["labels"][stimulus]]')
    if needs_readout(rule):
        lines.append("features = layers[-1].activity().reshape(STREAMS, -1)")
        lines.append('error = output_error(weights["readout.weight"], features, target)')
    if any(circuit.both for circuit in circuits):
        lines.append("eligibility = [layer.eligibility() for layer in layers]")
    return lines


def _layer(run: FinishedRun, circuits: Sequence[ThirdFactorSource], names: Sequence[str], index: int) -> list[str]:
    """Statements for the third factor of one layer and for the updates that come of it."""
    rule, learned = run.ensemble.settings.rule, circuits[index].learned
    if not rule.acts.learn and not any(circuit.learned for circuit in circuits):
        return []  # but the readout
    lines = _chain(rule, circuits, index)
    arguments = [f"{name}={_source(name, index, circuits)}" for name in circuits[index].inputs]
    returned = ["m"] + ["m_before"] * circuits[index].both + ["learned"] * bool(learned)
    returned += [_source(STATE, index, circuits)] * bool(circuits[index].state)
    lines += _call(f"{', '.join(returned)} = {names[index]}", arguments)
    if rule.acts.learn:
        lines += _update(run, circuits, index)
    if learned:
        lines.append(f'updates |= circuit_updates("layer{index + 1}", learned)')
    return lines


def _update(run: FinishedRun, circuits: Sequence[ThirdFactorSource], index: int) -> list[str]:
    """Statements for the update of a layer's weight from its m, and m_before."""
    rule, layer = run.ensemble.settings.rule, run.ensemble.network.layers[index]
    shared = ".sum(0)" if layer.shared else ""
    comment = "  # positions share their weights" if shared and index == len(circuits) - 1 else ""
    place, m = f'updates["layer{index + 1}.weight"]', _of_units(rule, layer.positions, "m")
    if not circuits[index].both:
        return [f"{place} = credit({m}, layers[{index}].eligibility()){shared}{comment}"]
    return [
        f"update = credit({m}, eligibility[{index}])",
        "if stimulus > 0:",
        f"    update += credit({_of_units(rule, layer.positions, 'm_before')}, eligibility_before[{index}])",
        f"{place} = update{shared}{comment}",
    ]


def _of_units(rule: Rule, positions: int, m: str) -> str:
    """m of every unit: where the rule reads the mean over positions, each has its share."""
    return m if rule.summary == "flat" or positions == 1 else f"np.tile({m} / {positions}, {positions})"


def _call(function: str, arguments: list[str]) -> list[str]:
    """A call on one line, or on as many as it takes."""
    lines, indent = [f"{function}({', '.join(arguments)})"], 4
    if len(lines[0]) + indent <= WIDTH:
        return lines
    lines = [f"{function}(", "   "]
    for argument in arguments:
        if len(lines[-1]) + len(argument) + indent + 2 > WIDTH:
            lines.append("   ")
        lines[-1] += f" {argument},"
    return [*lines, ")"]


def _source(name: str, index: int, circuits: Sequence[ThirdFactorSource]) -> str:
    """Where the script finds an input of a layer's third factor."""
    above = "readout" if index == len(circuits) - 1 else f"layer{index + 2}"
    places = {
        "z": f"z[{index}]",
        "c": f"context[{index}]",
        "top_context": "context[-1]",
        "weight_above": f'weights["{above}.weight"]',
        "input_activity": f"input_activity(layers[{index}])",
        "product_above": "rows.swapaxes(1, 2)",
        "begun": "float(stimulus > 0)",
        STATE: f"state[{index}]",
    }
    if name in circuits[index].own:
        return f'weights["layer{index + 1}.{name}"]'
    return places.get(name, name)


def _chain(rule: Rule, circuits: Sequence[ThirdFactorSource], index: int) -> list[str]:
    """Statements that bring down what comes from above layer `index`, before its third factor."""
    lines, above = [], index + 1
    top = above == len(circuits)
    if "credited_above" in circuits[index].inputs:
        credited = f"m.reshape(layers[{above}].shape[:3])" + _masked(above, rule.feedback_mask)
        lines.append("credited_above = " + ("-error[:, None]" if top else credited))
    if mask := next((circuit.product_mask for circuit in circuits if circuit.product_mask), None):
        lines.append('rows = weights["readout.weight"][None]')
        if not top:
            signal = f"rows.reshape(*rows.shape[:2], *layers[{above}].shape[1:3])" + _masked(above, mask, "[:, None]")
            lines[-1] = f"rows = {signal}"
            lines.append(f'rows = sent_down(weights["layer{above + 1}.weight"], rows)')
    return lines


def _masked(layer: int, mask: str, axes: str = "") -> str:
    """Times the ψ of a layer as the mask says."""
    averages = {"sample": "", "batch": ".mean(0, keepdims=True)"}
    return f" * post_factor(layers[{layer}]){averages[mask]}{axes}" if mask in averages else ""

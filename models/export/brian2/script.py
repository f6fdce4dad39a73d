"""A run as a Brian2 script that stands by itself: readable, without plastic, with its data beside it.

The neurons are the equations of plastic.models.backends.brian2.equations; the rule is written out from its
one declaration by plastic.models.export.brian2.source, for its options and for each layer as they are.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from plastic.backends import capabilities
from plastic.errors import PlasticError
from plastic.files import replacing
from plastic.models.backends.brian2.equations import SCHEDULE, SLOTS, Equations
from plastic.models.backends.refusals import refusal
from plastic.models.export.brian2 import template
from plastic.models.export.brian2.circuit import RECALLED, Circuit
from plastic.models.export.brian2.memory import recall, recall_functions
from plastic.models.network.parameters import needs_readout
from plastic.models.runs.finished import FinishedRun, open_finished
from plastic.models.studies.check import TOLERANCE
from plastic.rules.rule import Rule
from plastic.runs.folder import versions


def export_brian2(run: Path, out: Path) -> dict[str, Any]:
    """Write the script to `out` and its data beside it (.npz, no pickle), both or none.

    Returns what was written, for display. Raises PlasticError for a run that Brian2 cannot repeat, and
    where the files cannot be written.
    """
    if out.suffix != ".py":
        raise PlasticError(f"{str(out)!r} is no name for a script; end it in .py.")
    finished = open_finished(run)
    _refuse(finished)
    data = out.with_suffix(".npz")
    text = script(finished, out.name, data.name)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays(finished))
    try:
        with replacing(out) as program, replacing(data) as beside:
            program.write_bytes(text.encode())
            beside.write_bytes(buffer.getvalue())
    except OSError as error:
        raise PlasticError(f"cannot write {str(out)!r} ({error}); choose another file.") from None
    return {"data": str(data), "stimuli": finished.config.training.steps, "lines": text.count("\n")}


def _refuse(run: FinishedRun) -> None:
    """PlasticError for what the script could not repeat."""
    rule, streams = run.ensemble.settings.rule, run.ensemble.settings.batch
    name = f"the run {str(run.path)!r} cannot become a Brian2 script:"
    if capabilities(run.config.backend).integers:
        raise PlasticError(f"{name} it learned in a chip's integers, and Brian2 has floats; take --to lava.")
    traces = run.ensemble.settings.statistics_decay
    reason = refusal(rule, "brian2", streams, "batch" if traces is None else "traces")
    if reason is not None:
        raise PlasticError(f"{name} {reason}")
    if rule.sides == "both" and "above_before" in rule.reads:
        raise PlasticError(
            f"{name} with sides=both rule {rule.name!r} sends credit for the stimulus before down all layers, which a "
            "script does not; train with sides=current."
        )
    if rule.stepwise:
        raise PlasticError(f"{name} rule {rule.name!r} as it is set acts in every step, which a script does not.")
    if rule.mask == "batch" and streams > 1:
        raise PlasticError(
            f"{name} mask=batch averages ψ over {streams} streams; train with --batch 1 or another mask."
        )
    run.refuse_overlapping("a Brian2 script")


def arrays(run: FinishedRun) -> dict[str, Any]:
    """Input spikes (bits of step × (stream, input)), fixations, labels, initial and final weights."""
    ensemble, steps = run.ensemble, run.config.training.steps or 0
    spikes, fixation, labels = [], [], []
    for count in range(steps):
        stimulus = ensemble.stream.next()
        encoded = ensemble.encode(stimulus.inputs, "spikes", count)[0].cpu().numpy()
        spikes.append(np.packbits(encoded.reshape(len(encoded), -1) > 0, axis=1))
        fixation.append(np.where(stimulus.fixation[0], 1, -1).astype(np.int8))
        labels.append(stimulus.labels[0])
    weights = {
        f"{when}/{k}": v for when, all in (("initial", run.initial), ("final", run.final)) for k, v in all.items()
    }
    return {
        "spikes": np.concatenate(spikes),
        "inputs": np.array(ensemble.network.inputs),
        "fixation": np.stack(fixation),
        "labels": np.stack(labels),
        **weights,
    }


def script(run: FinishedRun, name: str, data: str) -> str:
    """The text of the script, which will be called `name` and finds its data in `data` beside it."""
    config, rule, layers = run.config, run.ensemble.settings.rule, run.ensemble.network.layers
    circuits = [Circuit.of(run, index) for index in range(len(layers))]
    functions = {text: "" for circuit in circuits if (text := circuit.text("third_factor"))}
    single = len(functions) == 1
    names = ["third_factor" if single else f"third_factor_{n}" for n in range(1, len(layers) + 1)]
    texts = [circuit.text(n) for circuit, n in zip(circuits, names, strict=True)]
    parts = [
        template.HEAD.substitute(
            title=f"{rule.name}: {rule.title}", equation=rule.equation, run=run.path.name, backend=config.backend,
            version=versions()["plastic"], data=data, script=name, tolerance=TOLERANCE[config.dtype or "float64"],
            imports="from collections import defaultdict\n" if rule.reads_statistics else "",
            citation=f"\n{rule.citation}\n" if rule.citation else "", stimuli=config.training.steps,
            some=max(1, (config.training.steps or 0) // 10),
            streams=run.ensemble.settings.batch, steps=config.spiking.time_steps,
            learning_rate=config.training.learning_rate, weight_bound=_number(config.training.weight_bound),
            constants=_constants(run),
            layers="\n".join(f"    ({n.positions}, {n.neurons}, {n.fan_in})," for n in layers),
        ),
        *dict.fromkeys(texts),
        _neurons(run),
        template.ADAM if config.training.optimizer == "adam" else template.SGD,
        template.ERROR if needs_readout(rule) else "",
        *recall_functions(run.ensemble.settings),
        template.SENT_DOWN if rule.reads & {"above", "product"} else "",
        _learn(run, circuits, names),
        template.MAIN,
    ]  # fmt: skip
    return "".join(parts)


def _number(x: float) -> str:
    return repr(float(x)) if math.isfinite(x) else "np.inf"


def _constants(run: FinishedRun) -> str:
    values = Equations.of(run.ensemble.settings.rule, run.step, run.config.spiking.time_steps).constants()
    return ", ".join(f'"{k}": {_number(v)}' + (" * ms" if k.startswith("tau") else "") for k, v in values.items())


def _neurons(run: FinishedRun) -> str:
    rule = run.ensemble.settings.rule
    text = Equations.of(rule, run.step, run.config.spiking.time_steps)
    flat, both = rule.summary == "flat", rule.sides == "both"
    shared = run.ensemble.network.layers[0].shared
    return template.NEURONS.substitute(
        schedule=str(SCHEDULE).replace("'", '"'), neuron=text.neuron,
        threshold=text.threshold, post_factor=text.post_factor, reset=text.reset,
        synapse=text.synapse, eligibility=text.eligibility,
        on_pre="\n".join(f'    "{k}": """\n{v}\n""",' for k, v in text.on_pre.items()),
        slots="{" + ", ".join(f'"{k}": "{SLOTS[k]}"' for k in text.on_pre) + "}",
        neuron_at_rest=text.neuron_at_rest.replace("\n", "\\n"),
        synapse_at_rest=text.synapse_at_rest.replace("\n", "\\n"),
        summary="all units, position by position" if flat else "the mean over positions",
        summarised="self.activity().reshape(STREAMS, -1)" if flat else "self.activity().mean(1)",
        post_factor_method=(template.POST_FACTOR_METHOD if "above" in rule.reads else "")
        + (template.INPUT_ACTIVITY_METHOD if "input_activity" in rule.reads else ""),
        routed="m.reshape(self.shape[:3])" if flat
        else "np.repeat(m[:, None] / self.shape[1], self.shape[1], axis=1)",
        sum_before=", and those of the stimulus before" if both else "",
        update_before="        if m_before is not None and self.eligibility_before is not None:\n"
        '            update += np.einsum("bpn,bpnk->pnk", self.routed(m_before), self.eligibility_before)\n'
        if both else "",
        shared_sum="update.sum(0)  # positions share their weights" if shared else "update",
        hold_before="        self.eligibility_before = self.eligibility()\n" if both else "",
    )  # fmt: skip


def _learn(run: FinishedRun, circuits: list[Circuit], names: list[str]) -> str:
    """The function that changes all weights, with one call of a third factor per layer, from the top down."""
    rule, classes = run.ensemble.settings.rule, run.ensemble.network.classes
    reads, slow = rule.reads, run.ensemble.settings.statistics_decay is not None
    used = {name for circuit in circuits for name in circuit.inputs}
    signals = ["y = FIXATION[stimulus][:, None]"] if used & ({"y"} | RECALLED) else []
    signals += ["z = [layer.seen() for layer in layers]"] if used & ({"z"} | RECALLED) else []
    if reads & {"error", "target"}:
        signals.append(f"target = np.eye({classes})[LABELS[stimulus]]")
    if needs_readout(rule):
        signals.append("features = layers[-1].activity().reshape(STREAMS, -1)")
        signals.append("error = output_error(features, target)")
    if "top_context" in reads:
        signals.append("top_context = layers[-1].context")
    factors = ["factors = [None] * len(layers)"]
    for index in reversed(range(len(circuits))):
        factors += _chain(rule, circuits, index) + recall(rule, index, slow)
        arguments = ", ".join(f"{name}={_source(name, index, circuits)}" for name in circuits[index].inputs)
        factors.append(f"factors[{index}] = {names[index]}({arguments})")
    return template.LEARN.substitute(
        signals="".join(f"    {line}\n" for line in signals),
        factors="".join(f"    {line}\n" for line in factors).rstrip("\n"),
        change_weight='        change(f"layer{number}.weight", layer.update(m, m_before))\n' if rule.learns else "",
        change_readout='    change("readout.weight", -error.T @ features)\n' if needs_readout(rule) else "",
    )


def _source(name: str, index: int, circuits: list[Circuit]) -> str:
    """Where the script finds an input of a layer's third factor."""
    above = "readout" if index == len(circuits) - 1 else f"layer{index + 2}"
    places = {
        "z": f"z[{index}]",
        "c": f"layers[{index}].context",
        "weight_above": f'weights["{above}.weight"]',
        "input_activity": f"layers[{index}].input_activity()",
        "product_above": "rows.swapaxes(1, 2)",
    }
    if name in RECALLED and name not in circuits[index].own:
        return f'known["{name}"]'
    if name in circuits[index].own:
        return f'weights["layer{index + 1}.{name}"]'
    return places.get(name, name)


def _chain(rule: Rule, circuits: list[Circuit], index: int) -> list[str]:
    """Statements that bring down what comes from above layer `index`, before its third factor."""
    lines, above = [], index + 1
    top = above == len(circuits)
    if "credited_above" in circuits[index].inputs:
        credited = f"layers[{above}].routed(factors[{above}][0])" + _masked(above, rule.feedback_mask)
        lines.append("credited_above = " + ("-error[:, None]" if top else credited))
    if any(circuit.product_mask for circuit in circuits):
        mask = next(circuit.product_mask for circuit in circuits if circuit.product_mask)
        signal = f"rows.reshape(*rows.shape[:2], *layers[{above}].shape[1:3])" + _masked(above, mask, "[:, None]")
        below = f'sent_down(weights["layer{above + 1}.weight"], {signal})'
        lines.append("rows = " + ('weights["readout.weight"][None]' if top else below))
    return lines


def _masked(layer: int, mask: str, axes: str = "") -> str:
    """Times the ψ of a layer as the mask says."""
    shown = {"sample": "", "batch": ".mean(0, keepdims=True)"}
    return f" * layers[{layer}].post_factor(){shown[mask]}{axes}" if mask in shown else ""

"""A run as a Brian2 script that stands by itself: readable, without plastic, with its data beside it.

The neurons are the equations of plastic.models.backends.brian2.equations; the rule is written out from its
one declaration by plastic.rules.source, for its options and for each layer as they are. What is the
same for every run is copied from plastic.models.export.brian2.body: the functions and classes that this one uses.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from plastic.backends import capabilities
from plastic.errors import PlasticError
from plastic.files import replacing
from plastic.models.backends.refusals import refusal
from plastic.models.export.brian2.circuit import ThirdFactorSource
from plastic.models.export.brian2.copied import copied, imports_for
from plastic.models.export.brian2.parts import constants, equations, title
from plastic.models.export.brian2.wiring import learn, meanings
from plastic.models.runs.finished import FinishedRun, open_finished

SECTION = 119  # characters of a section's heading
CALL = """if __name__ == "__main__":
    sys.exit(main(data, weights, LAYERS, STEPS, EQUATIONS, learn, TOLERANCE))
"""


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
    run.refuse_own("a Brian2 script")
    rule, streams = run.ensemble.settings.rule, run.ensemble.settings.batch
    name = f"the run {str(run.path)!r} cannot become a Brian2 script:"
    if capabilities(run.config.backend).integers:
        raise PlasticError(f"{name} it learned in a chip's integers, and Brian2 has floats; take --to lava.")
    traces = run.ensemble.settings.statistics_decay
    reason = refusal(rule, "brian2", streams, "batch" if traces is None else "traces")
    if reason is not None:
        raise PlasticError(f"{name} {reason}")
    if rule.sides == "both" and "above_before" in rule.reads.signals:
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
        stimulus = ensemble.presentation.stream.next()
        encoded = ensemble.presentation.encode(stimulus.inputs, "spikes", count)[0].cpu().numpy()
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
    circuits = [ThirdFactorSource.of(run, index) for index in range(len(run.ensemble.network.layers))]
    single = len({circuit.text("") for circuit in circuits}) == 1
    names = ["third_factor" if single else f"third_factor_{n}" for n in range(1, len(circuits) + 1)]
    learning = learn(run, circuits, names)
    texts = [circuit.text(n) for circuit, n in zip(circuits, names, strict=True) if f"{n}(" in learning]
    factors = list(dict.fromkeys(texts))
    state = constants(run, data, learning)
    body = copied("\n".join([state, *factors, learning, CALL]))
    code = [
        "\n".join([*body["arrays"], "", state]),
        _section("neurons and synapses", "\n" + equations(run)), *body["neurons"],
        _section("the rule: third factor m_i of every neuron when a stimulus ends", meanings(factors)),
        *factors, *body["learning"], learning,
        _section("the run"), *body["data"], *body["simulation"], CALL,
    ]  # fmt: skip
    return "\n\n".join([title(run, name, data), imports_for("\n".join(code)), "\n\n\n".join(code)])


def _section(heading: str, text: str = "") -> str:
    """A heading over the text."""
    return f"# --- {heading} ".ljust(SECTION, "-") + f"\n{text}".rstrip()

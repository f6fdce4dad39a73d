"""Traces as a Neo block: signals, spike trains, and the stimuli as epochs."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from plastic.errors import PlasticError
from plastic.traces.exchange import about, exported, flattened, spike_trains, stimulus_rows
from plastic.traces.opened import Run, open_run


def load(name: str, package: str) -> Any:
    """An optional package; PlasticError if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PlasticError(
            f'this format needs {package} ({error}); install it with: pip install "{package}".'
        ) from None


def neo_block(run: Run) -> Any:
    """A neo.Block with one segment; physical units of the model (thresholds) are annotated, Neo knows none of them."""
    neo, pq = load("neo", "neo>=0.14"), load("quantities", "neo>=0.14")
    block = neo.Block(name=run.path.name, description=str(run.traces.attrs["equation"]))
    block.annotate(**{k: v if isinstance(v, str | int | float) else json.dumps(v) for k, v in about(run).items()})
    segment = neo.Segment(name="traces")
    block.segments.append(segment)
    for flat in flattened(run):
        signal = neo.IrregularlySampledSignal(
            times=flat.time * pq.ms, signal=flat.values(), units="dimensionless", name=flat.name
        )  # fmt: skip
        kept = ("signal", "symbol", "layer", "long_name")
        signal.annotate(
            unit=flat.attributes["units"],
            components=json.dumps(flat.components),
            stimulus=json.dumps(flat.stimulus.tolist()),
            **{k: flat.attributes[k] for k in kept},
        )
        segment.irregularlysampledsignals.append(signal)
    rows = stimulus_rows(run)
    end = rows[-1]["stop_ms"]
    for name, place, times in spike_trains(run):
        train = neo.SpikeTrain(times * pq.ms, t_start=0 * pq.ms, t_stop=end * pq.ms, name=f"{name} {place}")
        train.annotate(signal=name, **place)
        segment.spiketrains.append(train)
    for stream in [key.removeprefix("label_stream") for key in rows[0] if key.startswith("label_")]:
        labels = [
            f"{'fixation' if row[f'fixation_stream{stream}'] else 'saccade'} {row[f'label_stream{stream}']}"
            for row in rows
        ]
        starts = [row["start_ms"] for row in rows] * pq.ms
        lengths = [row["stop_ms"] - row["start_ms"] for row in rows] * pq.ms
        segment.epochs.append(neo.Epoch(starts, lengths, labels, name=f"stimuli of stream {stream}"))
    return block


def export_neo(source: Path, out: Path) -> dict[str, Any]:
    """Neo's MATLAB form (OUT.mat), which Neo and MATLAB read: nothing in it is pickled."""
    if out.suffix != ".mat":
        raise PlasticError(f"--to neo writes a .mat file that Neo and MATLAB read, not {str(out)!r}; end OUT in .mat.")
    block = neo_block(open_run(source))
    with exported(out) as place:
        load("neo", "neo>=0.14").io.NeoMatlabIO(filename=str(place)).write_block(block)
    segment = block.segments[0]
    return {"signals": len(segment.irregularlysampledsignals), "spike trains": len(segment.spiketrains)}

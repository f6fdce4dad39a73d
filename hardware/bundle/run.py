"""A bundle run on Lava, and what it did beside what it should do. In a bundle `run.py` calls it.

    python run.py                   all stimuli
    python run.py --stimuli 20      the first ones only

Needs numpy and lava-nc (Python 3.10). Status 0 where Lava's bit-accurate model gives every spike,
modulator and weight of the emulator, 1 where it does not, 2 where the bundle is not as it was written.
Beside the float run, which rounds nothing, it prints how far integers go; that is no matter of status.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import PlasticError
from ..lava.fixed import PATIENCE, run_fixed
from ..lava.parts import ChipResponse
from ..program.spec import Program
from . import container


@dataclass(frozen=True)
class Bundle:
    """What a bundle holds, read and checked."""

    manifest: dict[str, Any]
    arrays: dict[str, Any]  # the program's, and the stimuli
    golden: dict[str, Any]  # what the emulator did
    floating: dict[str, Any]  # what the float run did

    @property
    def program(self) -> dict[str, Any]:
        return dict(self.manifest["program"])

    @property
    def stimuli(self) -> int:
        return len(self.arrays["fixation"])

    def sizes(self) -> list[int]:
        return [one["positions"] * one["neurons"] for one in self.program["layers"]]

    def spikes(self, which: str) -> Any:
        """Unpacked, (stimuli, time, n) of 0 and 1: of the input, of golden or of floating."""
        if which == "input":
            return np.unpackbits(self.arrays["spikes"], axis=2, count=self.program["inputs"])
        return np.unpackbits(getattr(self, which)["spikes"], axis=2, count=sum(self.sizes()))

    def first_weights(self) -> list[Any]:
        """Per layer, as the chip stores them when it starts: signed ones lose their last bit and those it has not."""
        lost = [9 - one["weight_bits"] for one in self.program["layers"]]
        given = (self.arrays[f"layer{n}.weight"] for n in range(1, len(lost) + 1))
        return [(weight >> bits) << bits for weight, bits in zip(given, lost, strict=True)]

    def targets(self) -> Any:
        return np.eye(self.program["classes"], dtype=np.int64)[self.arrays["labels"]]


def read_bundle(folder: Path) -> Bundle:
    """PlasticError for what is no bundle, not as it was written, or incomplete."""
    manifest, files = container.read(folder)
    try:
        parts = [container.from_npz(files[name], name) for name in ("arrays.npz", "golden.npz", "float.npz")]
        bundle = Bundle(manifest, *parts)
        shape = (bundle.stimuli, bundle.program["time_steps"])
        shapes = {bundle.spikes(which).shape[:2] for which in ("input", "golden", "floating")}
        lengths = {len(bundle.targets()), len(manifest["digests"]), len(bundle.golden["modulators"])}
        if shapes != {shape} or lengths != {bundle.stimuli}:
            raise ValueError("its arrays do not fit together")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise PlasticError(f"the bundle {str(folder)!r} is incomplete ({error}); {container.AGAIN}.") from None
    return bundle


def digest(weights: Sequence[Any]) -> str:
    """SHA-256 of all weights of a chip, layer by layer."""
    whole = hashlib.sha256()
    for weight in weights:
        whole.update(np.ascontiguousarray(weight, dtype="<i2").tobytes())
    return whole.hexdigest()


def on_lava(bundle: Bundle, count: int, timeout: int = PATIENCE, tags: bool = False) -> Iterator[ChipResponse]:
    """What Lava does with each of the first `count` stimuli: spikes, modulators, weights, and tags where asked for."""
    return run_fixed(
        Program.of(bundle.program, bundle.arrays), bundle.spikes("input")[:count], bundle.arrays["fixation"][:count],
        bundle.targets()[:count], seed=bundle.manifest["seed"], tags=tags, timeout=timeout,
    )  # fmt: skip


@dataclass
class Replay:
    """What a chip did, stimulus by stimulus."""

    spikes: list[Any] = field(default_factory=list)  # (time, units)
    modulators: list[Any] = field(default_factory=list)  # (units,), or of each step (time, units)
    digests: list[str] = field(default_factory=list)  # of all weights after it
    weights: list[Any] = field(default_factory=list)  # of the last one, per layer

    def add(self, response: ChipResponse) -> None:
        self.spikes.append(np.rint(response.spikes).astype(np.uint8))
        self.modulators.append(np.asarray(response.modulators, dtype=np.int64))
        self.weights = [np.asarray(one).astype(np.int16) for one in response.weights]
        self.digests.append(digest(self.weights))


def beside_emulator(bundle: Bundle, replay: Replay) -> dict[str, Any]:
    """How many spikes, modulators and weights differ from those of the emulator; all must be 0."""
    done = len(replay.spikes)
    golden, spikes = bundle.spikes("golden")[:done], np.stack(replay.spikes)
    modulators = bundle.golden["modulators"][:done]
    weights = None
    if done == bundle.stimuli:
        final = [bundle.golden[f"layer{n}.weight"] for n in range(1, len(replay.weights) + 1)]
        weights = sum(int((a != b).sum()) for a, b in zip(final, replay.weights, strict=True))
    digests = sum(a != b for a, b in zip(bundle.manifest["digests"], replay.digests, strict=False))
    return {
        "stimuli": done,
        "spikes": int(golden.sum()),
        "spikes_differing": int((golden != spikes).sum()),
        "modulators": int((modulators != 0).sum()),
        "modulators_differing": int((modulators != np.stack(replay.modulators)).sum()),
        "weights_moved": sum(int((a != b).sum()) for a, b in zip(bundle.first_weights(), replay.weights, strict=True)),
        "weights_differing": weights,
        "stimuli_with_other_weights": digests,
    }


def beside_float(bundle: Bundle, replay: Replay) -> dict[str, Any]:
    """Fraction of neurons × steps that agree with the float run; per layer the correlation, and slope against it, of
    how far the weights went, if all stimuli were run."""
    done = len(replay.spikes)
    floating, spikes = bundle.spikes("floating")[:done], np.stack(replay.spikes)
    record: dict[str, Any] = {
        "agreeing": float((floating == spikes).mean()),
        "spikes": int(spikes.sum()),
        "float_spikes": int(floating.sum()),
        "layers": [],
    }
    if done < bundle.stimuli:
        return record
    for number, weight in enumerate(replay.weights, 1):
        scale = bundle.program["scales"][number - 1]["weight"]
        start = bundle.floating[f"layer{number}.initial"]
        expected = (bundle.floating[f"layer{number}.weight"] - start).ravel()
        found = ((weight - bundle.first_weights()[number - 1]) / scale).ravel()
        square = float(expected @ expected)
        both = float(np.sqrt(square * (found @ found)))
        record["layers"].append(
            {
                "correlation": float(expected @ found) / both if both else None,
                "slope": float(expected @ found) / square if square else None,
                "largest_difference": float(np.abs(weight / scale - bundle.floating[f"layer{number}.weight"]).max()),
                "step": 1 / scale,
            }
        )
    return record


def exact(record: Mapping[str, Any]) -> bool:
    """Whether Lava and the emulator agree bit for bit, and there was something to agree on."""
    keys = ("spikes_differing", "modulators_differing", "weights_differing", "stimuli_with_other_weights")
    return not any(record[key] for key in keys) and record["spikes"] > 0


def report(bundle: Bundle, emulator: Mapping[str, Any], floating: Mapping[str, Any]) -> str:
    """Both comparisons, for a terminal."""
    about, program = bundle.manifest["about"], bundle.program
    synapses = sum(one["positions"] * one["neurons"] * one["fan_in"] for one in program["layers"])
    modulators = f"{emulator['modulators_differing']} of {emulator['modulators']} that are not zero differ"
    final = emulator["weights_differing"]
    lines = [
        f"{about['rule']}, {len(program['layers'])} layers, {sum(bundle.sizes())} neurons, {synapses} synapses; "
        f"{emulator['stimuli']} of {bundle.stimuli} stimuli of {program['time_steps']} steps; "
        f"{program['rounding']} rounding; profile {program['profile']}",
        "Lava, fixed point, beside the emulator:",
        f"  spikes      {emulator['spikes_differing']} of {emulator['spikes']} differ",
        f"  modulators  {modulators}",
        f"  weights     differ after {emulator['stimuli_with_other_weights']} of {emulator['stimuli']} stimuli"
        + ("" if final is None else f"; {final} of {synapses} at the end ({emulator['weights_moved']} moved)"),
        "Lava, fixed point, beside the float run:",
        f"  spikes      {floating['agreeing']:.2%} of neurons × steps agree; {floating['spikes']} spikes, "
        f"{floating['float_spikes']} in the float run",
    ]
    for number, layer in enumerate(floating["layers"], 1):
        correlation, slope = ("–" if layer[k] is None else f"{layer[k]:.3f}" for k in ("correlation", "slope"))
        furthest = layer["largest_difference"]
        lines.append(
            f"  weights     layer {number}: changes correlate by {correlation}, slope {slope}; largest difference "
            f"{furthest:.3f} thresholds, {furthest / layer['step']:.1f} weight steps"
        )
    return "\n".join([*lines, "agree: bit for bit" if exact(emulator) else "DISAGREE"])


def main(folder: Path, arguments: Sequence[str] | None = None) -> int:
    """`run.py` of the bundle in that folder."""
    parser = argparse.ArgumentParser(description="Run this bundle on Lava and compare it with the emulator.")
    parser.add_argument("--stimuli", type=int, help="only so many, from the first")
    parser.add_argument("--timeout", type=int, default=PATIENCE, help="seconds that Lava may take for a stimulus")
    chosen = parser.parse_args(arguments)
    try:
        bundle = read_bundle(folder)
        count = bundle.stimuli if chosen.stimuli is None else chosen.stimuli
        if not 0 < count <= bundle.stimuli:
            raise PlasticError(f"--stimuli is {count}; there are {bundle.stimuli}.")
        replay = Replay()
        print(f"running {count} stimuli on Lava …", flush=True)
        for response in on_lava(bundle, count, chosen.timeout):
            replay.add(response)
        record = beside_emulator(bundle, replay)
        print(report(bundle, record, beside_float(bundle, replay)))
        return 0 if exact(record) else 1
    except PlasticError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2

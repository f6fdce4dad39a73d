"""A bundle run on Lava, and what it did beside what it should do. In a bundle this file is `run.py`.

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

from plastic.errors import PlasticError
from plastic.hardware.bundle import container
from plastic.hardware.program.circuit import Circuit, IntegerCircuit

PATIENCE = 120  # seconds that Lava may take for one stimulus


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
        parts = [container.unpack(files[name], name) for name in ("arrays.npz", "golden.npz", "float.npz")]
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


def lava_run(bundle: Bundle, stimuli: int, timeout: int = PATIENCE) -> Iterator[Any]:
    """What Lava does with each stimulus: spikes, modulators, weights."""
    from plastic.hardware.lava.shim import load_lava

    load_lava()
    from plastic.hardware.lava.parts import LayerSpec

    program, seed = bundle.program, bundle.manifest["seed"]
    layers = []
    for number, layer in enumerate(program["layers"], 1):
        c, rule = layer["constants"], layer["plasticity"]
        table = bundle.arrays[f"layer{number}.post_factor"]
        constants = (c["current_decay"], c["membrane_decay"], c["threshold"], table, c["post_factor_shift"])
        learning = {} if rule is None else bundle.manifest["learning_rules"][number - 1]
        first = 0 if rule is None else rule["seed"] + seed
        weight = bundle.arrays[f"layer{number}.weight"].astype(np.int32)
        layers.append(LayerSpec(weight, constants, learning, first, layer["weight_exponent"], layer["weight_bits"]))
    network: Any
    if program["profile"] == "hw-2f":
        from plastic.hardware.lava.stock import StockNetwork

        network = StockNetwork(layers, bundle.spikes("input")[:stimuli])
        yield from network.run(weights_every=1, timeout=timeout)
        return
    from plastic.hardware.lava.network import LavaNetwork

    state = {k.removeprefix("state/"): v[None] for k, v in bundle.arrays.items() if k.startswith("state/")}
    circuit = IntegerCircuit(
        Circuit.of(program["circuit"]), bundle.sizes(), program["inputs"], program["time_steps"],
        [one["modulator_scale"] for one in program["layers"]], [one["modulator_shift"] for one in program["layers"]],
        None if program["rounding"] == "nearest" else [seed], state, early=program["eligibility"] == "none",
        steps=None if program["steps"] is None else Circuit.of(program["steps"]),
    )  # fmt: skip
    network = LavaNetwork(
        layers, circuit, bundle.spikes("input")[:stimuli], bundle.arrays["fixation"][:stimuli],
        bundle.targets()[:stimuli], rounding=program["rounding"], period=program["learning_period"],
        early=program["eligibility"] == "none", stepwise=program["steps"] is not None,
    )  # fmt: skip
    yield from network.run(weights_every=1, timeout=timeout)


@dataclass
class Track:
    """What Lava did, stimulus by stimulus."""

    spikes: list[Any] = field(default_factory=list)  # (time, units)
    modulators: list[Any] = field(default_factory=list)  # (units,), or of each step (time, units)
    digests: list[str] = field(default_factory=list)  # of all weights after it
    weights: list[Any] = field(default_factory=list)  # of the last one, per layer

    def add(self, seen: Any) -> None:
        self.spikes.append(np.rint(seen.spikes).astype(np.uint8))
        self.modulators.append(np.asarray(seen.modulators, dtype=np.int64))
        self.weights = [np.asarray(one).astype(np.int16) for one in seen.weights]
        self.digests.append(digest(self.weights))


def beside_emulator(bundle: Bundle, track: Track) -> dict[str, Any]:
    """How many spikes, modulators and weights differ from those of the emulator; all must be 0."""
    done = len(track.spikes)
    golden, spikes = bundle.spikes("golden")[:done], np.stack(track.spikes)
    told = bundle.golden["modulators"][:done]
    weights = None
    if done == bundle.stimuli:
        final = [bundle.golden[f"layer{n}.weight"] for n in range(1, len(track.weights) + 1)]
        weights = sum(int((a != b).sum()) for a, b in zip(final, track.weights, strict=True))
    digests = sum(a != b for a, b in zip(bundle.manifest["digests"], track.digests, strict=False))
    return {
        "stimuli": done,
        "spikes": int(golden.sum()),
        "spikes_differing": int((golden != spikes).sum()),
        "modulators": int((told != 0).sum()),
        "modulators_differing": int((told != np.stack(track.modulators)).sum()),
        "weights_moved": sum(int((a != b).sum()) for a, b in zip(bundle.first_weights(), track.weights, strict=True)),
        "weights_differing": weights,
        "stimuli_with_other_weights": digests,
    }


def beside_float(bundle: Bundle, track: Track) -> dict[str, Any]:
    """Fraction of neurons × steps that agree with the float run; per layer the correlation, and slope against it, of
    how far the weights went, if all stimuli were run."""
    done = len(track.spikes)
    floating, spikes = bundle.spikes("floating")[:done], np.stack(track.spikes)
    record: dict[str, Any] = {
        "agreeing": float((floating == spikes).mean()),
        "spikes": int(spikes.sum()),
        "float_spikes": int(floating.sum()),
        "layers": [],
    }
    if done < bundle.stimuli:
        return record
    for number, weight in enumerate(track.weights, 1):
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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run this bundle on Lava and compare it with the emulator.")
    parser.add_argument("--stimuli", type=int, help="only so many, from the first")
    parser.add_argument("--timeout", type=int, default=PATIENCE, help="seconds that Lava may take for a stimulus")
    chosen = parser.parse_args(arguments)
    try:
        bundle = read_bundle(Path(__file__).parent)
        count = bundle.stimuli if chosen.stimuli is None else chosen.stimuli
        if not 0 < count <= bundle.stimuli:
            raise PlasticError(f"--stimuli is {count}; there are {bundle.stimuli}.")
        track = Track()
        print(f"running {count} stimuli on Lava …", flush=True)
        for seen in lava_run(bundle, count, chosen.timeout):
            track.add(seen)
        record = beside_emulator(bundle, track)
        print(report(bundle, record, beside_float(bundle, track)))
        return 0 if exact(record) else 1
    except PlasticError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""A program as a bundle that runs on Lava without plastic.

manifest.json   the integer program, learning rules, digests of the weights after every stimulus, SHA-256 of all files
arrays.npz      initial weights, tables, circuit state; stimuli: input spikes (bits), fixations, labels
golden.npz      what the emulator did: spikes (bits), modulators, last weights
float.npz       what the float run did on the same stimuli: spikes (bits), first and last weights
run.py          runs it on Lava and compares; needs numpy and lava-nc
plastic_lava/   what run.py calls: modules of plastic, copied as they are
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import plastic
from plastic.hardware.bundle import container
from plastic.hardware.bundle.run import Bundle, Replay, beside_float
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.lava.grammar import rule_string
from plastic.hardware.lava.parts import ChipResponse
from plastic.hardware.program.spec import Program
from plastic.runs.folder import versions

CODE = (  # of plastic.hardware, in every bundle: they import one another, by relative imports, numpy and Lava alone
    "__init__", "bundle/__init__", "bundle/container", "bundle/run", "lava/__init__", "lava/fixed", "lava/grammar",
    "lava/parts", "lava/shim", "lava/stock", "program/__init__", "program/arithmetic", "program/circuit",
    "program/running", "program/spec",
)  # fmt: skip
PROFILE_CODE = {"sim-3f": ("lava/network", "lava/processes/__init__", "lava/processes/models"), "hw-2f": ()}
PACKAGE = "plastic_lava"
RUN = f"""\
import sys
from pathlib import Path

from {PACKAGE}.hardware.bundle.run import main

sys.exit(main(Path(__file__).parent))
"""
README = """# {rule} on Loihi's learning engine

    {equation}

Made by plastic {version}. A network whose synapses learn on the chip's learning engine, as integers, with the
stimuli it is checked on and what it should do. Needs Python 3.10 and two packages:

    python3.10 -m venv venv && venv/bin/pip install lava-nc==0.10.0
    venv/bin/python run.py

runs {stimuli} stimuli on Lava's bit-accurate model and compares every spike, modulator and weight with what the
emulator of plastic did (`golden.npz`), and with the float run that the program was made from (`float.npz`).
With plastic, `plastic verify .` does so too, and runs the emulator beside it.

Profile {profile}: {meaning}

What everything in `manifest.json` means is said in plastic_lava/hardware/program/spec.py.
"""
MEANING = {
    "sim-3f": "neurons and modulatory circuit are processes of our own for Lava's CPU models "
    "(`plastic_lava/hardware/lava/processes`). On silicon they would have to be microcode and an embedded process.",
    "hw-2f": "Lava's own processes only (LIF, Dense, buffers); the host sets membranes to rest between stimuli. "
    "Untested on silicon.",
}


@dataclass(frozen=True)
class Recording:
    """The stimuli that a chip gets. spikes: (stimuli, time, inputs) of 0 and 1; fixation: ±1; labels."""

    spikes: NDArray[np.uint8]
    fixation: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class FloatRun:
    """What the float network did on the same stimuli. spikes: (stimuli, time, units); weights: per layer
    (positions, neurons, fan_in)."""

    spikes: NDArray[np.uint8]
    initial: list[NDArray[np.float64]]
    final: list[NDArray[np.float64]]


def write_bundle(
    folder: Path, program: Program, stimuli: Recording, floating: FloatRun, seed: int, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the emulator, and write all of it to a new folder, whole or not at all.

    Returns how the emulator and the float run compare (see beside_float), for display.
    """
    plain, arrays = program.plain()
    golden, digests, replay = _golden(program, stimuli, seed)
    manifest = {
        "profile": program.profile,
        "tested": "on Lava's CPU models, bit-accurate; untested on silicon",
        "about": {**about, "versions": versions()},
        "seed": seed,
        "learning_rules": [_learning(layer) for layer in program.layers],
        "digests": digests,
        "program": plain,
    }
    parts = {
        "arrays.npz": arrays
        | {"spikes": _bits(stimuli.spikes), "fixation": stimuli.fixation, "labels": stimuli.labels},
        "golden.npz": golden,
        "float.npz": {"spikes": _bits(floating.spikes)}
        | {f"layer{n}.initial": w for n, w in enumerate(floating.initial, 1)}
        | {f"layer{n}.weight": w for n, w in enumerate(floating.final, 1)},
    }
    files = {name: container.to_npz(part) for name, part in parts.items()} | code_files(program.profile)
    files["README.md"] = README.format(
        rule=about["rule"], equation=about["equation"], version=versions()["plastic"], stimuli=len(digests),
        profile=program.profile, meaning=MEANING[program.profile],
    ).encode()  # fmt: skip
    container.write(folder, manifest, files)
    return beside_float(Bundle({"program": plain}, *parts.values()), replay)


def _bits(spikes: NDArray[Any]) -> NDArray[np.uint8]:
    return np.packbits(np.asarray(spikes) > 0, axis=2)


def _learning(layer: Any) -> dict[str, Any]:
    """The learning rule of a layer in the grammar of the learning engine; none: empty."""
    rule = layer.plasticity
    if rule is None:
        return {}
    changes = {"dw": rule_string(rule.weight_change), "dt": rule_string(rule.tag_change)}
    return changes | {"x1_impulse": rule.trace_impulse, "x1_tau": rule.trace_tau}


def _golden(program: Program, stimuli: Recording, seed: int) -> tuple[dict[str, Any], list[str], Replay]:
    """What the emulator does, for the bundle."""
    replay = Replay()
    for step in emulate(program, stimuli, seed):
        replay.add(step)
    last = {f"layer{n}.weight": weight for n, weight in enumerate(replay.weights, 1)}
    modulators = np.stack(replay.modulators).astype(np.int8)
    return {"spikes": _bits(np.stack(replay.spikes)), "modulators": modulators, **last}, replay.digests, replay


def emulate(program: Program, stimuli: Recording, seed: int) -> Iterator[ChipResponse]:
    """One chip in the emulator, stimulus by stimulus."""
    emulator = Emulator(program, [seed])
    targets = np.eye(program.classes, dtype=np.int64)[stimuli.labels]
    for at in range(len(stimuli.fixation)):
        one = slice(at, at + 1)
        done = emulator.stimulus(stimuli.spikes[one], False, stimuli.fixation[one], targets[one])
        tags = [tag[0] for tag in emulator.tags]
        modulators = emulator.learn(done, stimuli.fixation[one], targets[one])
        spikes = np.concatenate([layer[0] for layer in done.spikes], axis=1)
        yield ChipResponse(spikes, modulators[0], tags, [weight[0] for weight in emulator.weights])


def code_files(profile: str) -> dict[str, bytes]:
    """The Python of a bundle: run.py, and modules of plastic byte for byte."""
    root = Path(plastic.__file__).parent
    hardware = Path(__file__).parents[1]
    files = {
        "run.py": RUN.encode(),
        f"{PACKAGE}/__init__.py": b"",
        f"{PACKAGE}/errors.py": (root / "errors.py").read_bytes(),
    }
    for name in (*CODE, *PROFILE_CODE[profile]):
        files[f"{PACKAGE}/hardware/{name}.py"] = (hardware / f"{name}.py").read_bytes()
    return files

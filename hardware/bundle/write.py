"""A program as a bundle that runs on Lava without plastic, and the verification of a bundle.

manifest.json   the integer program, learning rules, digests of the weights after every stimulus, SHA-256 of all files
arrays.npz      initial weights, tables, circuit state; stimuli: input spikes (bits), fixations, labels
golden.npz      what the emulator did: spikes (bits), modulators, last weights
float.npz       what the float run did on the same stimuli: spikes (bits), first and last weights
run.py          runs it on Lava and compares; needs numpy and lava-nc; beside it what it imports
plastic_lava/   the leaf package of Lava processes: neurons and modulatory circuit (profile sim-3f)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import plastic
from plastic.errors import PlasticError
from plastic.hardware.bundle import container
from plastic.hardware.bundle.run import Bundle, Track, beside_emulator, beside_float, exact, read_bundle
from plastic.hardware.emulator.emulator import Emulator
from plastic.hardware.lava.fixed import run_fixed
from plastic.hardware.lava.grammar import rule_string
from plastic.hardware.program.spec import Program
from plastic.runs.folder import versions

HERE = Path(__file__).parents[1]
CODE = {  # files of every bundle, and where they come from
    "run.py": HERE / "bundle" / "run.py",
    "container.py": HERE / "bundle" / "container.py",
    "arithmetic.py": HERE / "program" / "arithmetic.py",
    "circuit.py": HERE / "program" / "circuit.py",
    "lava_parts.py": HERE / "lava" / "parts.py",
    "shim.py": HERE / "lava" / "shim.py",
    "stock_network.py": HERE / "lava" / "stock.py",
    "errors.py": Path(plastic.__file__).parent / "errors.py",
}
PROFILE_CODE: dict[str, dict[str, Path]] = {
    "sim-3f": {
        "lava_network.py": HERE / "lava" / "network.py",
        "plastic_lava/__init__.py": HERE / "lava" / "processes" / "__init__.py",
        "plastic_lava/processes.py": HERE / "lava" / "processes" / "models.py",
    },
    "hw-2f": {},
}
RENAMED = (  # in this order
    ("plastic.hardware.lava.processes.models", "plastic_lava.processes"),
    ("from plastic.hardware.bundle import container", "import container"),
    ("plastic.hardware.bundle.container", "container"),
    ("plastic.hardware.lava.parts", "lava_parts"),
    ("plastic.hardware.lava.shim", "shim"),
    ("plastic.hardware.lava.stock", "stock_network"),
    ("plastic.hardware.lava.network", "lava_network"),
    ("plastic.hardware.program.", ""),
    ("plastic.errors", "errors"),
)
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

What everything in `manifest.json` means is said in hardware/program/spec.py.
"""
MEANING = {
    "sim-3f": "neurons and modulatory circuit are processes of our own for Lava's CPU models (`plastic_lava/`). On "
    "silicon they would have to be microcode and an embedded process.",
    "hw-2f": "Lava's own processes only (LIF, Dense, buffers); the host sets membranes to rest between stimuli. "
    "Untested on silicon.",
}


@dataclass(frozen=True)
class Stimuli:
    """What the chip is shown. spikes: (stimuli, time, inputs) of 0 and 1; fixation: ±1; labels."""

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
    folder: Path, program: Program, stimuli: Stimuli, floating: FloatRun, seed: int, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Run the emulator, and write all of it to a new folder, whole or not at all.

    Returns how the emulator and the float run compare (see beside_float), for display.
    """
    plain, arrays = program.plain()
    golden, digests, track = _golden(program, stimuli, seed)
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
    files = {name: container.pack(part) for name, part in parts.items()} | code_files(program.profile)
    files["README.md"] = README.format(
        rule=about["rule"], equation=about["equation"], version=versions()["plastic"], stimuli=len(digests),
        profile=program.profile, meaning=MEANING[program.profile],
    ).encode()  # fmt: skip
    container.write(folder, manifest, files)
    return beside_float(Bundle({"program": plain}, *parts.values()), track)


def _bits(spikes: NDArray[Any]) -> NDArray[np.uint8]:
    return np.packbits(np.asarray(spikes) > 0, axis=2)


def _learning(layer: Any) -> dict[str, Any]:
    """The learning rule of a layer in the grammar of the learning engine; none: empty."""
    rule = layer.plasticity
    if rule is None:
        return {}
    changes = {"dw": rule_string(rule.weight_change), "dt": rule_string(rule.tag_change)}
    return changes | {"x1_impulse": rule.trace_impulse, "x1_tau": rule.trace_tau}


def _golden(program: Program, stimuli: Stimuli, seed: int) -> tuple[dict[str, Any], list[str], Track]:
    """What the emulator does, for the bundle."""
    track = Track()
    for step in emulate(program, stimuli, seed):
        track.add(step)
    last = {f"layer{n}.weight": weight for n, weight in enumerate(track.weights, 1)}
    told = np.stack(track.modulators).astype(np.int8)
    return {"spikes": _bits(np.stack(track.spikes)), "modulators": told, **last}, track.digests, track


@dataclass(frozen=True)
class Emulated:
    """One stimulus in the emulator; shapes as plastic.hardware.lava.network.Seen has them."""

    spikes: NDArray[np.uint8]
    modulators: NDArray[np.int32]
    tags: list[NDArray[np.int16]]
    weights: list[NDArray[np.int16]]


def emulate(program: Program, stimuli: Stimuli, seed: int) -> Iterator[Emulated]:
    """One chip in the emulator, stimulus by stimulus."""
    emulator = Emulator(program, [seed])
    targets = np.eye(program.classes, dtype=np.int64)[stimuli.labels]
    for at in range(len(stimuli.fixation)):
        one = slice(at, at + 1)
        done = emulator.stimulus(stimuli.spikes[one], False, stimuli.fixation[one], targets[one])
        tags = [tag[0] for tag in emulator.tags]
        told = emulator.learn(done, stimuli.fixation[one], targets[one])
        spikes = np.concatenate([layer[0] for layer in done.spikes], axis=1)
        yield Emulated(spikes, told[0], tags, [weight[0] for weight in emulator.weights])


def code_files(profile: str) -> dict[str, bytes]:
    """The Python of a bundle: plastic's own, with imports from beside it."""
    files = {}
    for name, source in (CODE | PROFILE_CODE[profile]).items():
        text = source.read_text(encoding="utf-8")
        for old, new in RENAMED:
            text = text.replace(old, new)
        files[name] = text.encode()
    return files


def verify(folder: Path, count: int | None, timeout: int) -> dict[str, Any]:
    """The bundle on Lava, beside the emulator run anew, what it says that the emulator did, and the float run.

    PlasticError for what is no bundle, not as it was written, or where Lava is not installed. Nothing
    in the bundle is executed: the code that runs is this plastic's.
    """
    bundle = read_bundle(folder)
    program = Program.of(bundle.program, bundle.arrays)
    count = bundle.stimuli if count is None else count
    if not 0 < count <= bundle.stimuli:
        raise PlasticError(f"--stimuli is {count}; the bundle has {bundle.stimuli}.")
    seed, arrays = bundle.manifest["seed"], bundle.arrays
    stimuli = Stimuli(bundle.spikes("input")[:count], arrays["fixation"][:count], arrays["labels"][:count])
    targets = bundle.targets()[:count]
    lava = run_fixed(
        program, stimuli.spikes, stimuli.fixation, targets, seed=seed, tags=True, weights_every=1, timeout=timeout
    )
    ours, theirs, tags = Track(), Track(), 0
    for emulated, seen in zip(emulate(program, stimuli, seed), lava, strict=True):
        ours.add(emulated)
        theirs.add(seen)
        tags += sum(int((a != b).sum()) for a, b in zip(emulated.tags, seen.tags, strict=True))
    emulator, stored = beside_emulator(bundle, theirs), beside_emulator(bundle, ours)
    return {
        "emulator": emulator,
        "tags_differing": tags,
        "stored_is_emulator": exact(stored),
        "float": beside_float(bundle, theirs),
        "code_is_ours": _same_code(folder, program.profile),
        "agrees": exact(emulator) and exact(stored) and tags == 0,
        "bundle": bundle,
    }


def _same_code(folder: Path, profile: str) -> bool:
    _, files = container.read(folder)
    return all(files.get(name) == text for name, text in code_files(profile).items())

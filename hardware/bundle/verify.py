"""The verification of a bundle: Lava beside the emulator run anew, and beside what the bundle says of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plastic.errors import PlasticError
from plastic.hardware.bundle import container
from plastic.hardware.bundle.run import Replay, beside_emulator, beside_float, exact, on_lava, read_bundle
from plastic.hardware.bundle.write import Recording, code_files, emulate
from plastic.hardware.program.spec import Program


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
    arrays = bundle.arrays
    stimuli = Recording(bundle.spikes("input")[:count], arrays["fixation"][:count], arrays["labels"][:count])
    ours, lavas, tags = Replay(), Replay(), 0
    pairs = zip(
        emulate(program, stimuli, bundle.manifest["seed"]), on_lava(bundle, count, timeout, tags=True), strict=True
    )
    for emulated, lava in pairs:
        ours.add(emulated)
        lavas.add(lava)
        tags += sum(int((a != b).sum()) for a, b in zip(emulated.tags, lava.tags, strict=True))
    emulator, stored = beside_emulator(bundle, lavas), beside_emulator(bundle, ours)
    return {
        "emulator": emulator,
        "tags_differing": tags,
        "stored_is_emulator": exact(stored),
        "float": beside_float(bundle, lavas),
        "code_is_ours": _same_code(folder, program.profile),
        "agrees": exact(emulator) and exact(stored) and tags == 0,
        "bundle": bundle,
    }


def _same_code(folder: Path, profile: str) -> bool:
    _, files = container.read(folder)
    return all(files.get(name) == text for name, text in code_files(profile).items())

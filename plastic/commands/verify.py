"""plastic verify."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plastic.terminal.console import Console


@dataclass(frozen=True)
class Verify:
    """Run an exported bundle on Lava and compare it, spike by spike and weight by weight.

    Lava's bit-accurate fixed-point model runs beside plastic's integer emulator, and must give the same
    spikes, modulators, tags and weights, bit for bit: status 1 if it does not. Beside the float run it
    prints how far integers go. A bundle that was changed, cut short, or is none is refused with status 2.

    Examples:
      plastic verify runs/on-chip/bundle
      plastic verify runs/on-chip/bundle --stimuli 20
    """

    bundle: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="DIR")]
    """Folder that `plastic export RUN --to lava DIR` wrote."""
    stimuli: int | None = None
    """Only so many, from the first."""
    timeout: int = 120
    """Seconds that Lava may take for one stimulus."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.hardware.bundle.run import report
        from plastic.hardware.bundle.verify import verify

        found = verify(self.bundle, self.stimuli, self.timeout)
        bundle = found.pop("bundle")
        console = Console(stderr=self.json)
        console.print(report(bundle, found["emulator"], found["float"]), soft_wrap=True, highlight=False, markup=False)
        stored = "as the bundle says" if found["stored_is_emulator"] else "NOT what the bundle says"
        code = "as this plastic writes it" if found["code_is_ours"] else "of another plastic, or changed"
        summary = f"tags: {found['tags_differing']} differ; emulator run anew: {stored}; code in the bundle: {code}"
        console.print(summary, soft_wrap=True, highlight=False)
        if self.json:
            print(json.dumps(found))
        return 0 if found["agrees"] else 1

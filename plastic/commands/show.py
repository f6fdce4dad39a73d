"""plastic show."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plastic.errors import PlasticError
from plastic.terminal.console import Console
from plastic.terminal.report import network_table


@dataclass(frozen=True)
class Show:
    """Draw a network: a picture, and a table of its populations, projections, weights, and of who learns.

    Examples:
      plastic show net.toml
      plastic show net.py:NET --out net.png
      plastic show runs/demo
    """

    network: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NET")]
    """FILE.toml, FILE.py:NAME, or the folder of a run."""
    out: Path = Path("network.png")
    """The picture."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.models.runs.described import described_in
        from plastic.pictures.network import draw_network

        title, populations = described_in(self.network)
        try:
            draw_network(self.out, title, populations)
        except (OSError, ValueError) as error:  # also of a name that says no kind of picture
            raise PlasticError(f"cannot write the picture {str(self.out)!r} ({error}); choose another --out.") from None
        console = Console(stderr=self.json)
        console.print(network_table(title, populations))
        console.print(f"picture: {self.out}", soft_wrap=True)
        if self.json:
            rows = [dataclasses.asdict(one) for one in populations]
            print(json.dumps({"network": title, "populations": rows, "picture": str(self.out)}, ensure_ascii=False))
        return 0

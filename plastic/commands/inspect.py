"""plastic inspect."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from plastic.errors import PlasticError
from plastic.terminal.console import Console

if TYPE_CHECKING:
    from plastic.traces.opened import Run


PORT = 8765


def parse_window(text: str) -> tuple[int, int]:
    """First and last stimulus of A:B; PlasticError if that is no window."""
    first, colon, last = text.partition(":")
    if not (colon and first.isdigit() and last.isdigit() and 1 <= int(first) <= int(last)):
        raise PlasticError(f"--window is {text!r}; write it as A:B, the first and the last stimulus, such as 401:406.")
    return int(first), int(last)


@dataclass(frozen=True)
class Inspect:
    """Look at a run: every factor of a synapse on one axis of time, and the network over the run.

    Writes one HTML file that needs no network and no server. Choose layer, post and pre neuron; drag to
    zoom, double-click to zoom out, arrow keys for the next and the previous stimulus, + and − for more or
    less; the address holds the view, so it can be passed on.

    Examples:
      plastic inspect runs/demo --open
      plastic inspect runs/demo --window 401:450 --out page.html
      plastic inspect runs/demo --serve
    """

    run_folder: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path | None = None
    """HTML file (default inspect.html in the run folder)."""
    window: str | None = None
    """Only the stimuli A:B, from the first to the last."""
    open: bool = False
    """Open the page in the browser."""
    serve: bool = False
    """Serve the page on this machine instead of writing it: for runs too big for one file, or that go on."""
    port: int = PORT
    """With --serve; 0 takes a free one."""

    def run(self) -> int:
        from plastic.traces.opened import open_run
        from plastic.traces.page import write_page

        run = open_run(self.run_folder)
        window = None if self.window is None else parse_window(self.window)
        if self.serve:
            return self._serve(run, window)
        if self.port != PORT:
            raise PlasticError("--port is of --serve; add --serve, or leave it out.")
        out = self.out or self.run_folder / "inspect.html"
        if out.suffix.lower() not in (".html", ".htm"):
            raise PlasticError(f"cannot write the page {str(out)!r}; --out ends in .html.")
        write_page(run, out, window)
        Console().print(f"page: {out} ({out.stat().st_size / 1e6:.1f} MB)", soft_wrap=True)
        if self.open:
            webbrowser.open(out.resolve().as_uri())
        return 0

    def _serve(self, run: Run, window: tuple[int, int] | None) -> int:
        from plastic.traces.serve import server

        if self.out is not None:
            raise PlasticError("--serve writes no file; leave --out out.")
        with server(run, self.port, window) as serving:
            address = f"http://127.0.0.1:{serving.server_address[1]}/"
            Console().print(f"page: {address} (stop with Ctrl-C)", soft_wrap=True)
            if self.open:
                webbrowser.open(address)
            with suppress(KeyboardInterrupt):
                serving.serve_forever()
        return 0

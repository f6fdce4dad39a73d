"""The console that all commands print to."""

from __future__ import annotations

import rich.console


class Console(rich.console.Console):
    """rich's, but a pipe that nobody reads is an exception like any other (rich would exit with status 1)."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

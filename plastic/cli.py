"""The command line: plastic COMMAND …"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from functools import reduce
from io import StringIO
from operator import or_
from pathlib import Path
from typing import Annotated, Any

import tyro

from plastic import __version__
from plastic.commands.about import Cite, Doctor, Neurons, Rules
from plastic.commands.align import Align
from plastic.commands.check import Check
from plastic.commands.export import Export
from plastic.commands.figure import Figure
from plastic.commands.inspect import Inspect
from plastic.commands.probe_rule import ProbeRule
from plastic.commands.show import Show
from plastic.commands.simulate import Simulate
from plastic.commands.sweep import Sweep
from plastic.commands.traces import Compare, Traces
from plastic.commands.verify import Verify
from plastic.config.file import read_config
from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.loading import raised_at
from plastic.terminal.arguments import CHOICES, sentence

COMMANDS: dict[str, Any] = {  # beside simulate, in the order of --help
    "align": Align,
    "show": Show,
    "inspect": Inspect,
    "traces": Traces,
    "compare": Compare,
    "probe-rule": ProbeRule,
    "check": Check,
    "export": Export,
    "verify": Verify,
    "sweep": Sweep,
    "figure": Figure,
    "rules": Rules,
    "neurons": Neurons,
    "cite": Cite,
    "doctor": Doctor,
}


def parse(arguments: Sequence[str]) -> Any:
    """The command object; raises PlasticError where the arguments do not fit."""
    commands: Any = reduce(or_, (Annotated[c, _subcommand(name, c, arguments)] for name, c in COMMANDS.items()))
    simulate = _subcommand("simulate", Simulate, arguments, default=Simulate(settings=_file_settings(arguments)))
    commands = Annotated[Simulate, simulate] | commands
    with CHOICES, redirect_stderr(StringIO()) as box:
        try:
            return tyro.cli(
                commands,
                prog="plastic",
                description="Synaptic plasticity as three-factor rules: pre × post × modulator.",
                args=list(arguments),
                config=(tyro.conf.OmitSubcommandPrefixes,),
            )
        except SystemExit as end:
            if end.code != 2:
                raise
    named = arguments[0] if arguments and arguments[0] in ("simulate", *COMMANDS) else ""
    raise PlasticError(sentence(box.getvalue(), named))


def _subcommand(name: str, command: type, arguments: Sequence[str], **options: Any) -> Any:
    """The command; its own help is its whole docstring (tyro leaves the examples out), the list has the first lines."""
    text = inspect.getdoc(command) or ""
    displayed = text if name in arguments[:1] else text.partition("\n\n")[0]
    return tyro.conf.subcommand(name, description=displayed, **options)


def _file_settings(arguments: Sequence[str]) -> Config:
    """The settings of --config, which become the defaults of all other options."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--config="):
            return read_config(Path(argument.partition("=")[2]))
        if argument == "--config" and index + 1 < len(arguments):
            return read_config(Path(arguments[index + 1]))
    return Config()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; bad input gets one sentence and status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if list(arguments) == ["--version"]:
            print(f"plastic {__version__}")
            return 0
        status = int(parse(arguments).run())
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `plastic rules | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain at its exit
        return 0
    except PlasticError as error:
        print(f"plastic: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except Exception as error:
        if (place := raised_at(error)) is None:
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        print(
            f"plastic: line {place[1]} of the {place[2]} file {place[0]!r} raised {text}; correct it there.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("plastic: stopped; what was written until now is kept.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

"""What the parser of the command line (tyro) says in a box, as one sentence."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

KINDS = {"INT": "a whole number", "FLOAT": "a number"}
FRAME = re.compile(r"^[│╭╰|+]\s?|\s*[│╮╯|+]$")  # drawn in ASCII where the terminal has no more


CHOICES = ConstructorRegistry()


@CHOICES.primitive_rule
def _choice(found: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[str] | None:
    """A `Literal` shows its options in --help, and takes any text: settings are checked in one place, for files too."""
    if get_origin(found.type) is not Literal:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(get_args(found.type)) + "}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda value: [value],
    )


def sentence(box: str, command: str) -> str:
    """What is wrong with the arguments of `plastic COMMAND` (empty: of `plastic`), and how to put it right."""
    lines = [FRAME.sub("", line) for line in box.splitlines()]
    body = [line for line in lines[1:] if line.strip("─- ")]
    text = " ".join(" ".join(body).split())
    asked = f"plastic {command} --help" if command else "plastic --help"
    return f"{_wrong(text, command)}; `{asked}` lists what there is."


def _wrong(text: str, command: str) -> str:
    if found := re.match(r"Error parsing (\S+): .*?'([^']*)'\]?\.? ", text):
        option, value = found.groups()
        kind = re.search(rf"Argument helptext: {re.escape(option)} \S*?(INT|FLOAT)\b", text)
        return f"{option} takes {KINDS[kind[1]]}, not {value!r}" if kind else text.partition(" Argument helptext")[0]
    if found := re.match(r"Unrecognized options: (\S+?),?(?: |$)", text):
        return f"there is no {_what(found[1], command)} {found[1]!r}{_meant(text, found[1], command)}"
    if found := re.match(r"Missing value for argument '(\S+)'", text):
        return f"{found[1]} needs a value"
    if found := re.match(r"Missing from plastic .*?: (\S+) ", text):
        return f"`plastic {command}` needs {found[1]}"
    if found := re.match(r"Expected one of \{(.*?)\}", text):
        return f"say which command: {found[1]}"
    return text.partition(" For full helptext")[0].rstrip(".")


def _what(argument: str, command: str) -> str:
    if argument.startswith("-"):
        return "option"
    return f"place in `plastic {command}` for" if command else "command"


def _meant(text: str, argument: str, command: str) -> str:
    """The likest option of this command, where the parser has found one."""
    if not argument.startswith("-"):
        return ""
    blocks = re.split(r" (?=--(?!help\b))", text.partition("Perhaps you meant:")[2])
    likely = [block.split()[0] for block in blocks if f" in plastic {command} --help" in block]
    return f" (did you mean {likely[0]}?)" if likely else ""

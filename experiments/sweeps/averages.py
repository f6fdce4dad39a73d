"""Small JSON files with the command that made them and the machine it ran on."""

from __future__ import annotations

import dataclasses
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from plastic.files import write_json
from plastic.runs.folder import versions


def processor() -> str:
    """Name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def command_of(start: str, given: Any, without: tuple[str, ...] = ("out",)) -> str:
    """The command line of a dataclass of arguments: `start`, positional ones (those without a default), and what
    differs from the defaults, in nested dataclasses too."""
    return " ".join([start, *(shlex.quote(word) for word in _words(given, without))])


def _words(given: Any, without: tuple[str, ...]) -> Iterator[str]:
    for one in dataclasses.fields(given):
        value, default = getattr(given, one.name), one.default
        if one.default_factory is not dataclasses.MISSING:
            default = one.default_factory()
        if default is dataclasses.MISSING:
            yield str(value)
        elif dataclasses.is_dataclass(value):
            yield from _words(value, without)
        elif one.name not in without and value != default:
            flag = one.name.replace("_", "-")
            yield f"--no-{flag}" if value is False else f"--{flag}"
            if not isinstance(value, bool):
                yield from map(str, value if isinstance(value, (list, tuple)) else [value])


def write_result(path: Path, command: str, content: dict[str, Any]) -> None:
    """Write `content` with the command, the versions and the hardware beside it."""
    hardware = {"processor": processor(), "cores": os.cpu_count(), "torch_threads": torch.get_num_threads()}
    if torch.cuda.is_available():
        hardware["gpu"] = torch.cuda.get_device_name()
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {"command": command, "hardware": hardware, "versions": versions(), **content}
    write_json(path, result)
    print(f"wrote {path}", file=sys.stderr)


def side_by_side(
    tasks: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each task, taken in turns so that a noisy machine is noisy for all of them.

    With time.process_time as the clock, what other processes take is left out.
    """
    for task in tasks.values():
        task()
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            started = clock()
            task()
            seconds[name].append(clock() - started)
    return seconds


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Median over rounds of slow / fast."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))

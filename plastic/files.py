"""Files and folders that are there whole or not at all, whenever a process is killed or a disk is full."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PREFIX, SUFFIX = ".plastic-", ".partial"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A place beside `path`, of the same name, to write a file or a folder to; it is moved to `path` at the end.

    What was written is on the disk before it is moved. After an exception `path` is as it was and nothing lies beside
    it. A file replaces a file, a folder an empty folder; OSError for anything else, such as a device.
    """
    if not path.parent.is_dir():
        raise NotADirectoryError(f"{str(path.parent)!r} is no folder")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError("it is neither a file nor a folder")
    with TemporaryDirectory(prefix=PREFIX, suffix=SUFFIX, dir=path.parent) as home:
        place = Path(home) / path.name
        yield place
        for file in place.rglob("*") if place.is_dir() else (place,):
            if file.is_file():
                _flush(file)
        place.replace(path)


def remove_partial(folder: Path) -> None:
    """Delete what processes that were killed while they wrote have left in a folder."""
    for left in folder.glob(f"{PREFIX}*{SUFFIX}"):
        shutil.rmtree(left)


def write_file(path: Path, content: str | bytes) -> None:
    """A file with this content (text in UTF-8, line ends as they are)."""
    with replacing(path) as place:
        place.write_bytes(content.encode() if isinstance(content, str) else content)


def write_figure(path: Path, figure: Figure, dpi: int) -> None:
    """A figure of matplotlib, in the format of the file's name."""
    with replacing(path) as place:
        figure.savefig(place, dpi=dpi)


def write_json(path: Path, content: Any, indent: int = 1) -> None:
    """A file of JSON."""
    write_file(path, json.dumps(content, indent=indent) + "\n")


def _flush(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())

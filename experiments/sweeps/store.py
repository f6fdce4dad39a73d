"""One append-only file of results, JSON lines, that survives a kill at any moment.

A row is on disk (fsync) before the next piece of work is taken up. A kill while a row is written
leaves a line without its end: it is not read, and cut off before the next row is appended. One
process at a time may append (advisory lock).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from plastic.errors import PlasticError

Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """All whole rows; empty where there is no file. PlasticError for a file that is not such a store."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PlasticError(f"cannot read the results {str(path)!r} ({error}).") from None
    rows = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            row = json.loads(line)
            row["key"]
        except (ValueError, KeyError, TypeError):
            raise PlasticError(
                f"line {number} of {str(path)!r} is not a result; move the file away and run the sweep again."
            ) from None
        rows.append(row)
    return rows


class Store:
    """The store, open for appending: a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys: set[str] = set()
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Store:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+")
        except OSError as error:
            raise PlasticError(
                f"cannot write the results {str(self.path)!r} ({error}); choose another --out."
            ) from None
        _lock(self._file, self.path)
        self.keys = {row["key"] for row in read_rows(self.path)}
        self._cut_torn_line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        self._file.close()

    def append(self, row: Row) -> bool:
        """Write the row to disk; False, and nothing written, where its key is there already."""
        assert self._file is not None
        if row["key"] in self.keys:
            return False
        self._file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.keys.add(row["key"])
        return True

    def _cut_torn_line(self) -> None:
        assert self._file is not None
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
            os.fsync(self._file.fileno())


def _lock(file: IO[bytes], path: Path) -> None:
    """Held until the file is closed or the process dies; not on systems without fcntl."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise PlasticError(f"another sweep is writing {str(path)!r}; wait for it, or choose another --out.") from None

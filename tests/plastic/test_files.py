"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plastic.files import remove_partial, replacing, write_file, write_json


def contents(folder: Path) -> dict[str, bytes | None]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    for content in (b"first", b"second"):
        write_file(tmp_path / "a.bin", content)
        assert contents(tmp_path) == {"a.bin": content}
    write_file(tmp_path / "a.bin", "β\n")
    write_json(tmp_path / "b.json", {"a": [1]})
    assert contents(tmp_path) == {"a.bin": b"\xce\xb2\n", "b.json": b'{\n "a": [\n  1\n ]\n}\n'}


def test_a_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    """Not only for its owner, as temporary files are."""
    (tmp_path / "other").write_text("")
    write_file(tmp_path / "mine", "")
    with replacing(tmp_path / "folder") as place:
        place.mkdir()
    (tmp_path / "plain").mkdir()
    for mine, other in (("mine", "other"), ("folder", "plain")):
        assert (tmp_path / mine).stat().st_mode == (tmp_path / other).stat().st_mode


def test_the_place_has_the_name_of_the_file_and_nothing_is_seen_before_it_is_whole(tmp_path: Path) -> None:
    write_file(tmp_path / "picture.png", "before")
    with replacing(tmp_path / "picture.png") as place:
        assert place.name == "picture.png"  # from which libraries take the format
        place.write_text("after")
        assert (tmp_path / "picture.png").read_text() == "before"
    assert contents(tmp_path) == {"picture.png": b"after"}


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_after_an_exception_all_is_as_it_was(error: type[BaseException], tmp_path: Path) -> None:
    write_file(tmp_path / "a", "before")
    before = contents(tmp_path)

    def interrupted(path: Path) -> None:
        with replacing(path) as place:
            place.write_text("half")
            raise error

    for name in ("a", "b"):
        with pytest.raises(error):
            interrupted(tmp_path / name)
        assert contents(tmp_path) == before


def test_a_folder_takes_the_place_of_none_or_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("new", "empty"):
        with replacing(tmp_path / name) as place:
            (place / "deep").mkdir(parents=True)
            (place / "deep" / "file").write_text(name)
        assert contents(tmp_path / name) == {"deep": None, "deep/file": name.encode()}
    before = contents(tmp_path)
    with pytest.raises(OSError, match="not empty"), replacing(tmp_path / "new") as place:
        place.mkdir()
    with pytest.raises(IsADirectoryError):
        write_file(tmp_path / "new", "a file")
    assert contents(tmp_path) == before


def test_what_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match=r"'.*/nowhere' is no folder"):
        write_file(tmp_path / "nowhere" / "a", "")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="neither a file nor a folder"):
        write_file(tmp_path / "pipe", "")
    assert (tmp_path / "pipe").is_fifo()


def test_nothing_half_written_is_left_by_a_kill(tmp_path: Path) -> None:
    """But for what can be told from all else, and is removed when the run goes on."""
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom plastic.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as place:\n"
        "    place.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    write_file(tmp_path / "a", "before")
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a")], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "a").read_text() == "before"
    assert b"half" in contents(tmp_path).values()
    remove_partial(tmp_path)
    assert contents(tmp_path) == {"a": b"before"}

"""What a bundle's container refuses: anything that is not as it was written, with one sentence."""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.errors import PlasticError
from plastic.hardware.bundle import container

FILES = {
    "arrays.npz": container.to_npz({"weight": np.arange(24, dtype=np.int16).reshape(2, 3, 4)}),
    "run.py": b"print('hello')\n",
    "leaf/__init__.py": b"",
    "leaf/processes.py": b"x = 1\n",
}
CONTENT = {"profile": "sim-3f", "layers": [{"threshold": 64}], "about": {"equation": "ΔW = η m e"}}


LEAVES = st.none() | st.booleans() | st.integers() | st.text()
ANY_JSON = st.recursive(LEAVES, lambda x: st.lists(x) | st.dictionaries(st.text(), x))


def bundle(folder: Path) -> Path:
    container.write(folder / "b", CONTENT, FILES)
    return folder / "b"


def sentence(folder: Path) -> str:
    """The refusal, which is one sentence on one line."""
    with pytest.raises(PlasticError) as refused:
        container.read(folder)
    text = str(refused.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_a_bundle_comes_back_as_it_was(tmp_path: Path) -> None:
    manifest, files = container.read(bundle(tmp_path))
    assert files == FILES
    assert {k: manifest[k] for k in CONTENT} == CONTENT
    arrays = container.from_npz(files["arrays.npz"], "arrays.npz")
    np.testing.assert_array_equal(arrays["weight"], np.arange(24).reshape(2, 3, 4))
    assert arrays["weight"].dtype == np.int16
    assert [p.name for p in tmp_path.iterdir()] == ["b"]  # nothing beside it
    (tmp_path / "b" / "leaf" / "__pycache__").mkdir()
    (tmp_path / "b" / "leaf" / "__pycache__" / "processes.pyc").write_bytes(b"?")
    assert container.read(tmp_path / "b")[1] == FILES  # having been run is no change


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_changed_byte_goes_unseen(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = bundle(Path(name))
        path = folder / data.draw(st.sampled_from(["manifest.json", *(f for f in FILES if FILES[f])]))
        content = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)
        if path.name == "manifest.json" and reads_the_same(bytes(content), folder):
            return  # white space
        sentence(folder)


def reads_the_same(content: bytes, folder: Path) -> bool:
    try:
        changed = json.loads(content)
    except ValueError:
        return False
    with tempfile.TemporaryDirectory() as name:
        return bool(changed == json.loads((bundle(Path(name)) / "manifest.json").read_text()))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_file_cut_short_or_lengthened_goes_unseen(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = bundle(Path(name))
        path = folder / data.draw(st.sampled_from(["manifest.json", *(f for f in FILES if FILES[f])]))
        content = path.read_bytes()
        if data.draw(st.booleans()):
            path.write_bytes(content[: data.draw(st.integers(0, len(content) - 2))])
        else:
            path.write_bytes(content + data.draw(st.binary(min_size=1).filter(bytes.strip)))
        sentence(folder)


@settings(max_examples=100, deadline=None)
@given(
    manifest=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_other_json_is_foreign(manifest: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        assert "is not a bundle of plastic" in sentence(folder)


def rewritten(folder: Path, **changes: Any) -> None:
    """The manifest with changes and a checksum that fits them."""
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    manifest["checksum"] = container.checksum(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def newer(folder: Path) -> None:
    rewritten(folder, version=2)


def older(folder: Path) -> None:
    rewritten(folder, version=0)


def no_version(folder: Path) -> None:
    rewritten(folder, version="1")


def outside(folder: Path) -> None:
    (folder.parent / "x").write_bytes(b"")
    rewritten(folder, files={"../x": {"sha256": "", "bytes": 0}})


def absolute(folder: Path) -> None:
    rewritten(folder, files={"/etc/passwd": {"sha256": "", "bytes": 0}})


def elsewhere(name: str) -> Callable[[Path], None]:
    """A name that some system or other reads as a path to another place."""
    return lambda folder: rewritten(folder, files={name: {"sha256": "", "bytes": 0}})


def no_files(folder: Path) -> None:
    rewritten(folder, files=[1])


def no_sums(folder: Path) -> None:
    rewritten(folder, files={name: {} for name in FILES})


def missing(folder: Path) -> None:
    (folder / "leaf" / "processes.py").unlink()


def stranger(folder: Path) -> None:
    (folder / "leaf" / "more.py").write_text("print('run by whoever imports the package')")


def link(folder: Path) -> None:
    (folder / "run.py").unlink()
    os.symlink("/etc/passwd", folder / "run.py")


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def deep(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 100_000)


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (newer, "newer than 1"),
        (older, "checksum differs"),
        (no_version, "checksum differs"),
        (outside, "names files outside"),
        (absolute, "names files outside"),
        *((elsewhere(name), "names files outside") for name in ("", "..\\x", "leaf//x", "./x", "leaf/../../x")),
        (no_files, "has no list of files"),
        (no_sums, "bytes and not None"),
        (missing, "lacks 'leaf/processes.py'"),
        (stranger, "holds 'leaf/more.py'"),
        (link, "no plain file"),
        (no_manifest, "has no manifest.json"),
        (deep, "cannot be read"),
        (gone, "has no manifest.json"),
    ],
)
def test_harm_is_named(harm: Callable[[Path], None], named: str, tmp_path: Path) -> None:
    folder = bundle(tmp_path)
    harm(folder)
    assert named in sentence(folder)


def test_pickled_and_broken_arrays_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, evil=np.array([{"a": 1}], dtype=object))
    with pytest.raises(PlasticError, match="cannot be read"):
        container.from_npz(buffer.getvalue(), "arrays.npz")
    with pytest.raises(PlasticError, match="cannot be read"):
        container.from_npz(b"PK\x03\x04 no archive", "arrays.npz")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("x.npy", b"")
        archive.infolist()[0].file_size = 2**40
    with pytest.raises(PlasticError, match="too large"):
        container.from_npz(bomb.getvalue(), "arrays.npz")


def test_a_bundle_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("keep")
    with pytest.raises(PlasticError, match="not an empty folder"):
        container.write(tmp_path / "full", CONTENT, FILES)
    with pytest.raises(PlasticError, match="cannot write"):
        container.write(tmp_path / "no" / "such", CONTENT, FILES)
    (tmp_path / "empty").mkdir()
    container.write(tmp_path / "empty", CONTENT, FILES)
    container.read(tmp_path / "empty")

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(PlasticError, match="No space left"):
        container.write(tmp_path / "b", CONTENT, FILES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine"]

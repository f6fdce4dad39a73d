"""The container of a bundle: plain files, and a manifest that knows the SHA-256 of each.

It knows nothing of what is inside. A folder that is cut short, changed, of another kind or of a newer
version is refused with one sentence. Checksums tell accidents and careless changes; they do not tell
who wrote a bundle, so what it says is data only, and nothing in it is run by reading it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import PlasticError

FORMAT, VERSION = "plastic lava bundle", 1
MANIFEST = "manifest.json"
LARGEST = 2**32  # bytes that an array file may unfold to
AGAIN = "export it again, with: plastic export RUN --to lava DIR"


def write(folder: Path, content: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """A new bundle: `files` by their names in it, `content` for the manifest; there whole or not at all.

    PlasticError if the folder exists and is not empty, or cannot be written.
    """
    sums = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    manifest = {"format": FORMAT, "version": VERSION, **content, "files": sums}
    manifest["checksum"] = checksum(manifest)
    partial = None
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PlasticError(f"{str(folder)!r} exists and is not an empty folder; choose another.")
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
        text = json.dumps(manifest, indent=1, ensure_ascii=False)
        (partial / MANIFEST).write_text(text + "\n", encoding="utf-8")
        partial.chmod(0o755)
        os.replace(partial, folder)
    except OSError as error:
        raise PlasticError(f"cannot write the bundle {str(folder)!r} ({error}); choose another folder.") from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def checksum(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of the manifest without its checksum."""
    rest = {k: v for k, v in manifest.items() if k != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and files of a bundle, checked; PlasticError for anything that is not as it was written."""
    manifest = _manifest(folder)
    listed = manifest["files"]
    found = {path.relative_to(folder).as_posix() for path in _contents(folder)} - {MANIFEST}
    if missing := sorted(set(listed) - found):
        raise PlasticError(f"the bundle {str(folder)!r} lacks {missing[0]!r}; {AGAIN}.")
    if foreign := sorted(found - set(listed)):
        raise PlasticError(
            f"the bundle {str(folder)!r} holds {foreign[0]!r}, which is no part of it; remove that file."
        )
    files = {}
    for name, known in listed.items():
        data = (folder / name).read_bytes()
        if len(data) != known.get("bytes"):
            raise PlasticError(
                f"{name!r} of the bundle {str(folder)!r} has {len(data)} bytes and not {known.get('bytes')}; {AGAIN}."
            )
        if hashlib.sha256(data).hexdigest() != known.get("sha256"):
            raise PlasticError(f"{name!r} of the bundle {str(folder)!r} was changed: its SHA-256 differs; {AGAIN}.")
        files[name] = data
    return manifest, files


def _contents(folder: Path) -> list[Path]:
    """All files below, but what Python leaves of running them; PlasticError for links and the like."""
    found = []
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.relative_to(folder).parts or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file():
            raise PlasticError(f"{path.name!r} in the bundle {str(folder)!r} is no plain file; {AGAIN}.")
        found.append(path)
    return found


def _manifest(folder: Path) -> dict[str, Any]:
    if not (folder / MANIFEST).is_file():
        raise PlasticError(f"{str(folder)!r} is not a bundle: it has no {MANIFEST}; give the folder of an export.")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PlasticError(f"the {MANIFEST} of {str(folder)!r} cannot be read ({error}); {AGAIN}.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise PlasticError(f"{str(folder)!r} is not a bundle of plastic: its {MANIFEST} is of another format.")
    version = manifest.get("version")
    if isinstance(version, int) and version > VERSION:
        raise PlasticError(
            f"the bundle {str(folder)!r} has version {version}, newer than {VERSION}, which this plastic reads; "
            "install the plastic that wrote it."
        )
    if version != VERSION or manifest.get("checksum") != checksum(manifest):
        raise PlasticError(f"the {MANIFEST} of {str(folder)!r} was changed: its checksum differs; {AGAIN}.")
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not all(isinstance(one, dict) for one in listed.values()):
        raise PlasticError(f"the {MANIFEST} of {str(folder)!r} has no list of files; {AGAIN}.")
    if not all(_is_inside(name) for name in listed):
        raise PlasticError(f"the {MANIFEST} of {str(folder)!r} names files outside of it; {AGAIN}.")
    return manifest


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return bool(name) and not name.startswith("/") and not {"", ".", ".."} & set(parts) and "\\" not in name


def to_npz(arrays: Mapping[str, Any]) -> bytes:
    """Arrays as npz, compressed."""
    buffer = io.BytesIO()
    named: dict[str, Any] = {name: np.asarray(value) for name, value in arrays.items()}
    np.savez_compressed(buffer, **named)
    return buffer.getvalue()


def from_npz(data: bytes, name: str) -> dict[str, Any]:
    """The arrays of an npz; objects, which would be pickled, are refused. PlasticError if it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(one.file_size for one in archive.infolist()) > LARGEST:
                raise ValueError("it is too large")
            arrays = {}
            for one in archive.namelist():
                with archive.open(one) as file:
                    arrays[one.removesuffix(".npy")] = np.lib.format.read_array(file)  # type: ignore[no-untyped-call]
            return arrays
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise PlasticError(f"{name!r} of the bundle cannot be read ({error}); {AGAIN}.") from None

"""Data sets from a folder that the user has: what is said where it is missing, or a file in it is damaged."""

from __future__ import annotations

from pathlib import Path

from plastic.errors import PlasticError


def data_folder(data: str, path: Path | None, wanted: str) -> Path:
    """The folder of --data-path; PlasticError that names what it should hold if none is given or there is none."""
    if path is None:
        raise PlasticError(f"--data {data} reads files that you have: add --data-path DIR, a folder with {wanted}.")
    if not path.is_dir():
        raise PlasticError(f"there is no folder {str(path)!r}; give one to --data-path that holds {wanted}.")
    return path


def damaged(file: Path, what: str) -> PlasticError:
    """The error to raise for a file that is not as its format says."""
    return PlasticError(f"{str(file)!r} is damaged or not what its name says: {what}; get the file again.")

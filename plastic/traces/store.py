"""Where traces are kept: a zarr group on disk. The only module that knows zarr, version 2 or 3.

Format 2 with xarray's names of dimensions, so that `xarray.open_zarr` reads it by itself. The length of a run is known
beforehand, so arrays have their full length from the beginning and only chunks that were written take space.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from numpy.typing import NDArray

from plastic.errors import PlasticError

if TYPE_CHECKING:
    import xarray

STORE = "traces.zarr"
NEWER = int(zarr.__version__.partition(".")[0]) >= 3


class TraceStore:
    """Named arrays with named dimensions and attributes."""

    def __init__(self, group: Any) -> None:
        self._group = group
        self._arrays: dict[str, Any] = {}

    @classmethod
    def create(cls, path: Path, attributes: dict[str, Any]) -> TraceStore:
        """A new store, in place of one that is there."""
        version: dict[str, Any] = {"zarr_format": 2} if NEWER else {}
        group: Any = zarr.open_group(str(path), mode="w", **version)
        group.attrs.update(attributes)
        return cls(group)

    @classmethod
    def open(cls, path: Path) -> TraceStore:
        """The store of a run, to write on; PlasticError if there is none."""
        return cls(_open(path, "r+"))

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def add(
        self, name: str, shape: Sequence[int], chunks: Sequence[int], dtype: np.dtype[Any], dims: Sequence[str],
        attributes: dict[str, Any],
    ) -> None:  # fmt: skip
        """An empty array; NaN, or 0 in integers, where nothing is written."""
        make = self._group.create_array if NEWER else self._group.create_dataset
        fill = np.nan if dtype.kind == "f" else 0
        array = make(name, shape=tuple(shape), chunks=tuple(chunks), dtype=dtype, fill_value=fill)
        array.attrs.update(attributes | {"_ARRAY_DIMENSIONS": list(dims)})

    def write(self, name: str, start: int, values: NDArray[Any]) -> None:
        """Values along the first axis, from `start`."""
        if name not in self._arrays:
            self._arrays[name] = self._group[name]
        self._arrays[name][start : start + len(values)] = values

    def read(self, name: str) -> NDArray[Any]:
        values: NDArray[Any] = self._group[name][:]
        return values


def _open(path: Path, mode: str) -> Any:
    opened: Any = zarr.open_group  # zarr 2 and 3 type its mode differently
    try:
        return opened(str(path), mode=mode)
    except Exception as error:  # zarr 2 and 3 raise different ones for what is missing or damaged
        kind = type(error).__name__
        raise PlasticError(
            f"there are no readable traces in {str(path)!r} ({kind}: {error}); give a run folder that was made with "
            "--record."
        ) from None


def written(path: Path, names: Sequence[str]) -> dict[str, int]:
    """How many samples of each integer array were written before the first that was not (0)."""
    group = _open(path, "r")
    found = {}
    for name in names:
        values = group[name][:] if name in group else np.zeros(0, dtype=np.int64)
        missing = np.flatnonzero(values == 0)
        found[name] = int(missing[0]) if len(missing) else len(values)
    return found


def open_dataset(path: Path) -> xarray.Dataset:
    """The store as it is, as one lazy xarray dataset; PlasticError if there is none."""
    import xarray

    _open(path, "r")
    try:
        return xarray.open_zarr(
            str(path), chunks=None, consolidated=False, mask_and_scale=False, decode_times=False
        )  # fmt: skip
    except Exception as error:
        raise PlasticError(f"cannot read the traces {str(path)!r} ({type(error).__name__}: {error}).") from None

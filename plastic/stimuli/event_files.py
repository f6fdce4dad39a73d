"""Recordings of event sensors from the files in which they are given out, read by tonic: N-MNIST, SHD, DVSGesture.

Nothing is downloaded, and no pickle is read. What is missing, or not as the format says, is a PlasticError that
names the file.

G. Orchard et al., "Converting static image datasets to spiking neuromorphic datasets using saccades", Frontiers in
Neuroscience, 2015; B. Cramer et al., "The Heidelberg spiking data sets for the systematic evaluation of spiking
neural networks", IEEE TNNLS, 2022; A. Amir et al., "A low power, fully event-based gesture recognition system",
CVPR, 2017 (as tonic gives it out: one file per gesture).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.files import damaged, data_folder


@dataclass(frozen=True)
class Sensor:
    """What made the recordings of a data set."""

    kind: str  # its class in tonic.datasets, which is also the folder that tonic unpacks it to
    parts: tuple[str, str]  # to train and to test on: folders, or files
    inside: str  # what those hold
    size: tuple[int, int, int]  # columns, rows, polarities
    classes: int
    duration: int  # ms, nominal
    pooled: int = 1  # so many × so many pixels are one input neuron
    from_first: bool = False  # time runs from the first event, not from the clock's 0

    @property
    def neurons(self) -> int:
        columns, rows, polarities = self.size
        return (columns // self.pooled) * (rows // self.pooled) * polarities

    @property
    def wanted(self) -> str:
        return f"{self.parts[0]} and {self.parts[1]}{self.inside}"


SENSORS = {
    "nmnist": Sensor("NMNIST", ("Train", "Test"), ", each with folders 0 … 9 of .bin files", (34, 34, 2), 10, 315),
    "shd": Sensor("SHD", ("shd_train.h5", "shd_test.h5"), ", unpacked", (700, 1, 1), 20, 1400),
    "dvsgesture": Sensor(
        "DVSGesture", ("ibmGestureTrain", "ibmGestureTest"), ", each with folders userN_LIGHT of files 0.npy … 10.npy",
        (128, 128, 2), 11, 6000, pooled=4, from_first=True,
    ),
}  # fmt: skip


class Recordings:
    """The recordings of one part of a data set, in the order of their files; read one by one."""

    def __init__(self, data: str, path: Path | None, train: bool) -> None:
        """Raises PlasticError for files that are missing, in another layout, or tonic missing."""
        self.data, self.sensor = data, SENSORS[data]
        self.place = _place(data, path) / self.sensor.parts[0 if train else 1]
        self._tonic = _opened(self.sensor, self.place, train)
        files, self._length = self._tonic.data, len(self._tonic)  # no files where one holds all
        self._order: Sequence[int] = sorted(range(self._length), key=files.__getitem__ if files else None)
        if not self._length:
            raise PlasticError(f"{str(self.place)!r} holds no recordings; --data {data} reads {self.sensor.wanted}.")

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Input neuron of every event, its time in µs, and the label of the recording.

        Neurons are counted row by row, in a row pixel by pixel, of a pixel off before on. Raises PlasticError for a
        file that is damaged.
        """
        index = self._order[number]
        file = Path(self._tonic.data[index]) if self._tonic.data else self.place
        self._check(file)
        try:
            with np.errstate(invalid="raise"):  # a time that is not a number would become one
                events, label = self._tonic[index]
        except (OSError, ValueError, TypeError, LookupError, FloatingPointError) as error:
            raise damaged(file, f"tonic cannot read recording {index} ({error})") from None
        if not 0 <= label < self.sensor.classes:
            raise damaged(file, f"the label of recording {index} is {label}, not 0 … {self.sensor.classes - 1}")
        return *self._located(file, index, events), int(label)

    def _located(self, file: Path, index: int, events: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        columns, rows, polarities = self.sensor.size
        x, time = events["x"].astype(np.int64), events["t"].astype(np.int64)
        y = events["y"].astype(np.int64) if rows > 1 else np.zeros_like(x)
        on = events["p"].astype(np.int64) if polarities > 1 else np.zeros_like(x)
        if len(x) == 0:
            raise damaged(file, f"recording {index} holds no events")
        outside = (x < 0) | (x >= columns) | (y < 0) | (y >= rows)
        if outside.any():
            where = f"unit {x[outside][0]}" if rows == 1 else f"column {x[outside][0]}, row {y[outside][0]}"
            size = f"{columns} units" if rows == 1 else f"{columns} × {rows} pixels"
            raise damaged(file, f"an event is of {where}, and the sensor has {size}")
        if time.min() < 0:
            raise damaged(file, f"recording {index} has an event before its clock's 0")
        pooled = self.sensor.pooled
        neuron = (y // pooled * (columns // pooled) + x // pooled) * polarities + on
        return neuron, time - time.min() if self.sensor.from_first else time

    def _check(self, file: Path) -> None:
        """What tonic does not look at: PlasticError for a file that is cut off or lies in a folder that is no class,
        or of numbers that tonic would change."""
        if self.data == "nmnist" and (size := file.stat().st_size) % 5:
            raise damaged(file, f"its {size} bytes are not events of 5 bytes each")
        if self.data == "nmnist" and file.parent.name not in tuple("0123456789"):  # tonic takes the last character
            raise damaged(file, f"its folder is {file.parent.name!r}, not one of 0 … 9")
        if self.data == "dvsgesture":
            _check_gesture(file)


def _check_gesture(file: Path) -> None:
    mapped: Any = np.lib.format.open_memmap  # which maps no pickled objects; numpy gives it no types
    try:
        table = mapped(file, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise damaged(file, f"numpy cannot read it ({error})") from None
    if table.ndim != 2 or table.shape[1] != 4 or table.dtype.kind not in "iuf":
        raise damaged(file, "it is not a table of numbers with four columns (x, y, polarity, ms)")
    if not np.isfinite(table).all():
        raise damaged(file, "it holds numbers that are not finite")
    if len(table) and not (table[:, :3].min() >= 0 and table[:, :2].max() < 128 and table[:, 2].max() <= 1):
        raise damaged(file, "an event is not of x and y from 0 to 127 and polarity 0 or 1")
    if table.dtype.kind != "f" and len(table) and int(table[:, 3].max()) * 1000 > np.iinfo(table.dtype).max:
        raise damaged(file, f"its times do not fit its {table.dtype} in µs")


def _place(data: str, path: Path | None) -> Path:
    """The folder that holds both parts: the one given, or the one in it that tonic unpacks them to."""
    sensor = SENSORS[data]
    folder = data_folder(data, path, sensor.wanted)
    if (folder / sensor.kind).is_dir():
        folder /= sensor.kind
    for part in sensor.parts:
        if not (folder / part).exists():
            raise PlasticError(f"there is no {part!r} in {str(folder)!r}; --data {data} reads {sensor.wanted}.")
    return folder


def _opened(sensor: Sensor, place: Path, train: bool) -> Any:
    """tonic's data set over one part of the files that are there.

    Its own class downloads what it does not find as it left it itself, archive and all; this one does neither.
    """
    try:
        import tonic.datasets
    except ImportError as error:
        raise PlasticError(
            f'event files are read by tonic, which cannot be imported ({error}): pip install "tonic>=1.7".'
        ) from None

    def download(self: Any) -> None:
        raise PlasticError(f"nothing is downloaded; --data-path must hold {sensor.wanted}.")

    here = {
        "location_on_system": property(lambda self: str(place.parent), lambda self, elsewhere: None),
        "_check_exists": lambda self: True,
        "download": download,
    }
    try:
        opened = type(sensor.kind, (getattr(tonic.datasets, sensor.kind),), here)(str(place.parent), train=train)
        len(opened)
        return opened
    except (OSError, ValueError, LookupError) as error:
        raise damaged(place, f"tonic cannot read it ({error})") from None

"""Images from the files in which they are given out: MNIST (IDX), CIFAR-10 and STL-10 (binary versions).

Nothing is downloaded. Pixels are returned as bytes in the order row, column, channel; whatever is not
as the format says is a PlasticError that names the file.

Y. LeCun, C. Cortes, C. Burges, the MNIST database; A. Krizhevsky, "Learning multiple layers of features
from tiny images", 2009; A. Coates, H. Lee, A. Ng, "An analysis of single-layer networks in unsupervised
feature learning", AISTATS 2011.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.files import damaged, data_folder

Bytes = NDArray[np.uint8]


class Pixels(Protocol):
    """Images as an array has them; some are read when they are asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: NDArray[np.int64], /) -> Bytes: ...


@dataclass(frozen=True)
class ImageSet:
    """Images of side × side pixels: (n, side² · channels) bytes, with labels 0 … classes − 1."""

    side: int
    channels: int
    train: Pixels
    train_labels: NDArray[np.int64]
    test: Pixels
    test_labels: NDArray[np.int64]
    classes: int = 10


WANTED = {
    "mnist": (
        "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
        "(or the same with .gz)"
    ),
    "cifar10": "data_batch_1.bin … data_batch_5.bin and test_batch.bin of the binary version",
    "stl10": "train_X.bin, train_y.bin, test_X.bin and test_y.bin of the binary version",
}
FOLDERS = {"mnist": ("", "MNIST/raw"), "cifar10": ("", "cifar-10-batches-bin"), "stl10": ("", "stl10_binary")}


def read_images(data: str, path: Path | None) -> ImageSet:
    """The image set `data` (mnist, cifar10 or stl10) from the folder that holds its files."""
    folder = data_folder(data, path, WANTED[data])
    return {"mnist": _mnist, "cifar10": _cifar10, "stl10": _stl10}[data](folder)


def _find(data: str, path: Path, name: str) -> Path:
    """The file, in the folder itself or in the one that its archive unpacks to."""
    endings = ("", ".gz") if data == "mnist" else ("",)
    for folder in FOLDERS[data]:
        for ending in endings:
            if (file := path / folder / (name + ending)).is_file():
                return file
    raise PlasticError(f"there is no file {name!r} in {str(path)!r}; --data {data} reads {WANTED[data]}.")


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        return gzip.decompress(content) if file.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise PlasticError(f"cannot read {str(file)!r} ({error}); get the file again.") from None


def _idx(file: Path, dimensions: int) -> Bytes:
    """An IDX file of bytes: 0, 0, 8, dimensions, then each size as a big-endian number, then the bytes."""
    content = _content(file)
    if len(content) < 4 + 4 * dimensions or content[:4] != bytes([0, 0, 8, dimensions]):
        raise damaged(file, f"it does not begin as an IDX file of bytes in {dimensions} dimensions")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", dimensions, 4))
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
    if len(values) != int(np.prod(shape, dtype=np.int64)):
        raise damaged(file, f"it announces {' × '.join(map(str, shape))} bytes and holds {len(values)}")
    return values.reshape(shape)


def _mnist(path: Path) -> ImageSet:
    parts = []
    for part in ("train", "t10k"):
        images_file = _find("mnist", path, f"{part}-images-idx3-ubyte")
        labels_file = _find("mnist", path, f"{part}-labels-idx1-ubyte")
        images, labels = _idx(images_file, 3), _labels(labels_file, _idx(labels_file, 1), 0)
        if images.shape[1] != images.shape[2]:
            raise damaged(images_file, f"its images are {images.shape[1]} × {images.shape[2]}, not square")
        _same_number(labels_file, len(images), len(labels))
        parts.append((images, labels))
    (train, train_labels), (test, test_labels) = parts
    side = train.shape[1]
    if test.shape[1] != side:
        raise PlasticError(f"the MNIST images in {str(path)!r} are of two sizes, {side} and {test.shape[1]} pixels.")
    return ImageSet(side, 1, train.reshape(len(train), -1), train_labels, test.reshape(len(test), -1), test_labels)


def _cifar10(path: Path) -> ImageSet:
    """Rows of one label and 32 × 32 bytes each of red, green and blue."""

    def read(name: str) -> tuple[Bytes, NDArray[np.int64]]:
        file = _find("cifar10", path, name)
        values = np.frombuffer(_content(file), np.uint8)
        if len(values) == 0 or len(values) % 3073:
            raise damaged(file, f"its {len(values)} bytes are not images of 3073 bytes each")
        rows = values.reshape(-1, 3073)
        pixels = rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        return pixels.reshape(len(rows), -1), _labels(file, rows[:, 0], 0)

    batches = [read(f"data_batch_{k}.bin") for k in range(1, 6)]
    train, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    return ImageSet(32, 3, train, labels, *read("test_batch.bin"))


def _stl10(path: Path) -> ImageSet:
    """96 × 96 bytes each of red, green and blue, column by column; labels 1 … 10 in a file of their own."""

    def read(part: str) -> tuple[Bytes, NDArray[np.int64]]:
        file, labels_file = _find("stl10", path, f"{part}_X.bin"), _find("stl10", path, f"{part}_y.bin")
        values = np.frombuffer(_content(file), np.uint8)
        if len(values) == 0 or len(values) % (3 * 96 * 96):
            raise damaged(file, f"its {len(values)} bytes are not images of {3 * 96 * 96} bytes each")
        pixels = values.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1)
        labels = _labels(labels_file, np.frombuffer(_content(labels_file), np.uint8), 1)
        _same_number(labels_file, len(pixels), len(labels))
        return pixels.reshape(len(pixels), -1), labels

    return ImageSet(96, 3, *read("train"), *read("test"))


def _labels(file: Path, values: Bytes, first: int) -> NDArray[np.int64]:
    labels = values.astype(np.int64) - first
    if len(labels) and not (labels.min() >= 0 and labels.max() <= 9):
        raise damaged(file, f"a label is {int(values[(labels < 0) | (labels > 9)][0])}, not {first} … {first + 9}")
    return labels


def _same_number(file: Path, images: int, labels: int) -> None:
    if images != labels:
        raise damaged(file, f"it has {labels} labels for {images} images")

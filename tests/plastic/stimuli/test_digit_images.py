"""The digits task against scikit-learn's own arrays."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from plastic.errors import PlasticError
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stream


def rows(pixels: np.ndarray, labels: np.ndarray) -> Counter[tuple[bytes, int]]:
    return Counter((row.tobytes(), int(label)) for row, label in zip(pixels, labels, strict=True))


def test_train_and_test_are_together_every_image_once() -> None:
    pixels, labels = load_digits(return_X_y=True)
    task = digits_task(1437, seed=3)
    assert (len(task.train), len(task.test)) == (1437, 360)
    together = rows(task.train.inputs * 16, task.train.labels) + rows(task.test.inputs * 16, task.test.labels)
    assert together == rows(pixels, labels)


def test_pixels_lie_between_zero_and_one_and_standardise() -> None:
    task = digits_task(400)
    assert task.train.inputs.min() == 0
    assert task.train.inputs.max() == 1
    assert np.array_equal(task.intensity(task.train.inputs), task.train.inputs)
    assert not task.symbolic
    assert (task.positions, task.branching, task.channels) == (64, 64, 1)  # the first layer sees the whole image
    mean, std = task.analog
    standard = (task.train.inputs - mean) / std
    assert standard.mean() == pytest.approx(0, abs=1e-12)
    assert standard.std() == pytest.approx(1)


def test_seed_draws_the_split() -> None:
    one, same, other = (digits_task(300, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.train.inputs, same.train.inputs)
    assert np.array_equal(one.test.inputs, same.test.inputs)
    assert not np.array_equal(one.test.inputs, other.test.inputs)


def test_class_pairing_shows_another_image_of_the_same_digit() -> None:
    task = digits_task(500)
    assert task.view is None
    stream = Stream([task], [0], 40)
    before = stream.next()
    fixations = 0
    for _ in range(150):
        now = stream.next()
        stays = now.fixation[0]
        assert np.array_equal(now.labels[0] == before.labels[0], stays)
        assert (now.inputs[0] != before.inputs[0]).any(1).all()
        fixations += int(stays.sum())
        before = now
    assert 2000 < fixations < 4000


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The image moved, pixel by pixel; what leaves is lost."""
    out = np.zeros_like(image)
    for y in range(8):
        for x in range(8):
            if 0 <= y - down < 8 and 0 <= x - right < 8:
                out[y, x] = image[y - down, x - right]
    return out


def test_within_pairing_shows_the_same_image_moved_by_at_most_one_pixel() -> None:
    task = digits_task(200, "within")
    assert len(set(task.objects.tolist())) == 200
    assert task.view is not None
    index = np.repeat(np.arange(12)[:, None], 60, axis=1)
    shown = task.view(index, np.ones(index.shape, dtype=bool), generator(0, "stream"))
    counts: Counter[tuple[int, int]] = Counter()
    for image, views in zip(task.train.inputs[:12].reshape(-1, 8, 8), shown, strict=True):
        shifts = {moved(image, y, x).tobytes(): (y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)}
        assert len(shifts) == 9
        counts.update(shifts[view.tobytes()] for view in views)  # KeyError: not a shift of this image
    assert len(counts) == 9
    assert min(counts.values()) > 45  # of 720, 80 expected


def test_within_stream_keeps_its_image_at_fixations() -> None:
    task = digits_task(60, "within")
    shifts = [
        {moved(image, y, x).tobytes() for y in (-1, 0, 1) for x in (-1, 0, 1)}
        for image in task.train.inputs.reshape(-1, 8, 8)
    ]

    def candidates(view: np.ndarray) -> set[int]:
        return {i for i, own in enumerate(shifts) if view.tobytes() in own}

    stream = Stream([task], [1], 6)
    before = [candidates(view) for view in stream.next().inputs[0]]
    for _ in range(80):
        now = stream.next()
        after = [candidates(view) for view in now.inputs[0]]
        for stays, a, b in zip(now.fixation[0], before, after, strict=True):
            assert a
            assert bool(a & b) == bool(stays)
        before = after


@pytest.mark.parametrize("pairing", ["latent:1", "halves", ""])
def test_unknown_pairings_are_refused(pairing: str) -> None:
    with pytest.raises(PlasticError, match="choose class or within"):
        digits_task(100, pairing)


@pytest.mark.parametrize(("train_size", "test_size"), [(9, 360), (1438, 360), (1000, 798)])
def test_sizes_that_the_set_has_not_are_refused(train_size: int, test_size: int) -> None:
    with pytest.raises(PlasticError, match="--train-size"):
        digits_task(train_size, test_size=test_size)

"""Fixations and saccades: what stays, what changes, and how often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from plastic.errors import PlasticError
from plastic.stimuli.digit_images import digits_task
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.stream import BLOCK, Stimulus, Stream
from plastic.stimuli.strings import rhm_task
from plastic.stimuli.task import Examples, Task

MODEL = RandomHierarchyModel(6, 6, 3, 3, 2)


def numbered(objects: list[int]) -> Task:
    """A task whose input is the number of the example and whose label is its object."""
    count = len(objects)
    labels = np.array(objects, dtype=np.int64)
    examples = Examples(np.arange(count)[:, None], labels, {"class": labels[:, None]})
    return Task("numbered", examples, examples, labels, int(labels.max()) + 1, 1, 1, (0.0, 1.0))


def run(stream: Stream, steps: int) -> list[Stimulus]:
    return [stream.next() for _ in range(steps)]


def stacked(stimuli: list[Stimulus]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Example numbers, fixations, labels of the first member: (steps, batch) each."""
    return (
        np.stack([s.inputs[0, :, 0] for s in stimuli]),
        np.stack([s.fixation[0] for s in stimuli]),
        np.stack([s.labels[0] for s in stimuli]),
    )


def assert_uniform(counts: np.ndarray) -> None:
    expected = counts.sum() / len(counts)
    assert expected >= 5
    assert chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1) > 1e-4


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_gaze_stays_with_the_fixation_probability(probability: float) -> None:
    _, fixation, _ = stacked(run(Stream([numbered([0, 0, 1, 1, 2, 2])], [3], 100, probability), 301))
    assert not fixation[0].any()  # nothing was before the first stimulus
    rest = fixation[1:]
    error = np.sqrt(probability * (1 - probability) / rest.size)
    assert abs(rest.mean() - probability) <= 4.5 * error
    if 0 < probability < 1:
        independent = np.corrcoef(rest[1:].ravel(), rest[:-1].ravel())[0, 1]
        assert abs(independent) < 0.03  # 5 standard errors


@given(
    objects=st.lists(st.integers(0, 5), min_size=2, max_size=40).filter(lambda o: len(set(o)) > 1),
    batch=st.integers(1, 5),
    seed=st.integers(0, 2**40),
    probability=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_fixation_keeps_the_object_and_saccade_leaves_it(
    objects: list[int], batch: int, seed: int, probability: float
) -> None:
    example, fixation, label = stacked(run(Stream([numbered(objects)], [seed], batch, probability), 2 * BLOCK + 3))
    of = np.array(objects)
    assert np.array_equal(of[example], label)
    assert np.array_equal(of[example[1:]] == of[example[:-1]], fixation[1:])
    alone = np.bincount(of)[of[example]] == 1
    again = example[1:] == example[:-1]
    assert np.array_equal(again, fixation[1:] & alone[1:])  # another example, where the object has one


def test_fixation_and_saccade_go_to_all_others_equally() -> None:
    objects = [0] * 3 + [1] * 4 + [2] * 5
    of = np.array(objects)
    example, fixation, _ = stacked(run(Stream([numbered(objects)], [0], 3000), 12))
    for here in range(12):
        came = example[:-1] == here
        stayed, left = example[1:][came & fixation[1:]], example[1:][came & ~fixation[1:]]
        siblings = [i for i in range(12) if of[i] == of[here] and i != here]
        others = [i for i in range(12) if of[i] != of[here]]
        assert set(stayed) == set(siblings)
        assert set(left) == set(others)
        assert_uniform(np.bincount(stayed, minlength=12)[siblings])
        assert_uniform(np.bincount(left, minlength=12)[others])


@pytest.mark.parametrize("step", [0, 1, 5, BLOCK - 1, BLOCK, BLOCK + 1])
def test_every_example_is_shown_equally_often(step: int) -> None:
    """Across independent streams, at one moment."""
    example, _, _ = stacked(run(Stream([numbered([0, 1, 2, 3, 4] * 6)], [8], 6000), step + 1))
    assert_uniform(np.bincount(example[step], minlength=30))


def test_streams_of_a_batch_are_independent() -> None:
    example, fixation, _ = stacked(run(Stream([numbered(list(range(4)) * 3)], [8], 8), 2000))
    for signal in (example.astype(float), fixation.astype(float)):
        assert np.abs(np.corrcoef(signal.T) - np.eye(8)).max() < 0.12  # 5 standard errors


MEMBERS = [
    (rhm_task(MODEL, 60, "class", seed=0, test_size=50), 0),
    (rhm_task(MODEL, 200, "latent:2", seed=1, test_size=50), 1),
    (rhm_task(RandomHierarchyModel(6, 6, 3, 3, 2, seed=5), 33, "class", seed=2, test_size=50), 2),
    (rhm_task(MODEL, 40, "latent:1+fresh", seed=3, test_size=50), 3),
    (rhm_task(MODEL, 60, "class", seed=0, test_size=50), 7),
]


def test_a_member_of_an_ensemble_sees_its_single_run() -> None:
    together = Stream([t for t, _ in MEMBERS], [s for _, s in MEMBERS], 7)
    alone = [Stream([t], [s], 7) for t, s in MEMBERS]
    for _ in range(2 * BLOCK + 5):
        stimulus = together.next()
        for member, single in enumerate(alone):
            own = single.next()
            assert np.array_equal(stimulus.inputs[member], own.inputs[0])
            assert np.array_equal(stimulus.fixation[member], own.fixation[0])
            assert np.array_equal(stimulus.labels[member], own.labels[0])


@pytest.mark.parametrize("pairing", ["class", "latent:2", "latent:1+fresh", "within"])
def test_members_may_share_one_task(pairing: str) -> None:
    """As an ensemble of seeds or of learning rates does; a view that remembers must do so per member."""
    task = rhm_task(MODEL, 50, pairing, test_size=50)
    together, alone = Stream([task, task, task], [4, 5, 4], 9), [Stream([task], [seed], 9) for seed in (4, 5, 4)]
    for _ in range(2 * BLOCK + 5):
        stimulus = together.next()
        for member, single in enumerate(alone):
            assert np.array_equal(stimulus.inputs[member], single.next().inputs[0])
    Stream([task], [0], 3).next()  # and another batch size


def test_same_seed_same_stream_other_seed_another() -> None:
    task = digits_task(100)
    one, same, other = (np.stack([s.inputs for s in run(Stream([task], [seed], 6), 90)]) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert (one != other).any((1, 2, 3)).mean() > 0.9


def test_draws_do_not_repeat_from_block_to_block() -> None:
    example, fixation, _ = stacked(run(Stream([numbered(list(range(50)) * 2)], [0], 40), 3 * BLOCK))
    blocks = fixation.reshape(3, BLOCK, 40)
    same = Counter((i, j) for i in range(3) for j in range(i) if (blocks[i] == blocks[j]).mean() > 0.55)
    assert not same
    assert len(np.unique(example[::BLOCK], axis=0)) == 3


def test_a_single_object_leaves_the_gaze_nowhere_to_go() -> None:
    with pytest.raises(PlasticError, match="--train-size"):
        Stream([numbered([2, 2, 2])], [0], 4)


@pytest.mark.parametrize("error", [0.1, 0.3])
def test_wrong_fixation_signals_change_what_is_told_and_nothing_else(error: float) -> None:
    task = numbered([k % 5 for k in range(40)])
    right = stacked(run(Stream([task], [3], 16), 3 * BLOCK))
    wrong = stacked(run(Stream([task], [3], 16, fixation_error=error), 3 * BLOCK))
    assert np.array_equal(right[0], wrong[0])
    assert np.array_equal(right[2], wrong[2])
    flipped = right[1] != wrong[1]
    deviation = (error * (1 - error) / flipped.size) ** 0.5
    assert abs(flipped.mean() - error) < 4 * deviation
    assert 0 < flipped[right[1]].mean() < 1, "both fixations and saccades are misreported"
    assert 0 < flipped[~right[1]].mean() < 1

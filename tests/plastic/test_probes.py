"""Linear probes against the closed form of ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plastic.probes import probe

Latents = dict[str, np.ndarray]


def closed_form(train: np.ndarray, test: np.ndarray, labels: np.ndarray, answers: np.ndarray) -> float:
    """argmax of (XᵀX + 0.01 n)⁻¹ XᵀY on standardised activity, with an intercept."""
    kinds = max(labels.max(), answers.max()) + 1
    deviation = train.std(0)
    deviation[deviation == 0] = 1
    x, x_test = ((a - train.mean(0)) / deviation for a in (train, test))
    y = (labels[:, None] == np.arange(kinds)).astype(float)
    weight = np.linalg.inv(x.T @ x + 0.01 * len(x) * np.eye(x.shape[1])) @ x.T @ (y - y.mean(0))
    return float(np.mean((x_test @ weight + y.mean(0)).argmax(1) == answers))


@given(
    seed=st.integers(0, 2**32 - 1),
    train=st.integers(5, 80),
    units=st.integers(1, 30),
    kinds=st.integers(2, 5),
    noise=st.floats(0, 3),
)
@settings(max_examples=60, deadline=None)
def test_accuracy_is_that_of_the_closed_form(seed: int, train: int, units: int, kinds: int, noise: float) -> None:
    random = np.random.default_rng(seed)
    labels, answers = random.integers(kinds, size=train), random.integers(kinds, size=60)
    centres = random.normal(size=(kinds, units))
    x = (centres[labels] + noise * random.normal(size=(train, units))) * random.uniform(0.1, 20, units) + 5
    x_test = centres[answers] + noise * random.normal(size=(60, units))
    x_test = x_test * random.uniform(0.1, 20, units)
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]})
    assert found == {"class": pytest.approx(closed_form(x, x_test, labels, answers))}


def test_every_variable_of_every_level_is_read_apart() -> None:
    random = np.random.default_rng(1)
    latents: tuple[Latents, Latents] = tuple(  # type: ignore[assignment]
        {
            "class": random.integers(3, size=(n, 1)),
            "level 1": random.integers(4, size=(n, 2)),
            "level 2": random.integers(2, size=(n, 4)),
        }
        for n in (300, 200)
    )
    x, x_test = (
        np.concatenate([np.eye(4)[a["class"][:, 0]], np.eye(4)[a["level 1"][:, 0]]], 1)
        + 0.4 * random.normal(size=(len(a["class"]), 8))
        for a in latents
    )
    expected = {
        level: np.mean([closed_form(x, x_test, values[:, k], latents[1][level][:, k]) for k in range(values.shape[1])])
        for level, values in latents[0].items()
    }
    found = probe(x, x_test, *latents)
    assert found == pytest.approx(expected)
    assert found["class"] > 0.9  # the activity says it
    assert 0.55 < found["level 1"] < 0.8  # … one of two, the other by chance
    assert 0.4 < found["level 2"] < 0.6  # … nothing


def test_separable_classes_are_read_without_error() -> None:
    random = np.random.default_rng(2)
    labels, answers = np.arange(200) % 4, np.arange(100) % 4
    x, x_test = (6 * np.eye(4)[k] + random.uniform(-1, 1, (len(k), 4)) for k in (labels, answers))
    assert probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]}) == {"class": 1.0}


def test_noise_is_read_by_chance() -> None:
    random = np.random.default_rng(3)
    labels, answers = np.arange(2000) % 5, np.arange(4000) % 5
    x, x_test = random.normal(size=(2000, 30)), random.normal(size=(4000, 30))
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]})["class"]
    assert abs(found - 0.2) < 4.5 * np.sqrt(0.2 * 0.8 / 4000)


def test_more_units_than_examples_do_not_fit_the_test_set() -> None:
    """The score is that of the test set, not of what was fitted."""
    random = np.random.default_rng(4)
    labels, answers = np.arange(40) % 4, np.arange(2000) % 4
    x, x_test = random.normal(size=(40, 200)), random.normal(size=(2000, 200))
    assert probe(x, x, {"class": labels[:, None]}, {"class": labels[:, None]})["class"] == 1.0
    assert probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]})["class"] < 0.32


def test_silent_units_and_classes_unseen_in_training() -> None:
    labels, answers = np.array([0, 1] * 20), np.array([0, 1, 2, 2])
    x = np.stack([labels * 1.0, np.zeros(40)], 1)
    x_test = np.array([[0.0, 0], [1, 0], [0, 0], [1, 0]])
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]})
    assert found == {"class": 0.5}
    silent = probe(np.zeros((40, 2)), np.zeros((4, 2)), {"class": labels[:, None]}, {"class": answers[:, None]})
    assert silent["class"] in (0.25, 0.5)  # always one and the same answer

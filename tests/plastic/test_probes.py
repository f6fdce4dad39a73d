"""Linear probes: ridge against its closed form; logistic against its own gradient, Bayes' rule and a search of ours."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

from plastic import probes
from plastic.errors import PlasticError
from plastic.probes import STRENGTHS, TOLERANCE, cross_entropy, fit, held_out, logistic_regression, probe

Latents = dict[str, np.ndarray]
KINDS = ("logistic", "ridge")


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
def test_accuracy_of_ridge_is_that_of_the_closed_form(
    seed: int, train: int, units: int, kinds: int, noise: float
) -> None:
    random = np.random.default_rng(seed)
    labels, answers = random.integers(kinds, size=train), random.integers(kinds, size=60)
    centres = random.normal(size=(kinds, units))
    x = (centres[labels] + noise * random.normal(size=(train, units))) * random.uniform(0.1, 20, units) + 5
    x_test = centres[answers] + noise * random.normal(size=(60, units))
    x_test = x_test * random.uniform(0.1, 20, units)
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]}, "ridge")
    assert found == {"class": pytest.approx(closed_form(x, x_test, labels, answers))}


@pytest.mark.parametrize("kind", KINDS)
def test_where_there_is_one_class_to_learn_it_is_the_answer(kind: probes.Probe) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3))
    only, answers = np.zeros((5, 1), int), np.array([[0], [1], [0], [0], [1]])
    assert probe(x, x, {"class": only}, {"class": answers}, kind) == {"class": pytest.approx(0.6)}


@pytest.mark.parametrize("kind", KINDS)
def test_every_variable_of_every_level_is_read_apart(kind: probes.Probe) -> None:
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
    found = probe(x, x_test, *latents, kind)
    assert found["class"] > 0.9  # the activity says it
    assert 0.55 < found["level 1"] < 0.8  # … one of two, the other by chance
    assert 0.4 < found["level 2"] < 0.6  # … nothing
    if kind == "ridge":
        assert found == pytest.approx(
            {
                level: np.mean([closed_form(x, x_test, v[:, k], latents[1][level][:, k]) for k in range(v.shape[1])])
                for level, v in latents[0].items()
            }
        )


@pytest.mark.parametrize("kind", KINDS)
def test_separable_classes_are_read_without_error(kind: probes.Probe) -> None:
    random = np.random.default_rng(2)
    labels, answers = np.arange(200) % 4, np.arange(100) % 4
    x, x_test = (6 * np.eye(4)[k] + random.uniform(-1, 1, (len(k), 4)) for k in (labels, answers))
    assert probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]}, kind) == {"class": 1.0}


@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_read_by_chance(kind: probes.Probe) -> None:
    random = np.random.default_rng(3)
    labels, answers = np.arange(2000) % 5, np.arange(4000) % 5
    x, x_test = random.normal(size=(2000, 30)), random.normal(size=(4000, 30))
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]}, kind)["class"]
    assert abs(found - 0.2) < 4.5 * np.sqrt(0.2 * 0.8 / 4000)


@pytest.mark.parametrize("kind", KINDS)
def test_more_units_than_examples_do_not_fit_the_test_set(kind: probes.Probe) -> None:
    """The score is that of the test set, not of what was fitted."""
    random = np.random.default_rng(4)
    labels, answers = np.arange(40) % 4, np.arange(2000) % 4
    x, x_test = random.normal(size=(40, 200)), random.normal(size=(2000, 200))
    assert probe(x, x, {"class": labels[:, None]}, {"class": labels[:, None]}, kind)["class"] == 1.0
    assert probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]}, kind)["class"] < 0.32


@pytest.mark.parametrize("kind", KINDS)
def test_silent_units_and_classes_unseen_in_training(kind: probes.Probe) -> None:
    labels, answers = np.array([0, 1] * 20), np.array([0, 1, 2, 2])
    x = np.stack([labels * 1.0, np.zeros(40)], 1)
    x_test = np.array([[0.0, 0], [1, 0], [0, 0], [1, 0]])
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]}, kind)
    assert found == {"class": 0.5}
    silent = probe(np.zeros((40, 2)), np.zeros((4, 2)), {"class": labels[:, None]}, {"class": answers[:, None]}, kind)
    assert silent["class"] in (0.25, 0.5)  # always one and the same answer


def standardised(*activity: np.ndarray) -> tuple[np.ndarray, ...]:
    deviation = activity[0].std(0)
    deviation[deviation == 0] = 1
    return tuple((a - activity[0].mean(0)) / deviation for a in activity)


def penalised(x: np.ndarray, labels: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """W and b at the minimum of C Σ −log softmax(W x + b)[label] + ½ ‖W‖², by autograd in float64, from
    nothing."""
    kinds = int(labels.max()) + 1
    given, answers = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(labels)
    w = torch.zeros(kinds, x.shape[1], dtype=torch.float64, requires_grad=True)
    b = torch.zeros(kinds, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [w, b], max_iter=3000, tolerance_grad=1e-9, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        search.zero_grad()
        crossed = torch.nn.functional.cross_entropy(given @ w.T + b, answers, reduction="sum")
        value = strength * crossed + w.square().sum() / 2
        value.backward()
        return value

    search.step(loss)
    return w.detach().numpy(), b.detach().numpy()


def of_centres(seed: int, examples: int, units: int, kinds: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(kinds, size=examples)
    return random.normal(size=(kinds, units))[labels] + noise * random.normal(size=(examples, units)), labels


@pytest.mark.parametrize("strength", STRENGTHS)
@pytest.mark.parametrize("seed", range(3))
def test_at_the_fit_the_gradient_of_the_penalised_cross_entropy_is_zero(seed: int, strength: float) -> None:
    """By the formula, in float64: ∂/∂W = C Σ_n (p_n − target_n) x_nᵀ + W, ∂/∂b = C Σ_n (p_n − target_n)."""
    x, labels = of_centres(seed, 400, 20, 4, 2.0)
    x = standardised(x)[0]
    model = logistic_regression(strength).fit(x.astype(np.float32), labels)
    w, b = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    logits = x @ w.T + b
    p = np.exp(logits - logits.max(1, keepdims=True))
    error = p / p.sum(1, keepdims=True) - np.eye(4)[labels]
    per_example = np.concatenate([error.T @ x + w / strength, error.sum(0)[:, None]], axis=1) / len(x)
    assert np.abs(per_example).max() < 1.05 * TOLERANCE
    assert np.abs(np.eye(4)[labels].T @ x / len(x)).max() > 100 * TOLERANCE, "it is not zero elsewhere"
    exact = penalised(x, labels, strength)
    np.testing.assert_allclose(w - w.mean(0), exact[0] - exact[0].mean(0), atol=0.05 * np.abs(exact[0]).max())


@pytest.mark.parametrize(("seed", "noise"), [(0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0)])
def test_the_penalty_is_the_best_on_what_was_held_out(seed: int, noise: float) -> None:
    """The accuracy is that of a search of ours, which knows which examples are held out and nothing else."""
    x, labels = of_centres(seed, 300, 12, 4, noise)
    (x, x_test), (labels, answers) = (x[:150], x[150:]), (labels[:150], labels[150:])
    held, (z, z_test) = held_out(labels), standardised(x, x_test)
    losses = []
    for strength in STRENGTHS:
        w, b = penalised(z[~held], labels[~held], strength)
        likely = torch.log_softmax(torch.as_tensor(z[held] @ w.T + b), 1).numpy()
        losses.append(-likely[np.arange(held.sum()), labels[held]].mean())
    w, b = penalised(z, labels, STRENGTHS[int(np.argmin(losses))])
    expected = (z_test @ w.T + b).argmax(1)
    found = fit(x, {"class": labels[:, None]})(x_test)["class"][:, 0]
    assert np.mean(found == expected) > 0.985  # the fit ends at TOLERANCE, so an answer on the border may differ
    assert probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]})["class"] == np.mean(
        found == answers
    )


@pytest.mark.parametrize("far", [1.0, 1000.0])
def test_cross_entropy_is_that_of_torch_however_far_from_the_border(far: float) -> None:
    """Of float32 scores, whose likelihoods are 0 where they are far apart."""
    x, labels = of_centres(12, 60, 4, 3, 2.0)
    w = (far * np.random.default_rng(13).normal(size=(3, 4))).astype(np.float32)
    for kinds in (3, 2):
        model = logistic_regression(1.0).fit(x.astype(np.float32), labels % kinds)
        model.coef_ = w if kinds == 3 else w[:1]
        logits = torch.as_tensor(x.astype(np.float32) @ model.coef_.T + model.intercept_).double()
        logits = logits if kinds == 3 else torch.cat([torch.zeros_like(logits), logits], 1)
        expected = torch.nn.functional.cross_entropy(logits, torch.as_tensor(labels % kinds)).item()
        assert cross_entropy(model, x.astype(np.float32), labels % kinds) == pytest.approx(expected, rel=1e-4)
        assert np.isfinite(expected)


def test_noise_is_given_a_stronger_penalty_than_clear_classes() -> None:
    chosen = []
    for noise in (0.5, 30.0):
        x, labels = of_centres(5, 400, 30, 4, noise)
        model = logistic_regression(1.0)
        chosen.append(probes._choose(model, standardised(x)[0].astype(np.float32), labels))
    assert chosen == [STRENGTHS[-1], STRENGTHS[0]]


def test_one_in_five_of_every_value_is_held_out() -> None:
    labels = np.repeat([3, 0, 7, 1], [50, 24, 4, 5])
    held = held_out(labels)
    assert [int(held[labels == value].sum()) for value in (3, 0, 7, 1)] == [10, 4, 0, 1]
    assert (held == held_out(labels)).all()
    assert not held[:10].all()  # drawn, not the first


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0, 3.0])
def test_two_gaussians_are_told_apart_as_well_as_by_bayes_rule(distance: float) -> None:
    """Of equal covariance Σ they are so by Φ(d / 2), d² = Δᵀ Σ⁻¹ Δ the squared distance of the means."""
    random, mixed = np.random.default_rng(6), np.random.default_rng(7).normal(size=(5, 5))
    step = np.zeros(5)
    step[0] = distance
    labels, answers = np.arange(6000) % 2, np.arange(40_000) % 2
    x, x_test = ((random.normal(size=(len(k), 5)) + k[:, None] * step) @ mixed for k in (labels, answers))
    bayes = 0.5 * (1 + math.erf(distance / 2 / math.sqrt(2)))
    found = probe(x, x_test, {"class": labels[:, None]}, {"class": answers[:, None]})["class"]
    assert abs(found - bayes) < 0.005 + 3 * math.sqrt(bayes * (1 - bayes) / 40_000)


def test_a_class_between_two_others_is_masked_from_ridge_and_not_from_logistic() -> None:
    """Three classes in a row (Hastie, Tibshirani, Friedman, section 4.2). Mirrored, so that the middle one's indicator
    does not vary with x: least squares gives it ⅓ everywhere, where one of the outer ones has more."""
    right = np.random.default_rng(8).normal(size=(3, 200)) * 0.4 + np.array([[4.0], [0.0], [4.0]])
    x = np.concatenate([right[0], -right[0], right[1, :100], -right[1, :100]])[:, None]
    labels = np.repeat([2, 0, 1], 200)
    latents = {"class": labels[:, None]}
    by_ridge, by_logistic = (fit(x, latents, kind)(x)["class"][:, 0] for kind in ("ridge", "logistic"))
    assert not (by_ridge == 1).any()
    assert probe(x, x, latents, latents, "ridge")["class"] == pytest.approx(2 / 3)
    assert np.mean(by_logistic == labels) > 0.995


def test_the_same_numbers_give_the_same_probe() -> None:
    x, labels = of_centres(9, 200, 15, 3, 2.0)
    first, again = (fit(x, {"class": labels[:, None]})(x)["class"] for _ in range(2))
    assert (first == again).all()


def test_a_fit_that_has_not_arrived_warns_and_others_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = of_centres(10, 200, 40, 4, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(x, {"class": labels[:, None]})
    monkeypatch.setattr(probes, "ITERATIONS", 2)
    with pytest.warns(ConvergenceWarning):
        fit(x, {"class": labels[:, None]})


@pytest.mark.parametrize("kind", KINDS)
def test_activity_that_is_not_finite_is_named(kind: probes.Probe) -> None:
    x, labels = of_centres(11, 40, 3, 2, 1.0)
    latents = {"class": labels[:, None]}
    wrong = x.copy()
    wrong[3, 1] = np.nan
    for train, test in ((wrong, x), (x, wrong)):
        with pytest.raises(PlasticError, match="its activity is not finite"):
            probe(train, test, latents, latents, kind)


def test_an_unknown_probe_is_named() -> None:
    with pytest.raises(PlasticError, match="unknown probe 'lasso'; choose one of: logistic, ridge"):
        fit(np.eye(3), {"class": np.arange(3)[:, None]}, "lasso")  # type: ignore[arg-type]

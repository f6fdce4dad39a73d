"""Linear probes: how much of the class, and of every latent, a linear readout finds in a layer.

A probe reads the standardised activity of all units of a layer. It is fitted on the training examples and scored on the
test examples; its answer is the likeliest value. Two kinds:

- logistic: multinomial logistic regression (scikit-learn, lbfgs), so it minimises C Σ_n −log p(label_n) + ½ ‖W‖², with
  a bias that is not penalised. For each layer and level, C is chosen from STRENGTHS on the training set: a fifth of the
  examples of every value is held out, C rises from the strongest penalty until the cross-entropy of those no longer
  falls, and the probe is fitted to all training examples with the best. A level of several variables (the symbols of a
  string) has one C, chosen on the first. Where no value has five examples, nothing can be held out, and C is 1.
  float32. A fit ends where no component of the gradient, per example, exceeds TOLERANCE (ROUGHLY while C is chosen,
  which is most of the time that a probe takes); one that has not after ITERATIONS steps is scored as it is, and
  scikit-learn's ConvergenceWarning says so.
- ridge: least squares from the activity to one-hot targets, λ = 0.01 n. Faster, and a lower bound only: it masks a
  class that lies between others (Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, section 4.2).

Both give the same for the same numbers; nothing is drawn but which examples are held out, by a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

Probe = Literal["logistic", "ridge"]
Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
Latents = dict[str, Labels]  # level → (n, variables)
Answer = Callable[[Floats], Latents]  # activity (n, units) → values
NAMES: dict[Probe, str] = {"logistic": "logistic regression", "ridge": "ridge regression"}  # as outputs say them
STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # C, from the strongest penalty to the weakest
UNCHOSEN = 1.0  # C where nothing can be held out
HELD_OUT = 5  # one of so many
TOLERANCE, ROUGHLY = 1e-4, 1e-3
ITERATIONS = 1000


def probe(
    train: Floats, test: Floats, train_latents: Latents, test_latents: Latents, kind: Probe = "logistic"
) -> dict[str, float]:
    """Test accuracy per latent level, mean over its variables.

    train, test: activity (n, units); latents: level → (n, variables).
    Raises PlasticError as `fit` does.
    """
    answers = fit(train, train_latents, kind)(test)
    return {level: float(np.mean((answers[level] == values).mean(0))) for level, values in test_latents.items()}


def fit(train: Floats, latents: Latents, kind: Probe = "logistic") -> Answer:
    """The probe of a layer, as a function from activity (n, units) to the values of every variable of every level.

    Raises PlasticError for activity that is not finite, of training or when asked, and for a kind that there is not.
    """
    from sklearn.preprocessing import StandardScaler

    if kind not in NAMES:
        raise PlasticError(f"unknown probe {kind!r}; choose one of: {', '.join(NAMES)}.")
    scaler = StandardScaler().fit(_finite(train))
    answer = {"logistic": _logistic, "ridge": _ridge}[kind](scaler.transform(train), latents)
    return lambda activity: answer(scaler.transform(_finite(activity)))


def _finite(activity: Floats) -> Floats:
    if not np.isfinite(activity).all():
        raise PlasticError("the network diverged: its activity is not finite; lower --learning-rate.")
    return activity


@contextmanager
def threads(count: int) -> Iterator[None]:
    """What is probed within takes so many threads: the libraries beneath scikit-learn, which are loaded here, count the
    cores themselves, and wait for those that are busy."""
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(count):
        yield


def _ridge(x: Floats, latents: Latents) -> Answer:
    """All variables by one solution."""
    from sklearn.linear_model import Ridge

    columns = [values[:, column] for values in latents.values() for column in range(values.shape[1])]
    sizes = [int(column.max()) + 1 for column in columns]
    targets = np.concatenate([np.eye(k)[column] for column, k in zip(columns, sizes, strict=True)], axis=1)
    ridge = Ridge(alpha=0.01 * len(x), solver="cholesky").fit(x, targets)

    def answer(activity: Floats) -> Latents:
        outputs = ridge.predict(activity).reshape(len(activity), -1)  # of one column scikit-learn drops the axis
        found = iter(np.split(outputs, np.cumsum(sizes)[:-1], axis=1))
        return {k: np.stack([next(found).argmax(1) for _ in range(v.shape[1])], axis=1) for k, v in latents.items()}

    return answer


def _logistic(x: Floats, latents: Latents) -> Answer:
    """One regression for each variable."""
    x = x.astype(np.float32)
    models = {level: _of_level(x, values) for level, values in latents.items()}

    def answer(activity: Floats) -> Latents:
        activity = activity.astype(np.float32)
        return {level: np.stack([one.predict(activity) for one in own], axis=1) for level, own in models.items()}

    return answer


def _of_level(x: Floats, values: Labels) -> list[Any]:
    """The fitted probe of each variable of a level, (n, variables)."""
    from sklearn.dummy import DummyClassifier

    found, chosen = [], None
    for labels in values.T:
        if (labels == labels[0]).all():  # nothing to tell apart
            found.append(DummyClassifier(strategy="most_frequent").fit(x, labels))
            continue
        model = logistic_regression(UNCHOSEN)
        chosen = _choose(model, x, labels) if chosen is None else chosen
        found.append(model.set_params(C=chosen, tol=TOLERANCE).fit(x, labels))
    return found


def logistic_regression(strength: float) -> LogisticRegression:
    """The probe before it is fitted; it goes on from where it was."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, tol=TOLERANCE, max_iter=ITERATIONS, warm_start=True)


def _choose(model: LogisticRegression, x: Floats, labels: Labels) -> float:
    """C, and the model is left where it was fitted with that, for the fit to all examples to begin from."""
    held = held_out(labels)
    if not held.any():
        return UNCHOSEN
    lowest, chosen, best = np.inf, UNCHOSEN, (np.zeros(0), np.zeros(0))
    for strength in STRENGTHS:
        model.set_params(C=strength, tol=ROUGHLY).fit(x[~held], labels[~held])
        loss = cross_entropy(model, x[held], labels[held])
        if not loss < lowest:
            break
        lowest, chosen, best = loss, strength, (model.coef_, model.intercept_)
    model.coef_, model.intercept_ = best
    return chosen


def cross_entropy(model: LogisticRegression, x: Floats, labels: Labels) -> float:
    """Mean of −log p(label); finite where p itself is not in the range of the numbers."""
    from scipy.special import log_softmax

    scores = model.decision_function(x).astype(np.float64)
    if scores.ndim == 1:  # of two values: the second against the first
        scores = np.stack([np.zeros_like(scores), scores], axis=1)
    return -float(log_softmax(scores, axis=1)[np.arange(len(x)), np.searchsorted(model.classes_, labels)].mean())


def held_out(labels: Labels) -> NDArray[np.bool_]:
    """Which examples are: of every value one in five, rounded down, drawn by a fixed seed."""
    random, held = np.random.default_rng(0), np.zeros(len(labels), bool)
    for value in np.unique(labels):
        own = random.permutation(np.flatnonzero(labels == value))
        held[own[: len(own) // HELD_OUT]] = True
    return held

"""Linear probes: how much of the class, and of every latent, a linear readout finds in a layer.

Ridge regression (λ = 0.01 n) from standardised activity to one-hot targets, fitted on the training
examples, scored on the test examples; the answer is the largest output. Layer by layer, with all
units of the layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError

Floats = NDArray[np.floating[Any]]


def probe(
    train: Floats, test: Floats, train_latents: dict[str, NDArray[np.int64]], test_latents: dict[str, NDArray[np.int64]]
) -> dict[str, float]:
    """Test accuracy per latent level, mean over its variables.

    train, test: activity (n, units); latents: level → (n, variables).
    Raises PlasticError for activity that is not finite.
    """
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise PlasticError("the network diverged: its activity is not finite; lower --learning-rate.")
    names = [(level, column) for level, values in train_latents.items() for column in range(values.shape[1])]
    sizes = [int(max(train_latents[n][:, c].max(), test_latents[n][:, c].max())) + 1 for n, c in names]
    one_hot = [np.eye(k)[train_latents[n][:, c]] for (n, c), k in zip(names, sizes, strict=True)]
    targets = np.concatenate(one_hot, axis=1)
    scaler = StandardScaler().fit(train)
    ridge = Ridge(alpha=0.01 * len(train), solver="cholesky").fit(scaler.transform(train), targets)
    outputs = np.split(ridge.predict(scaler.transform(test)), np.cumsum(sizes)[:-1], axis=1)
    right: dict[str, list[float]] = {}
    for (name, column), output in zip(names, outputs, strict=True):
        right.setdefault(name, []).append(float(np.mean(output.argmax(1) == test_latents[name][:, column])))
    return {name: float(np.mean(values)) for name, values in right.items()}

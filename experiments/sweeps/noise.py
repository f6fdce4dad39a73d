"""What noise costs a trained rate network: accuracy of the class at the top layer, the probe fitted without noise.

The same examples, weights and probe at every strength, so that only the noise differs. Three kinds, of mean zero each:

- weights: Gaussian on every weight, its standard deviation a share of the root mean square of the layer's weights.
- inputs: Gaussian on every input, its standard deviation a share of the root mean square of the inputs.
- release: every synapse transmits with probability p, independently in every example, and then 1/p times as much
  (stochastic release, in which the mean stays). Of trees and dense networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.models.network.layer import Layer
from plastic.models.neuron.surrogate import rate_function
from plastic.models.training.ensemble import Ensemble
from plastic.probes import fit, threads
from plastic.stimuli.random import generator

SHARES = (0.0, 0.05, 0.1, 0.2, 0.4)
PROBABILITIES = (1.0, 0.9, 0.75, 0.5)
AT_ONCE = 50  # examples whose synapses are drawn together

Features = Callable[[], NDArray[Any]]  # of the test examples, at the top layer: (examples, units)


def weight_noise(ensemble: Ensemble, index: int, config: Config) -> dict[str, float]:
    """Share → accuracy with noise on every weight."""
    scored = _scored(ensemble, index)
    found = {}
    for share in SHARES:
        with _disturbed(ensemble, index, share, config.seed):
            found[str(share)] = scored(ensemble.features(index, ensemble.tasks[index].test, "probe-test")[-1])
    return found


@torch.inference_mode()
def noise(ensemble: Ensemble, index: int, config: Config) -> dict[str, dict[str, float]]:
    """Kind → strength → accuracy: of weights, inputs and release (see above).

    Raises PlasticError for networks that spike or convolve.
    """
    layers = ensemble.network.layers
    if ensemble.settings.spiking is not None or not all(isinstance(layer, Layer) for layer in layers):
        raise PlasticError(
            "the measure noise is for rate networks, trees or dense; leave it out, or take weight_noise."
        )
    scored, test = _scored(ensemble, index), ensemble.tasks[index].test
    x = ensemble.presentation.examples(index, test.inputs, "probe-test", 0)
    size = float(x.square().mean().sqrt())
    return {
        "weights": weight_noise(ensemble, index, config),
        "inputs": {
            str(share): scored(_top(ensemble, index, x + share * size * _gaussian(x, config.seed))) for share in SHARES
        },
        "release": {str(p): scored(_top(ensemble, index, x, p, config.seed)) for p in PROBABILITIES},
    }


def _scored(ensemble: Ensemble, index: int) -> Callable[[NDArray[Any]], float]:
    """The accuracy of a probe that is fitted now, from the activity of the test examples at the top layer."""
    task = ensemble.tasks[index]
    with threads(torch.get_num_threads()):
        labels = {"class": task.train.labels[:, None]}
        fitted = fit(ensemble.features(index, task.train, "probe-train")[-1], labels, ensemble.settings.probe)
    return lambda features: round(float(np.mean(fitted(features)["class"][:, 0] == task.test.labels)), 6)


@contextmanager
def _disturbed(ensemble: Ensemble, index: int, share: float, seed: int) -> Iterator[None]:
    """Noise on all weights of one member, within."""
    weights = {k: v for k, v in ensemble.parameters.items() if k.endswith(".weight")}
    kept = {k: v[index].clone() for k, v in weights.items()}
    random = generator(seed, "weight-noise")
    for name in sorted(weights):
        own = weights[name][index]
        own += share * own.square().mean().sqrt() * torch.as_tensor(random.standard_normal(own.shape)).to(own)
    yield
    for name, value in kept.items():
        weights[name][index] = value


def _gaussian(x: Tensor, seed: int) -> Tensor:
    return torch.as_tensor(generator(seed, "input-noise").standard_normal(x.shape)).to(x)


def _top(ensemble: Ensemble, index: int, x: Tensor, release: float = 1.0, seed: int = 0) -> NDArray[Any]:
    """Activity of the top layer to inputs (1, examples, inputs); every synapse transmits with probability `release`."""
    random = torch.Generator(x.device).manual_seed(seed)
    rho, _ = rate_function(ensemble.settings.activation)
    for number, layer in enumerate(ensemble.network.layers, 1):
        pre, weight = layer.patches(x), ensemble.parameters[f"layer{number}.weight"][index : index + 1]
        drive = layer.drive(weight, pre) if release == 1 else _unreliable(layer, weight, pre, release, random)
        x = rho(drive).flatten(2)
    return x[0].double().cpu().numpy()


def _unreliable(layer: Layer, weight: Tensor, pre: Tensor, release: float, random: torch.Generator) -> Tensor:
    """The drive of synapses that fail: (1, examples, positions, fan_in) to (1, examples, positions, neurons)."""
    drives = []
    own = weight[0] if layer.shared else weight[0][None]
    for some in torch.split(pre[0], AT_ONCE):
        transmits = torch.empty(*some.shape[:2], layer.neurons, layer.fan_in, dtype=some.dtype, device=some.device)
        transmits.bernoulli_(release, generator=random)
        drives.append(torch.einsum("bpnk,bpk->bpn", transmits.mul_(own), some) / release)
    return torch.cat(drives)[None]

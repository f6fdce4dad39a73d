"""What a sweep can measure of a trained network, by name.

Each takes the ensemble, the member's index and its config, and returns plain JSON data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from plastic.config.settings import Config
from plastic.errors import PlasticError
from plastic.experiments.sweeps.noise import noise, weight_noise
from plastic.models.backends.rate.simulator import RateSimulator
from plastic.models.learning.learner import Learner
from plastic.models.network.outer import Update
from plastic.models.network.parameters import Parameters, needs_readout
from plastic.models.training.ensemble import Ensemble
from plastic.rules import BP, Rule
from plastic.stimuli.grammar import RandomHierarchyModel
from plastic.stimuli.random import generator
from plastic.stimuli.synonyms import exchange
from plastic.stimuli.task import Examples

Measure = Callable[[Ensemble, int, Config], Any]
ALIGNED = 1024  # training strings that weight changes are compared on
EXCHANGED = 1000  # test strings whose synonyms are exchanged


def probe(ensemble: Ensemble, index: int, config: Config) -> list[dict[str, float]]:
    """Linear-probe test accuracy per layer: latent level → accuracy; the config's `probe` says by which kind."""
    del config
    return [{k: round(v, 6) for k, v in layer.items()} for layer in ensemble.probe(index)]


def class_alone(ensemble: Ensemble, index: int, config: Config) -> list[dict[str, float]]:
    """`probe` of the class and no other latent, in a quarter of its time."""
    del config
    return [{k: round(v, 6) for k, v in layer.items()} for layer in ensemble.probe(index, ["class"])]


def readout(ensemble: Ensemble, index: int, config: Config) -> float | None:
    """Test accuracy of the network's own readout; None for rules that train none."""
    del config
    found = ensemble.readout(index)
    return None if found is None else round(found, 6)


def grammar_of(config: Config) -> RandomHierarchyModel:
    """The grammar that a resolved config draws its strings from."""
    s = config.stimuli
    assert s.levels is not None
    return RandomHierarchyModel(s.symbols, s.classes, s.synonyms, s.levels, s.branching, config.seed)


def invariance(ensemble: Ensemble, index: int, config: Config) -> list[list[float]]:
    """S_{k,l}: rows are layers k, columns levels l = 1 … L, level 1 being the input tuples.

    S = ⟨‖f_k(x) − f_k(P_l x)‖²⟩ / ⟨‖f_k(x) − f_k(y)‖²⟩, where P_l rewrites every level-l tuple by a
    random synonym and y is another string (Cagnetta et al. 2024). 1: as sensitive to synonyms as to
    anything else; 0: invariant. Averaged over test strings.
    """
    task, grammar = ensemble.tasks[index], grammar_of(config)
    test = _some(task.test, EXCHANGED)
    latents = (*test.latents.values(), test.inputs)
    here = ensemble.features(index, test, "invariance")
    random = generator(config.seed, "invariance")
    others = random.permutation(len(test))
    columns = []
    for level in range(1, grammar.levels + 1):
        swapped = Examples(exchange(grammar, latents, level, random), test.labels, test.latents)
        there = ensemble.features(index, swapped, "invariance")
        columns.append([_ratio(a, b, a[others]) for a, b in zip(here, there, strict=True)])
    return [[round(value, 6) for value in row] for row in zip(*columns, strict=True)]


def alignment(ensemble: Ensemble, index: int, config: Config) -> list[float | None]:
    """Cosine between the rule's weight changes and those of backpropagation, layer by layer.

    At the present weights (readout included), on the same training strings; for rate networks and
    rules that have a readout. None where a layer's change is zero.
    """
    name, settings = config.rule, ensemble.settings
    if settings.spiking is not None or not needs_readout(settings.rule):
        raise PlasticError(f"the measure alignment is for rate networks and rules with an output error, not {name!r}.")
    if not ensemble.network.plain:
        raise PlasticError("the measure alignment is for networks of one rule; leave it out, or --network.")
    task = ensemble.tasks[index]
    chosen = generator(config.seed, "alignment").permutation(len(task.train))[:ALIGNED]
    inputs = ensemble.encode(task.train.inputs[None, chosen], "alignment", 0)
    target = inputs.new_tensor(np.eye(ensemble.network.classes)[task.train.labels[None, chosen]])
    parameters = {k: v[index : index + 1] for k, v in ensemble.parameters.items()}
    own, exact = (_changes(ensemble, rule, parameters, inputs, target) for rule in (settings.rule, BP()))
    return [_cosine(own[key], exact[key]) for key in own if key.endswith(".weight") and key in exact]


def _changes(
    ensemble: Ensemble, rule: Rule, parameters: Parameters, inputs: torch.Tensor, target: torch.Tensor
) -> dict[str, torch.Tensor]:
    """What the rule would add to every weight, which stays as it is."""
    asked: dict[str, torch.Tensor] = {}

    def optimizer(name: str, weight: torch.Tensor, update: Update, state: dict[str, torch.Tensor]) -> None:
        del weight, state
        asked[name] = update.value().double().flatten()

    learner = Learner(ensemble.network, rule, parameters, optimizer, frozenset(parameters))
    simulator = RateSimulator(ensemble.network, rule, ensemble.settings.activation)
    learner.learn(simulator.respond(parameters, inputs), torch.ones_like(target[..., :1]), target)
    return asked


def _cosine(a: torch.Tensor, b: torch.Tensor) -> float | None:
    norms = float(a.norm() * b.norm())
    return None if norms == 0 else round(float(a @ b) / norms, 6)


def _some(examples: Examples, count: int) -> Examples:
    latents = {k: v[:count] for k, v in examples.latents.items()}
    return Examples(examples.inputs[:count], examples.labels[:count], latents)


def _ratio(here: NDArray[Any], there: NDArray[Any], others: NDArray[Any]) -> float:
    between = float(((here - others) ** 2).sum(1).mean())
    return float(((here - there) ** 2).sum(1).mean()) / between if between > 0 else 0.0


MEASURED = ("probe", "readout")  # where a sweep does not say
AS = {"class": "probe"}  # the name in a row, where it is not the measure's
MEASURES: dict[str, Measure] = {
    "probe": probe,
    "class": class_alone,
    "readout": readout,
    "invariance": invariance,
    "alignment": alignment,
    "weight_noise": weight_noise,
    "noise": noise,
}

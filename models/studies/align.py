"""Updates compared: a rule's beside a reference's, on the same batch, weights and negatives, over training.

The network is trained by the rule. The reference shares all weights that have the same name and shape; what
circuits it has beyond those (a readout, say) learn by its own updates along the way. For a comparison both
are given the same pairs of stimuli, with contexts computed from the present weights, and nothing changes.

Beside every cosine stand the norm of the reference's update, without which a cosine says nothing where gradients
vanish, and its null: the cosine that the same rule has with fresh random feedback (plastic.models.studies.null).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.learning.learner import Watch
from plastic.models.learning.optimizer import make_optimizer
from plastic.models.network.layer import Network
from plastic.models.network.outer import Whole
from plastic.models.network.parameters import Parameters, he_std, initial_parameters, layer_name, specification
from plastic.models.neuron.constants import Traces
from plastic.models.settings import Settings, build_network
from plastic.models.studies.null import Kind, null_kind, null_updates
from plastic.models.studies.updates import Batch, cosine, updates
from plastic.models.training.ensemble import Ensemble
from plastic.rules.rule import LayerShape, Rule
from plastic.stimuli.stream import Stimulus, Stream
from plastic.stimuli.task import Task

COMPARED = 4  # pairs of stimuli that a comparison averages over
DRAWS = 8  # of the fresh feedback that gives the null
VANISHED = 0.01  # of the largest norm that a layer's reference had by then: below it a cosine says nothing
OTHER = 10_000  # added to the seed of the stream that they come from


def to_the_top(network: Network, parameters: Parameters, index: int) -> Tensor:
    """Q = W^L ⋯ W^{l+1} of a dense network: (units at the top, units of the layer)."""
    product = torch.eye(network.layers[index].units).to(parameters["layer1.weight"])
    for above in range(index + 1, len(network.layers)):
        product = parameters[f"{layer_name(above)}.weight"][0] @ product
    return product


def lateral_alignment(network: Network, rule: Rule, parameters: Parameters) -> dict[str, list[float]]:
    """cos(B^l, Qᵀ B^L Q) of every lateral matrix B of a dense network's circuits, by its name.

    The right side is what B^l must be for a local update to equal the global one in a deep linear network.
    """
    if any(layer.positions > 1 for layer in network.layers):
        return {}
    probe = LayerShape(units=2, classes=3, above=(5, 2), top_units=4)  # lengths that tell what joins what
    found = {}
    for name in sorted(n for n, synapses in rule.circuit(probe).items() if synapses.shape == (2, 2)):
        matrices = [parameters[f"{layer_name(i)}.{name}"][0] for i in range(len(network.layers))]
        above = [to_the_top(network, parameters, i) for i in range(len(matrices))]
        found[name] = [cosine(b, q.mT @ matrices[-1] @ q) for b, q in zip(matrices, above, strict=True)]
    return found


@dataclass
class Comparison:
    """An observer of a training: compares updates at some of its steps, layer by layer."""

    ensemble: Ensemble
    reference: Rule
    steps: Sequence[int]
    learning_rate: float
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings, task = self.ensemble.settings, self.ensemble.tasks[0]
        self.network = build_network(_with_rule(settings, self.reference), task)
        specified = specification(self.network, self.reference, he_std(self.network))
        drawn = initial_parameters(specified, self.ensemble.seeds, settings.dtype, settings.device)
        own = self.ensemble.parameters
        self.extra = {k for k, v in drawn.items() if k not in own or own[k].shape != v.shape}
        self.parameters = {k: v if k in self.extra else own[k] for k, v in drawn.items()}
        rate = torch.tensor([self.learning_rate], dtype=settings.dtype, device=settings.device)
        self.learning = {k for k in self.extra if specified[k].plastic}
        self.optimizer, self.state = make_optimizer(settings.optimizer, rate), dict[str, Tensor]()
        stream = Stream(
            [task], [seed + OTHER for seed in self.ensemble.seeds], settings.batch, settings.fixation_probability,
            settings.fixation_error,
        )  # fmt: skip
        stimuli = [stream.next() for _ in range(2 * COMPARED)]
        self.batches = [self._batch(a, b) for a, b in zip(stimuli[::2], stimuli[1::2], strict=True)]
        self.before: Stimulus | None = None

    def begin(self, step: int) -> tuple[Watch | None, Traces | None]:
        if step == 1:
            self.compare(0)
        return None, None

    def end(self, step: int, stimulus: Stimulus) -> None:
        if self.learning and self.before is not None:
            batch = self._batch(self.before, stimulus)
            found = updates(self.network, self.reference, self.ensemble.settings.activation, self.parameters, batch)
            for name in self.learning:
                self.optimizer(name, self.parameters[name], Whole((found[name],)), self.state)
        self.before = stimulus
        if step in self.steps:
            self.compare(step)

    def compare(self, step: int) -> None:
        """One row, of every layer: cosine, its spread over the batches and its null; norm ratio and reference's norm.

        The null is the mean over the batches for each of `DRAWS` draws of fresh feedback, which are others at every
        comparison: `null` is the mean over the draws, `null_std` their standard deviation.
        """
        settings, parameters = self.ensemble.settings, self.ensemble.parameters
        own = (self.ensemble.network, settings.rule, settings.activation, parameters)
        names = [f"{layer_name(i)}.weight" for i in range(len(self.network.layers))]
        nothing = torch.zeros(1)
        cosines, ratios, norms, nulls = [], [], [], list[list[list[float]]]()
        for batch in self.batches:
            mine = updates(*own, batch)
            theirs = updates(self.network, self.reference, settings.activation, self.parameters, batch)
            cosines.append(_cosines(mine, theirs, names))
            ratios.append([_ratio(mine.get(n, nothing), theirs[n]) for n in names])
            norms.append([float(theirs[n].norm()) for n in names])
            seed, first = self.ensemble.seeds[0], len(self.rows) * DRAWS
            drawn = (null_updates(*own, batch, seed, first + draw) for draw in range(DRAWS))
            nulls.append([_cosines(null, theirs, names) for null in drawn])
        spread, by_draw = torch.tensor(cosines).std(0), torch.tensor(nulls).mean(0)
        row: dict[str, Any] = {"step": step, "cosine": _mean(cosines), "norm_ratio": _mean(ratios)}
        row |= {"cosine_std": spread.tolist(), "reference_norm": _mean(norms)}
        row |= {"null": by_draw.mean(0).tolist(), "null_std": by_draw.std(0).tolist()}
        if settings.activation == "linear":
            row["lateral"] = lateral_alignment(self.ensemble.network, settings.rule, parameters)
        self.rows.append(row)

    def _batch(self, before: Stimulus, now: Stimulus) -> Batch:
        presentation = self.ensemble.presentation
        inputs, context = (presentation.encode(presentation.pixels(s), "spikes", 0) for s in (now, before))
        return Batch(inputs, context, presentation.fixation(now), presentation.target(now))


def _ratio(mine: Tensor, theirs: Tensor) -> float:
    norm = float(theirs.norm())
    return float(mine.norm()) / norm if norm > 0 else 0.0


def _cosines(mine: Parameters, theirs: Parameters, names: list[str]) -> list[float]:
    return [cosine(mine[n], theirs[n]) if n in mine else 0.0 for n in names]


def vanished(rows: Sequence[dict[str, Any]], layer: int) -> list[bool]:
    """In which rows the reference's norm is below `VANISHED` of the largest that it had by then, in this layer."""
    largest, found = 0.0, []
    for row in rows:
        largest = max(largest, row["reference_norm"][layer])
        found.append(row["reference_norm"][layer] <= VANISHED * largest)
    return found


def _mean(rows: list[list[float]]) -> list[float]:
    return torch.tensor(rows).mean(0).tolist()


def _with_rule(settings: Settings, rule: Rule) -> Settings:
    return replace(settings, rule=rule)


def same_choices(rule: Rule, reference: type[Rule]) -> Rule:
    """The reference with the loss and the negatives of the rule, where it is the same rule end to end."""
    if not issubclass(reference, type(rule)):
        return reference()
    return reference(**{f.name: getattr(rule, f.name) for f in fields(rule) if f.name not in ("summary", "sides")})


def align(
    settings: Settings, reference: type[Rule], task: Task, seed: int, rate: float, steps: int, rows: int
) -> tuple[list[dict[str, Any]], Kind]:
    """Train by the rule of the settings; compare with the reference `rows` times, evenly, and at the start.

    Returns the rows (see Comparison.compare) and the kind of the null.

    Raises PlasticError for rules that are shown other inputs than the reference.
    """
    rule, other = settings.rule, same_choices(settings.rule, reference)
    for one in (rule, other):
        if one.reads.presentation != "single" or one.reads.normalised_input:
            raise PlasticError(
                f"rule {one.name!r} is shown other inputs (labels, pairs, or only their direction), so its updates "
                "cannot be compared on the same batch; leave it out."
            )
        if one.memory_slots:
            raise PlasticError(
                f"rule {one.name!r} remembers objects from stimulus to stimulus, and a comparison is made on single "
                "pairs of them; take --rule-options negatives_from=batch."
            )
        if settings.batch < one.smallest_batch:
            raise PlasticError(f"rule {one.name!r} needs at least {one.smallest_batch} streams; raise --batch.")
    ensemble = Ensemble(settings, [task], [seed], [rate])
    if not ensemble.network.plain:
        raise PlasticError(
            "layers with a rule, a learning rate or limits of their own are not compared; leave --network out."
        )
    at = sorted({round(steps * k / rows) for k in range(1, rows + 1)})
    comparison = Comparison(ensemble, other, at, rate)
    ensemble.train(steps, comparison)
    return comparison.rows, null_kind(ensemble.network, ensemble.parameters)

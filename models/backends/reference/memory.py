"""What the reference computes for rules beside a layer's own response: statistics, memories, the way down.

As slow and plain as plastic.models.backends.reference.step: moments sample by sample, matrices written out. It gives
statistics and memories to the rules (`Signals.recalled`), so that their own (plastic.rules.statistics and
plastic.rules.memory), which run everywhere else, are tested against it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plastic.rules.rule import Mask, Rule
from plastic.rules.statistics import Known, Moments, Statistics

Array = NDArray[np.float64]
State = dict[str, Array]


def at(weight: Array, position: int) -> Array:
    """The weights (neurons, fan_in) of one position: its own, or those that all share."""
    return weight[position] if weight.ndim == 3 else weight


def masked(post_factor: Array, mask: str) -> Array:
    """ψ of the sample, its mean over the batch, or 1."""
    if mask == "batch":
        return np.broadcast_to(post_factor.mean(0), post_factor.shape)
    return post_factor if mask == "sample" else np.ones_like(post_factor)


@dataclass(frozen=True)
class Above:
    """The projection to the layer above, as a rule may read it (plastic.rules.rule.Above)."""

    weight: Array
    credited: Array  # modulator × post factor of the layer above
    post_factor: Array  # of the layer above, not masked
    beyond: Above | None = None  # from the layer above to the one above that

    def down(self, weight: Array | None = None) -> Array:
        chosen = self.weight if weight is None else weight
        positions = range(self.credited.shape[1])
        return np.concatenate([self.credited[:, p] @ at(chosen, p) for p in positions], axis=1)

    def product(self, mask: Mask) -> Array:
        """(batch, units, classes): Wᵀ D Wᵀ D ⋯ written out, D the masked post factors in between."""
        batch, positions, neurons = self.post_factor.shape
        upper = np.broadcast_to(np.eye(positions * neurons), (batch, positions * neurons, positions * neurons))
        if self.beyond is not None:
            upper = self.beyond.product(mask)
        factor = masked(self.post_factor, mask).reshape(batch, -1)
        fan_in = self.weight.shape[-1]
        matrix = np.zeros((positions * neurons, positions * fan_in))
        for p in range(positions):
            rows, columns = slice(p * neurons, (p + 1) * neurons), slice(p * fan_in, (p + 1) * fan_in)
            matrix[rows, columns] = at(self.weight, p)
        return np.stack([matrix.T @ np.diag(d) @ u for d, u in zip(factor, upper, strict=True)])


def recalled(
    rule: Rule, name: str, activity: Array, context: Array | None, fixation: Array, decay: float | None, state: State
) -> dict[str, Any]:
    """Statistics and memories that the rule asks for; those that last are kept in `state` under `name`.

    activity, context: (batch, units), context None at the first stimulus; fixation: ±1 (batch, 1);
    decay: of slow traces per stimulus, None: statistics of the batch.
    """
    found: dict[str, Any] = {}
    held = np.zeros_like(activity) if context is None else context
    if (averages := rule.reads.averages) is not None:
        counted = fixation[:, 0] > 0 if averages.over == "fixations" else np.full(len(fixation), True)
        if decay is not None and context is None:
            counted = np.full(len(fixation), False)
        # a batch's own statistics are traces that remember nothing
        kept = {} if decay is None else state
        own = f"{name}.statistics"
        known = _moments(averages, own, activity, held, counted, decay or 0.0, kept)
        if averages.pairs:
            known = replace(known, per_pair=_per_pair(own, fixation[:, 0] > 0, counted, decay or 0.0, kept))
        found["statistics"] = known
    if rule.memory_slots:
        leaves = (fixation[:, 0] < 0) & (context is not None)
        found["memory"] = _remember(rule.memory_slots, f"{name}.memory", held, leaves, state)
    return found


def _moments(
    asked: Moments, name: str, activity: Array, context: Array, counted: NDArray[np.bool_], decay: float, state: State
) -> Known:
    """Means and scatters of (activity, context), jointly: all so far decay once, then one sample after the other."""
    units = activity.shape[1]
    weight = decay * float(state.get(f"{name}.weight", np.zeros(())))
    squares = decay**2 * float(state.get(f"{name}.squares", np.zeros(())))  # Σ of squared weights
    mean = state.get(f"{name}.mean", np.zeros(2 * units)).copy()
    scatter = decay * state.get(f"{name}.scatter", np.zeros((2 * units, 2 * units)))
    responses = np.concatenate([activity, context], axis=1)
    for sample in responses[counted]:
        weight, squares = weight + 1, squares + 1
        before = sample - mean
        mean += before / weight
        scatter += np.outer(before, sample - mean)
    state[f"{name}.weight"], state[f"{name}.squares"] = np.array(weight), np.array(squares)
    state[f"{name}.mean"], state[f"{name}.scatter"] = mean, scatter
    count = weight**2 / squares if squares > 0 else 0.0
    covariance = scatter / weight * count / (count - 1) if count > 1 + 1e-6 else np.zeros_like(scatter)
    parts = slice(0, units), slice(units, None)
    now, past = (_known(asked, count, mean[part], covariance[part, part], responses[:, part]) for part in parts)
    return Known(now, past, covariance[parts] if asked.cross else None)


def _known(asked: Moments, count: float, mean: Array, covariance: Array, responses: Array) -> Statistics:
    """Of one side: its own part of the joint moments."""
    joint = covariance if asked.covariance else None
    return Statistics(np.array([[count]]), mean[None], np.diag(covariance)[None], responses, joint)


def _per_pair(
    name: str, here: NDArray[np.bool_], counted: NDArray[np.bool_], decay: float, state: State
) -> Array:  # fmt: skip
    """Stimuli per fixation among those that were counted, the older the less: (1, 1)."""
    pairs = decay * float(state.get(f"{name}.pairs", np.zeros(()))) + float((here & counted).sum())
    state[f"{name}.pairs"] = np.array(pairs)
    return np.array([[float(state[f"{name}.weight"]) / (pairs or 1.0)]])


def _remember(slots: int, name: str, left: Array, leaves: NDArray[np.bool_], state: State) -> tuple[Array, Array]:
    """The last responses to the objects that each stream left: (batch, slots, units), and which are filled."""
    batch, units = left.shape
    memory = state.get(f"{name}.responses", np.zeros((batch, slots, units))).copy()
    filled = state.get(f"{name}.filled", np.zeros((batch, slots))).copy()
    for stream in np.flatnonzero(leaves):
        memory[stream, 1:] = memory[stream, :-1].copy()
        memory[stream, 0] = left[stream]
        filled[stream, : int(filled[stream].sum()) + 1] = 1
    state[f"{name}.responses"], state[f"{name}.filled"] = memory, filled
    return memory, filled

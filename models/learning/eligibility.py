"""What a layer does with a stimulus, and what it keeps of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from plastic.models.network.layer import Layer
from plastic.models.network.outer import PerMember, Update, Whole, open_rows
from plastic.models.neuron.constants import SpikeTrains
from plastic.rules.rule import Rule, Signals


@runtime_checkable
class Eligibility(Protocol):
    """Σ_t ψ_i[t] x̄_j[t] of one layer and stimulus, in whichever form gives the same numbers."""

    @property
    def layer(self) -> Layer: ...

    def credit(self, modulator: Tensor, gate: Tensor | float) -> Update:
        """Σ_batch m_i e_ij; modulator (members, batch, positions, neurons), of which gate is a factor."""
        ...

    def per_synapse(self) -> Tensor:
        """For every synapse: (members, batch, positions, neurons, fan_in)."""
        ...


@dataclass(frozen=True)
class Summed:
    """An eligibility that was summed up per synapse: (members, batch, positions, neurons, fan_in)."""

    layer: Layer
    summed: Tensor

    def credit(self, modulator: Tensor, gate: Tensor | float) -> Update:
        del gate
        target = "enk" if self.layer.shared else "epnk"
        return Whole((torch.einsum(f"ebpn,ebpnk->{target}", modulator, self.summed),))

    def per_synapse(self) -> Tensor:
        return self.summed


@dataclass(frozen=True)
class Factored:
    """An eligibility kept as its factors: post (members, time, batch, positions, neurons) and pre (…, fan_in).

    Rates have one time step. `winner`, where units pool: which patch drove each, in the shape of post, and pre is the
    map below.
    """

    layer: Layer
    post: Tensor
    pre: Tensor
    winner: Tensor | None = None

    def credit(self, modulator: Tensor, gate: Tensor | float) -> Update:
        rows = open_rows(gate, self.post.shape[2], self.post[0].numel() * self.layer.fan_in)
        if rows is None:
            return self._correlate(modulator[:, None] * self.post, self.pre, self.winner)
        return PerMember(tuple(self._credit_rows(modulator, e, r) for e, r in enumerate(rows)))

    def _credit_rows(self, modulator: Tensor, e: int, rows: Tensor) -> Update:
        """Of some stimuli of one member."""
        won = None if self.winner is None else self.winner[e : e + 1, :, rows]
        credited = self.post[e : e + 1, :, rows].mul_(modulator[e : e + 1, None, rows])
        return self._correlate(credited, self.pre[e : e + 1, :, rows], won)

    def _correlate(self, credited: Tensor, pre: Tensor, winner: Tensor | None) -> Update:
        won = None if winner is None else winner.flatten(1, 2)
        return self.layer.correlate(credited.flatten(1, 2), pre.flatten(1, 2), won)

    def per_synapse(self) -> Tensor:
        return self.layer.per_synapse(self.post, self.pre, self.winner)


def factored(eligibility: Eligibility | None) -> Factored:
    """The same, where it is known to be kept as its factors."""
    if not isinstance(eligibility, Factored):
        raise TypeError(f"this needs the factors of an eligibility, not {type(eligibility).__name__}")
    return eligibility


@dataclass(frozen=True)
class Response:
    """One layer's response to one stimulus."""

    activity: Tensor  # z: (members, batch, positions, neurons)
    post: Tensor  # post factor, in spikes its mean over the stimulus (if the rule reads `above`); same shape
    eligibility: Eligibility
    before: Response | None = None  # to the stimulus before, where it is recomputed
    input_activity: Tensor | None = None  # mean |x_j| over the layer's inputs: (members, batch)
    trains: SpikeTrains | None = None  # for stepwise rules, whose eligibility is not weighted yet
    factor: Tensor | None = None  # what has weighted it (see `weighted`), and what it was before
    unweighted: Factored | None = None

    def weighted(self, factor: Tensor) -> Response:
        """The same with a weighted post factor: (members, learning steps, batch, positions, neurons)."""
        own = factored(self.eligibility)
        weighted = replace(own, post=own.post * factor)
        return replace(self, eligibility=weighted, trains=None, factor=factor, unweighted=own)


@dataclass
class Previous:
    """What a layer keeps of the stimulus before; with `sides` both, what it is credited by."""

    context: Tensor
    eligibility: Eligibility | None = None
    post: Tensor | None = None  # see Response.post; for rules that send credit down for the stimulus before
    spared: Mapping[str, Any] = field(default_factory=dict)  # what the rule gave beside its declared state, so as not
    # to compute it again; not kept in a checkpoint

    @classmethod
    def of(cls, signals: Signals, response: Response, rule: Rule, spared: Mapping[str, Any]) -> Previous:
        """What the rule wants kept of a response and of the signals that its circuit made of it."""
        if rule.sides == "current":
            return cls(signals.activity, spared=spared)
        post = response.post if "above_before" in rule.reads.signals else None
        return cls(signals.activity, response.eligibility, post, spared)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a checkpoint."""
        parts = {} if self.eligibility is None else vars(self.eligibility)
        found = {"context": self.context, "post_factor": self.post, **parts}
        return {k: v for k, v in found.items() if isinstance(v, Tensor)}

    @classmethod
    def restored(cls, layer: Layer, tensors: dict[str, Tensor]) -> Previous:
        """The inverse of `tensors`."""
        parts = {k: v for k, v in tensors.items() if k not in ("context", "post_factor")}
        eligibility: Eligibility | None = Factored(layer, **parts) if "post" in parts else None
        if "summed" in parts:
            eligibility = Summed(layer, **parts)
        return cls(tensors["context"], eligibility, tensors.get("post_factor"))

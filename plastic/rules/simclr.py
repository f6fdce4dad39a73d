"""SimCLR, layer by layer and without a projector: NT-Xent on the cosine of responses.

    L_a   = −log softmax_n(ẑ_nᵀ ẑ_a / τ) at the other view of a,        ẑ = z / ‖z‖
    ΔW_ij = η · {g_i − ẑ_i ⟨ẑ, g⟩} / ‖z‖ · ψ(u_i) · x̄_j,   g = Σ_n (M_an + M_na) ẑ_n,  M = (1[true] − p)/τ

The views of a stream are its held response and its present one. At a fixation they are a pair, each
an anchor once; candidates are all other responses of the batch, held and present, as published. At
a saccade the two are negatives for the others. The cosine costs two more layer scalars, ⟨ẑ, g⟩ and
‖z‖: divisive normalisation. `sides = both` (default) credits both views; current: only the present
one, the held view detached. The published mean over the 2B anchors is η/2B here.

`negatives_from` = memory is the online form, for one stream: candidates are the other view and the
last responses to the `slots` objects that the gaze has left, a queue as in MoCo, but of the network
itself. Candidates are not credited; with `sides = both` the held view is an anchor as well (the
symmetric loss of MoCo v3).

T. Chen, S. Kornblith, M. Norouzi, G. Hinton, "A simple framework for contrastive learning of visual
representations", ICML 2020, equation 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from plastic.errors import PlasticError
from plastic.rules.declaration import About, Acts, Ledger, Reads, Sides
from plastic.rules.expressions import contrasted, dot, is_positive, length, on_sphere
from plastic.rules.memory import Memory, check_negatives_from, contrast
from plastic.rules.rule import Array, LayerShape, Modulator, Rule, Shape, Signals, State, Summary, ThirdFactor

COLDEST = 0.025  # e^(±1/τ), of which there are sums and quotients, is well within float32


@dataclass(frozen=True)
class SimCLR(Rule):
    """Two views of one object attract, all others repel, on the sphere."""

    name = "simclr"
    modulator = "scalar"
    about = About(
        title="SimCLR (NT-Xent, cosine)",
        family="layerwise self-supervised",
        equation="ΔW_ij = η · [g_i − ẑ_i ⟨ẑ, g⟩]/‖z‖ · ψ(u_i) · x̄_j,  g = Σ_n (M_an + M_na) ẑ_n",
        third="[g_i − ẑ_i ⟨ẑ, g⟩]/‖z‖",
        ledger=Ledger(
            layer_scalars="y (saccade); a softmax over layer sums ẑᵀẑ; ⟨ẑ, g⟩ and ‖z‖ (divisive normalisation)",
            memory="the held view for one stimulus; with sides=both also ψ and x̄",
            batch_statistics="all other responses of the batch are negatives (with negatives_from=memory: no, "
            "the last response to each of `slots` objects is remembered)",
        ),
        defaults_source="τ = 0.2 from this project's prototypes (the paper: 0.1 to 0.5); no projector",
        probeable=("cosine",),
        citation="""@inproceedings{chen2020simple,
  title = {A simple framework for contrastive learning of visual representations},
  author = {Chen, Ting and Kornblith, Simon and Norouzi, Mohammad and Hinton, Geoffrey},
  booktitle = {International Conference on Machine Learning},
  year = {2020}
}""",
    )
    reads = Reads(one_stream={"negatives_from": "memory"})
    acts = Acts(sides=("current", "both"))

    sides: Sides = "both"
    summary: Summary = "flat"
    temperature: float = 0.2
    negatives_from: str = "batch"
    slots: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature < COLDEST or self.slots < 1:
            raise PlasticError(f"rule {self.name!r} takes a temperature of at least {COLDEST} and at least 1 of slots.")
        check_negatives_from(self.name, self.negatives_from)

    @property
    def smallest_batch(self) -> int:
        return 2 if self.negatives_from == "batch" else 1  # the others of the batch are its negatives

    @property
    def memory_slots(self) -> int:
        return self.slots if self.negatives_from == "memory" else 0

    def state(self, layer: LayerShape) -> dict[str, Shape]:
        return Memory(self.memory_slots).state(layer)

    def third_factor(
        self, signals: Signals, state: State, weights: Mapping[str, Array]
    ) -> tuple[ThirdFactor, State]:  # fmt: skip
        del weights
        if self.negatives_from == "memory":
            return self._from_memory(signals, state)
        xp: Any = array_namespace(signals.activity)
        batch, tau = signals.activity.shape[-2], self.temperature
        views = xp.concat([signals.activity, signals.context], axis=-2)
        here = is_positive(xp.concat([signals.fixation, signals.fixation], axis=-2))
        norm = length(views)
        unit = views / norm
        other = xp.roll(unit, batch, axis=-2)  # the other view of the same stream
        likeness = (1 - contrasted(views, 0)) * xp.exp(unit / tau @ unit.mT)  # of n and a; 0 of a and a
        total = likeness.sum(-1)[..., None]
        share = here / total
        towards = (2 * here * other - (share + share.mT) * likeness @ unit) / tau  # Σ_n (M_an + M_na) ẑ_n
        dendrite = on_sphere(towards, unit, norm)
        context = Modulator(1.0, dendrite[..., batch:, :]) if self.sides == "both" else None
        pair = dot(unit, other)
        losses = here * (xp.log(total) - pair / tau)
        loss = losses[..., :batch, :] + losses[..., batch:, :]
        current = Modulator(1.0, dendrite[..., :batch, :])
        return ThirdFactor(current, context, {}, loss, {"cosine": pair[..., :batch, :]}), {}

    def _from_memory(self, signals: Signals, state: State) -> tuple[ThirdFactor, State]:
        z, c, here = signals.activity, signals.context, is_positive(signals.fixation)
        xp: Any = array_namespace(z)
        keys, allowed, state = Memory(self.memory_slots).keys(signals, state)
        pair = dot(z / length(z), c / length(c))
        current, loss = self._anchor(z, keys, allowed, here)
        if self.sides == "current":
            return ThirdFactor(Modulator(1.0, current), None, {}, loss, {"cosine": pair}), state
        other = xp.concat([z[..., None, :], keys[..., 1:, :]], axis=-2)
        context, loss_context = self._anchor(c, other, allowed, here)
        both = Modulator(1.0, current), Modulator(1.0, context)
        return ThirdFactor(*both, {}, loss + loss_context, {"cosine": pair}), state

    def _anchor(self, z: Array, keys: Array, allowed: Array, here: Array) -> tuple[Array, Array]:
        """m of an anchor whose true key is the first one, and its loss."""
        norm, units = length(z), keys / length(keys)
        unit = z / norm
        scores = (units @ unit[..., None])[..., 0] / self.temperature
        scalars, loss = contrast(scores, allowed, here, self.temperature)
        return on_sphere((scalars[..., None, :] @ units)[..., 0, :], unit, norm), loss

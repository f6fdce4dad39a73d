"""e-prop with a broadcast learning signal, feed-forward.

    e     = softmax(W_out z_top) − target
    ΔW_ij = −η · L_i · Σ_t ψ(u_i) x̄_j,        L_i = Σ_k B_ik e_k

`feedback` = random: B is fixed, as in DFA. symmetric: B is the product of the weights from the
layer to the readout without masks, which at the top is W_outᵀ. learned ("adaptive e-prop"): B
begins random and each layer's changes as the readout's weights from that layer would,
ΔB_ik = −η z_i e_k. The paper has one recurrent layer that projects to the readout; what B is for
layers that do not, is our reading. Without recurrence, adaptation or an output filter the
eligibility trace of the paper is the common one.

`learning_signal` = end: one error per stimulus, of the spike counts. step: the published form for
spikes, an error in every step, of a readout that leaks with κ = `leak`, and a trace filtered alike:

    y[t]  = κ y[t−1] + W_out s[t],      e[t] = softmax(y[t]) − target
    ΔW_ij = −η · Σ_t L_i[t] ē_ij[t],    ē[t] = κ ē[t−1] + ψ(u_i[t]) x̄_j[t],   L_i[t] = Σ_k B_ik e_k[t]

With λ = β, symmetric feedback and one hidden layer it is the gradient of Σ_t −log softmax(y[t]) at
the target by backpropagation through time with the reset detached. The pseudo-derivative of the paper
is `--surrogate triangular --slope 1` times 0.3, which the learning rate takes.

G. Bellec, F. Scherr, A. Subramoney, E. Hajek, D. Salaj, R. Legenstein, W. Maass, "A solution to the
learning dilemma for recurrent networks of spiking neurons", Nature Communications 11, 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from plastic.errors import PlasticError
from plastic.rules.declaration import Ledger
from plastic.rules.dfa import DFA
from plastic.rules.expressions import cross_entropy, each_through, through
from plastic.rules.rule import (
    Above,
    Array,
    LayerShape,
    Modulator,
    Moment,
    Product,
    Signals,
    State,
    Synapses,
    ThirdFactor,
)


@dataclass(frozen=True)
class EProp(DFA):
    """Output error broadcast through random, symmetric or learned weights."""

    name = "eprop"
    about = replace(
        DFA.about,
        title="e-prop, broadcast learning signal",
        equation="ΔW_ij = −η · (B e)_i · ψ(u_i) · x̄_j",
        third="−(B e)_i",
        ledger=Ledger(
            weight_transport="only with feedback=symmetric: the product of all weights above",
            broadcast="K = number of classes",
            memory="eligibility held until the output error is known",
            stored_traces="1 per neuron; with learning_signal=step and a leak above 0 also the filtered ē per synapse",
        ),
        defaults_source="random feedback; B ~ N(0, 1/K) as for dfa, leak 0.9: ours",
        probeable=("error", "B"),
        citation="""@article{bellec2020solution,
  title = {A solution to the learning dilemma for recurrent networks of spiking neurons},
  author = {Bellec, Guillaume and Scherr, Franz and Subramoney, Anand and Hajek, Elias and Salaj, Darjan
            and Legenstein, Robert and Maass, Wolfgang},
  journal = {Nature Communications},
  volume = {11},
  pages = {3625},
  year = {2020}
}""",
    )
    reads = replace(DFA.reads, signals=frozenset({"error", "target", "above"}))
    acts = replace(DFA.acts, unfiltered={"leak": "0"})

    feedback: str = "random"
    learning_signal: str = "end"
    leak: float = 0.9

    @property
    def stepwise(self) -> bool:
        return self.learning_signal == "step"

    @property
    def eligibility_decays(self) -> tuple[float, ...]:
        return (self.leak,)

    @property
    def readout_decay(self) -> float:
        return self.leak

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.learning_signal not in ("end", "step") or not 0 <= self.leak < 1:
            raise PlasticError("rule 'eprop' takes a learning_signal of end or step, and a leak of 0 or more, below 1.")
        if self.stepwise and self.feedback == "learned":
            raise PlasticError(
                "rule 'eprop' learns its feedback from the error of a stimulus' end; take learning_signal=end."
            )
        if self.feedback not in ("random", "symmetric", "learned"):
            raise PlasticError(
                f"rule 'eprop' has no feedback {self.feedback!r}; choose one of: random, symmetric, learned."
            )

    def circuit(self, layer: LayerShape) -> dict[str, Synapses]:
        if self.feedback == "symmetric":
            return {}
        std = self.feedback_scale / layer.classes**0.5
        return {"B": Synapses((layer.units, layer.classes), std, plastic=self.feedback == "learned")}

    def third_factor(self, signals: Signals, weights: Mapping[str, Array]) -> ThirdFactor:
        error, learn = signals.error, {}
        loss = cross_entropy(error, signals.target)
        if self.stepwise:  # the steps have said it all
            return ThirdFactor(Modulator(1.0, signals.activity * 0 + 1), loss=loss, signals={"error": error})
        dendrite = self.broadcast(error, signals.above, weights)
        if self.feedback == "learned":
            learn["B"] = Product(-1.0, signals.activity, error)
        return ThirdFactor(Modulator(-1.0, dendrite), learn=learn, loss=loss, signals={"error": error})

    def step(self, now: Moment, state: State, weights: Mapping[str, Array]) -> Array:
        del state
        return -self.broadcast(now.error, now.above, weights)

    def broadcast(self, error: Array, above: Above | None, weights: Mapping[str, Array]) -> Array:
        """L_i = Σ_k B_ik e_k."""
        if self.feedback != "symmetric":
            return through(weights["B"], error)
        assert above is not None
        return each_through(above.product("none"), error)

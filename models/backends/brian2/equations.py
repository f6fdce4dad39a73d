"""The canonical step as text: the equations that Brian2 is given. Needs no Brian2.

Slots of a step, in this order (Brian2's standard schedule with `synapses` before `thresholds`, so
that a spike arrives one step after it was emitted):

    groups             membranes and traces decay
    synapses           spikes of the step before arrive: u_post += w, pre_trace += 1
    after_synapses     first step of a stimulus: everything returns to rest
    before_thresholds  psi, before the reset
    thresholds         spikes
    after_thresholds   with trace_timing = emitted: pre_trace += 1 instead
    before_resets      eligibility += psi_post * pre_trace (of stepwise rules: filtered, and times g_post)
    resets             u = 0
    end                last step of a stimulus: third factor, weights

That is the default neuron. Of another one the spikes that arrive add up to its `drive`, and the step that it declares
(plastic.neurons, written down by declared.py) is taken before_thresholds, ahead of psi, and in resets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from plastic.models.backends.brian2.declared import Statements, declared
from plastic.models.network.compiled import own_rule
from plastic.models.neuron.constants import SpikingStep
from plastic.models.settings import Settings
from plastic.rules.rule import Rule

SCHEDULE = ["start", "groups", "synapses", "thresholds", "resets", "end"]

POST_FACTOR = {
    "fast-sigmoid": "1 / (1 + slope * abs({distance}))**2",
    "superspike": "1 / (1 + slope * abs({distance}))**2",
    "triangular": "clip(1 - slope * abs({distance}), 0, 1)",
    "atan": "1 / (1 + (slope * ({distance}))**2)",
}


@dataclass(frozen=True)
class Equations:
    """The equations of neurons and synapses, as Brian2 reads them."""

    step: SpikingStep
    time_steps: int
    mask: str  # which ψ enters; one stream has no batch to average over
    sums_post: bool  # rules that read the layer above need the mean ψ
    counts_arrivals: bool = False  # for rules that read the activity of a layer's inputs
    filters: tuple[float, ...] | None = None  # decays per step, of stepwise rules; None: of others

    always = """psi : 1                 # post factor
count : 1               # spikes since the stimulus began
post_sum : 1            # sum of psi since the stimulus began"""
    arrivals = "arrivals : 1            # spikes that arrived since the stimulus began"
    step_factor = "g : 1                   # third factor of this step"
    unfiltered = """w : 1  # weight, in thresholds
dpre_trace/dt = -pre_trace / tau_x : 1 (clock-driven)
eligibility : 1"""

    @cached_property
    def own(self) -> Statements:
        """The step of the neuron."""
        post_factor = POST_FACTOR[self.step.surrogate]
        if not self.step.canonical:
            return declared(self.step.neuron, self.step, post_factor)
        return Statements(
            variables="du/dt = -u / tau_m : 1  # membrane, in thresholds", at_rest="u = 0", driven="u",
            post_factor=f"psi = {post_factor.format(distance='u - theta')}", threshold="u > theta", reset="u = 0",
        )  # fmt: skip

    @property
    def neuron(self) -> str:
        arrivals = f"\n{self.arrivals}" if self.counts_arrivals else ""
        own = f"{self.own.variables}\n{self.always}{arrivals}"
        return own + ("" if self.filters is None else f"\n{self.step_factor}")

    @property
    def synapse(self) -> str:
        return "\n".join([self.unfiltered, *(f"{name} : 1" for name in self.filtered)])

    @property
    def filtered(self) -> list[str]:
        """Names of the filtered eligibilities of a synapse, one behind the other."""
        return [f"filtered_{n}" for n in range(1, len(self.filters or ()) + 1)]

    @property
    def synapse_at_rest(self) -> str:
        return "\n".join(f"{name} = 0" for name in ("pre_trace", "eligibility", *self.filtered))

    @property
    def threshold(self) -> str:
        return self.own.threshold

    @property
    def reset(self) -> str:
        return "\n".join([*filter(None, [self.own.reset]), "count += 1"])

    @property
    def neuron_at_rest(self) -> str:
        arrivals = "\narrivals = 0" if self.counts_arrivals else ""
        return f"{self.own.at_rest}\ncount = 0\npost_sum = 0{arrivals}"

    @property
    def post_factor(self) -> str:
        return self.own.post_factor + ("\npost_sum += psi" if self.sums_post else "")

    @property
    def on_pre(self) -> dict[str, str]:
        """By pathway: `arrive` in the slot synapses, `emit` after the thresholds."""
        arrive = f"{self.own.driven}_post += w" + ("\narrivals_post += 1" if self.counts_arrivals else "")
        if self.step.trace_timing == "emitted":
            return {"arrive": arrive, "emit": "pre_trace += 1"}
        return {"arrive": f"{arrive}\npre_trace += 1"}

    @property
    def eligibility(self) -> str:
        product = "pre_trace" if self.mask == "none" else "psi_post * pre_trace"
        period, ticks = self.step.learning_period, ""
        if period > 1:
            ticks = f" * int((t_in_timesteps % {self.time_steps} + 1) % {period} == 0)"
        lines = []
        for name, decay in zip(self.filtered, self.filters or (), strict=True):
            lines.append(f"{name} += ({decay**period - 1!r} * {name} + {product}){ticks}")
            product = name
        weighted = product if self.filters is None else f"g_post * {product}"
        return "\n".join([*lines, f"eligibility += {weighted}{ticks}"])

    @classmethod
    def of(cls, rule: Rule, step: SpikingStep, time_steps: int) -> Equations:
        counts = "input_activity" in rule.reads.signals or rule.stepwise
        filters = rule.eligibility_decays if rule.stepwise else None
        return cls(step, time_steps, rule.mask, "above" in rule.reads.signals, counts, filters)

    def constants(self) -> dict[str, float]:
        """theta, slope and, of a neuron that is not the default one, beta; the time constants in ms."""
        decay = self.step.membrane_decay
        return {
            "theta": self.step.threshold,
            "slope": self.step.slope,
            **({"tau_m": time_constant(decay)} if self.step.canonical else {"beta": decay}),
            "tau_x": time_constant(self.step.trace_decay),
        }

    def __str__(self) -> str:
        ms = {k: f"{v:.6g}" + (" ms" if k.startswith("tau") else "") for k, v in self.constants().items()}
        step = "post factor" if self.step.canonical else f"{self.step.neuron.name}, then its post factor"
        stimulus = f"every {self.time_steps} ms, after_synapses"
        parts = {
            "constants (dt = 1 ms)": "\n".join(f"{k} = {v}" for k, v in ms.items()),
            "schedule": ", ".join(SCHEDULE),
            "NeuronGroup: equations (exact integration)": self.neuron,
            f"NeuronGroup: {step} (every step, before_thresholds)": self.post_factor,
            "NeuronGroup: threshold": self.threshold,
            "NeuronGroup: reset": self.reset,
            f"NeuronGroup: a stimulus begins ({stimulus})": self.neuron_at_rest,
            "Synapses: equations (exact integration)": self.synapse,
            **{f"Synapses: on_pre ({SLOTS[name]})": code for name, code in self.on_pre.items()},
            **({} if self.filters is None else {"Network operation (every step, before_resets)": "g = third factor"}),
            "Synapses: eligibility (every step, before_resets)": self.eligibility,
            f"Synapses: a stimulus begins ({stimulus})": self.synapse_at_rest,
        }
        return "\n\n".join(f"{title}\n    " + text.replace("\n", "\n    ") for title, text in parts.items())


SLOTS = {"arrive": "synapses", "emit": "after_thresholds"}


def time_constant(decay: float) -> float:
    """τ in ms, so that exp(−1 ms / τ) is the decay per step; 0 decays at once, 1 never."""
    if decay == 0:
        return 1e-3  # exp(−1000) is 0
    return math.inf if decay == 1 else -1 / math.log(decay)


def of_settings(settings: Settings) -> str:
    """The neurons, synapses and third factor of a run, as text."""
    if settings.layout is None:
        return _of_rule(settings.rule, settings)
    rules = [own_rule(layer) or settings.rule for layer in settings.layout.layers]
    layers = {rule: [n for n, other in enumerate(rules, 1) if other == rule] for rule in rules}
    if len(layers) == 1:
        return _of_rule(rules[0], settings)
    each = (f"Layer {', '.join(map(str, where))}\n\n{_of_rule(rule, settings)}" for rule, where in layers.items())
    return "\n\n".join(each)


def _of_rule(rule: Rule, settings: Settings) -> str:
    equations = Equations.of(rule, settings.step, settings.spike_input.time_steps)
    return f"{equations}\n\nLast step of a stimulus (end)\n    {rule.about.equation}"

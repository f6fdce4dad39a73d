"""The part of a step that all simulators share: third factors, weight updates, held contexts.

A simulator yields one Response per layer, bottom up. A rule that needs nothing from above is
applied at once, layer by layer, so only one layer's factors are alive at a time; a rule that reads
the output error waits for the top and is evaluated downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.optimizer import Optimizer, State
from plastic.models.parameters import Parameters, circuit_weights, layer_name, needs_readout, readout_layer
from plastic.models.recall import recalled
from plastic.models.statistics import SlowTraces
from plastic.models.step import Course
from plastic.models.stepwise import Stepper, weigh
from plastic.models.topology import Layer, Network
from plastic.models.update import PerMember, Update, Whole, of_product, open_rows
from plastic.models.upward import Upward, masked
from plastic.rules.expressions import softmax
from plastic.rules.rule import Product, Rule, Signals, ThirdFactor


@dataclass(frozen=True)
class Eligibility:
    """Σ_t ψ_i[t] x̄_j[t] of one layer and stimulus, in factored form or summed up per synapse.

    Factored: post (members, time, batch, positions, neurons) and pre (…, fan_in); rates have one
    time step. `winner`, where units pool: which patch drove each, in the shape of post, and pre is the
    map below. Summed: (members, batch, positions, neurons, fan_in).
    """

    layer: Layer
    post: Tensor | None = None
    pre: Tensor | None = None
    summed: Tensor | None = None
    winner: Tensor | None = None

    def credit(self, modulator: Tensor, gate: Tensor | float) -> Update:
        """Σ_batch m_i e_ij; modulator (members, batch, positions, neurons), of which gate is a factor."""
        if self.summed is not None:
            target = "enk" if self.layer.shared else "epnk"
            return Whole((torch.einsum(f"ebpn,ebpnk->{target}", modulator, self.summed),))
        assert self.post is not None
        assert self.pre is not None
        rows = open_rows(gate, self.post[0].numel() * self.layer.fan_in)
        if rows is None:
            return self._correlate(modulator[:, None] * self.post, self.pre, self.winner)
        return PerMember(tuple(self._credit_rows(modulator, e, r) for e, r in enumerate(rows)))

    def _credit_rows(self, modulator: Tensor, e: int, rows: Tensor) -> Update:
        """Of some stimuli of one member."""
        assert self.post is not None
        assert self.pre is not None
        won = None if self.winner is None else self.winner[e : e + 1, :, rows]
        credited = self.post[e : e + 1, :, rows].mul_(modulator[e : e + 1, None, rows])
        return self._correlate(credited, self.pre[e : e + 1, :, rows], won)

    def _correlate(self, credited: Tensor, pre: Tensor, winner: Tensor | None) -> Update:
        won = None if winner is None else winner.flatten(1, 2)
        return self.layer.correlate(credited.flatten(1, 2), pre.flatten(1, 2), won)

    def per_synapse(self) -> Tensor:
        """The same numbers for every synapse: (members, batch, positions, neurons, fan_in)."""
        if self.summed is not None:
            return self.summed
        assert self.post is not None
        assert self.pre is not None
        return self.layer.per_synapse(self.post, self.pre, self.winner)


@dataclass(frozen=True)
class Response:
    """One layer's response to one stimulus."""

    activity: Tensor  # z: (members, batch, positions, neurons)
    post: Tensor  # post factor, in spikes its mean over the stimulus (if the rule reads `above`); same shape
    eligibility: Eligibility
    before: tuple[Tensor, Eligibility] | None = None  # the stimulus before, where it is recomputed
    input_activity: Tensor | None = None  # mean |x_j| over the layer's inputs: (members, batch)
    course: Course | None = None  # for stepwise rules, whose eligibility is not weighed yet

    def weighed(self, factor: Tensor) -> Response:
        """The same with a weighed post factor: (members, learning steps, batch, positions, neurons)."""
        assert self.eligibility.post is not None
        return replace(self, eligibility=replace(self.eligibility, post=self.eligibility.post * factor), course=None)


@dataclass
class Held:
    """What a layer keeps of the stimulus before."""

    context: Tensor
    eligibility: Eligibility | None = None

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a checkpoint."""
        parts = {} if self.eligibility is None else vars(self.eligibility)
        return {"context": self.context} | {k: v for k, v in parts.items() if isinstance(v, Tensor)}

    @classmethod
    def of(cls, layer: Layer, tensors: dict[str, Tensor]) -> Held:
        """The inverse of `tensors`."""
        parts = {k: v for k, v in tensors.items() if k != "context"}
        return cls(tensors["context"], Eligibility(layer, **parts) if parts else None)


@dataclass(frozen=True)
class Observation:
    """One layer's third factor and eligibility at a stimulus end, for metrics and traces."""

    response: Response
    third: ThirdFactor
    modulator: Tensor  # routed to the neurons: (members, batch, positions, neurons)


Watch = Callable[[int, Observation], None]


@dataclass
class Learner:
    """Holds weights, optimizer state and contexts; `learn` takes one stimulus of every stream."""

    network: Network
    rule: Rule
    parameters: Parameters
    optimizer: Optimizer
    plastic: frozenset[str]  # names of the weights that learn
    state: State = field(default_factory=dict)
    held: list[Held | None] = field(default_factory=list)
    traces: SlowTraces | None = None  # of statistics; None: those of the batch
    learning_period: int = 1
    stepper: Stepper | None = None  # of the stimulus that is on, where a simulator takes its steps with the rule

    def __post_init__(self) -> None:
        self.held = self.held or [None] * len(self.network.layers)
        self._circuits = [circuit_weights(self.parameters, i) for i in range(len(self.network.layers))]
        if "above" in self.rule.reads and self.rule.summary != "flat":
            raise PlasticError(f"rule {self.rule.name!r} reads the layer above, so its summary must be 'flat'.")

    def learn(
        self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None = None
    ) -> None:
        """Update all weights after one stimulus; `watch(layer, observation)` sees each layer before.

        fixation: ±1 (members, batch, 1); target: one-hot labels (members, batch, classes).
        """
        if self.rule.stepwise:
            responses = list(responses)
            stepper = self.stepper = self.stepper or self.begin(fixation, target)
            if courses := [response.course for response in responses if response.course is not None]:
                factors = weigh(stepper, courses, self.learning_period)
                responses = [r.weighed(g) for r, g in zip(responses, factors, strict=True)]
            self.state |= stepper.lasting()
        if self.rule.reads & {"error", "above"}:
            self._downward(list(responses), fixation, target, watch)
        else:
            self._upward(responses, fixation, target, watch)
        self.stepper = None

    def begin(self, fixation: Tensor, target: Tensor) -> Stepper:
        """What a stepwise rule does in the steps of the next stimulus; shapes as in `learn`."""
        contexts = []
        for index, layer in enumerate(self.network.layers):
            units, held = layer.summary_units(self.rule.summary), self.held[index]
            contexts.append(fixation.new_zeros(*fixation.shape[:2], units) if held is None else held.context)
        return Stepper(self.network, self.rule, self.parameters, contexts, fixation, target, self.state)

    def _upward(self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None) -> None:
        others = {}
        if "top_context" in self.rule.reads:
            responses, others["top_context"] = self._with_top_context(responses)
        for index, response in enumerate(responses):
            signals = self._signals(index, response, fixation, target, others)
            observation = self._observe(index, response, signals)
            self._apply(index, observation, watch)
            self._hold(index, response)

    def _downward(self, responses: list[Response], fixation: Tensor, target: Tensor, watch: Watch | None) -> None:
        error, above = self._read_out(responses[-1], target) if needs_readout(self.rule) else (None, None)
        top_context = self._top_context(responses) if "top_context" in self.rule.reads else None
        observed: list[Observation] = []
        for index in reversed(range(len(responses))):
            response = responses[index]
            others = {"error": error, "above": above, "top_context": top_context}
            signals = self._signals(index, response, fixation, target, others)
            observation = self._observe(index, response, signals)
            if index > 0 and "above" in self.rule.reads:
                weight = self.parameters[f"{layer_name(index)}.weight"]
                credited = observation.modulator * masked(response.post, self.rule.feedback_mask, 1)
                won = response.eligibility.winner
                won = None if won is None else won[:, 0]
                above = Upward(self.network.layers[index], weight, credited, response.post, above, won)
            observed.insert(0, observation)
        for index, observation in enumerate(observed):
            self._apply(index, observation, watch)
            self._hold(index, observation.response)
        if error is not None:
            delta = Product(-1.0, error, responses[-1].activity.flatten(2))
            self._change("readout.weight", of_product(delta if self.stepper is None else self.stepper.readout))

    def _top_context(self, responses: list[Response]) -> Tensor:
        """The top layer's response to the stimulus before, while that is still held."""
        return self._seen(len(responses) - 1, responses[-1])[1]

    def _with_top_context(self, responses: Iterable[Response]) -> tuple[Iterable[Response], Tensor]:
        """The same responses, still one at a time where the context is held, and the top layer's context."""
        rest = iter(responses)
        first = next(rest)
        if first.before is not None:
            everything = [first, *rest]
            return everything, self._top_context(everything)
        top = self.held[-1]
        units = self.network.layers[-1].summary_units(self.rule.summary)
        nothing = first.activity.new_zeros(*first.activity.shape[:2], units)
        return chain([first], rest), nothing if top is None else top.context

    def _read_out(self, top: Response, target: Tensor) -> tuple[Tensor, Upward]:
        """The output error, and the projection from the top layer to the readout."""
        layer, weight = readout_layer(self.network), self.parameters["readout.weight"]
        error = softmax(layer.drive(weight, layer.patches(top.activity.flatten(2)))[:, :, 0]) - target
        if self.stepper is not None and self.stepper.error is not None:
            error = self.stepper.error
        credited = -error[:, :, None]
        return error, Upward(layer, weight, credited, torch.ones_like(credited))

    def _signals(
        self, index: int, response: Response, fixation: Tensor, target: Tensor, others: dict[str, Any]
    ) -> Signals:
        """What one layer knows by itself, and what the rule reads of `others` beside it."""
        (activity, context), reads = self._seen(index, response), self.rule.reads
        optional = {name: value for name, value in others.items() if name in reads}
        if "target" in reads:
            optional["target"] = target
        if "input_activity" in reads:
            assert response.input_activity is not None
            optional["input_activity"] = response.input_activity[..., None]
        if self.rule.reads_statistics or self.rule.memory_slots:
            known = None if response.before is None and self.held[index] is None else context
            optional |= recalled(self.rule, layer_name(index), activity, known, fixation, self.traces, self.state)
        last = index == len(self.network.layers) - 1
        return Signals(activity, context, fixation, last=last, **optional)

    def _seen(self, index: int, response: Response) -> tuple[Tensor, Tensor]:
        """Activity and context as the circuit sees them."""
        layer, held = self.network.layers[index], self.held[index]
        activity = layer.summarise(response.activity, self.rule.summary)
        if response.before is not None:
            return activity, layer.summarise(response.before[0], self.rule.summary)
        return activity, torch.zeros_like(activity) if held is None else held.context

    def _observe(self, index: int, response: Response, signals: Signals) -> Observation:
        third = self.rule.third_factor(signals, self._circuits[index])
        routed = self.network.layers[index].route(third.current.value, self.rule.summary)
        return Observation(response, third, routed)

    def _apply(self, index: int, observation: Observation, watch: Watch | None) -> None:
        if watch is not None:
            watch(index, observation)
        third, response = observation.third, observation.response
        if self.rule.learns:
            update = response.eligibility.credit(observation.modulator, third.current.gate)
            before = self._eligibility_before(index, response)
            if third.context is not None and before is not None:
                routed = self.network.layers[index].route(third.context.value, self.rule.summary)
                update = Whole((update.value(), before.credit(routed, third.context.gate).value()))
            self._change(f"{layer_name(index)}.weight", update)
        for name, product in third.learn.items():
            self._change(f"{layer_name(index)}.{name}", of_product(product))

    def _eligibility_before(self, index: int, response: Response) -> Eligibility | None:
        if response.before is not None:
            return response.before[1]
        held = self.held[index]
        return None if held is None else held.eligibility

    def _hold(self, index: int, response: Response) -> None:
        if response.before is not None:
            return
        context = self.network.layers[index].summarise(response.activity, self.rule.summary)
        self.held[index] = Held(context, response.eligibility if self.rule.sides == "both" else None)

    def _change(self, name: str, update: Update) -> None:
        if name not in self.plastic:
            raise PlasticError(f"rule {self.rule.name!r} updates {name!r}, which its circuit does not declare plastic.")
        self.optimizer(name, self.parameters[name], update, self.state)

"""The part of a step that all simulators share: third factors, weight updates, held contexts.

A simulator yields one Response per layer, bottom up. A rule that needs nothing from above is
applied at once, layer by layer, so only one layer's factors are alive at a time; a rule that reads
the output error waits for the top and is evaluated downwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.learning.eligibility import Factored, Previous, Response
from plastic.models.learning.feedback import Upward, masked
from plastic.models.learning.optimizer import Optimizer, State
from plastic.models.learning.state import rule_state, state_prefix
from plastic.models.learning.stepwise import Stepper, step_factors
from plastic.models.network import mixed
from plastic.models.network.layer import Network
from plastic.models.network.outer import Update, Whole, of_product
from plastic.models.network.parameters import Parameters, circuit_weights, layer_name, readout_layer
from plastic.rules.expressions import softmax
from plastic.rules.returned import third_factor_of
from plastic.rules.rule import Product, Rule, Signals, ThirdFactor
from plastic.rules.rule import State as RuleState


@dataclass(frozen=True)
class Observation:
    """One layer's third factor and eligibility at a stimulus end, for metrics and traces."""

    response: Response
    third: ThirdFactor
    modulator: Tensor  # routed to the neurons: (members, batch, positions, neurons)
    signals: Signals | None = None  # what the rule read
    spares: Mapping[str, Any] = field(default_factory=dict)  # what the rule gave beside its state, see Previous.spared


Watch = Callable[[int, Observation], None]


@dataclass
class Learner:
    """Holds weights, optimizer state and contexts; `learn` takes one stimulus of every stream."""

    network: Network
    rule: Rule  # of the run: of every layer that has none of its own
    parameters: Parameters
    optimizer: Optimizer
    plastic: frozenset[str]  # names of the weights that learn
    state: State = field(default_factory=dict)
    held: list[Previous | None] = field(default_factory=list)
    statistics_decay: float | None = None  # of slow traces per stimulus; None: statistics of the batch
    learning_period: int = 1
    stepper: Stepper | None = None  # of the stimulus that is on, where a simulator takes its steps with the rule

    def __post_init__(self) -> None:
        self.held = self.held or [None] * len(self.network.layers)
        self._circuits = [circuit_weights(self.parameters, i) for i in range(len(self.network.layers))]
        self.rules = self.network.rules(self.rule)
        self.stepwise = any(rule.stepwise for rule in self.rules)
        self._reads = mixed.signals(self.network, self.rule)
        for rule in self.rules:
            if "above" in rule.reads.signals and rule.summary != "flat":
                raise PlasticError(f"rule {rule.name!r} reads the layer above, so its summary must be 'flat'.")

    def learn(
        self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None = None
    ) -> None:
        """Update all weights after one stimulus; `watch(layer, observation)` sees each layer before.

        fixation: ±1 (members, batch, 1); target: one-hot labels (members, batch, classes).
        """
        if self.stepwise:
            responses = list(responses)
            stepper = self.stepper = self.stepper or self.begin(fixation, target)
            if trains := [response.trains for response in responses if response.trains is not None]:
                factors = step_factors(stepper, trains, self.learning_period)
                weighed = zip(responses, factors, strict=True)
                responses = [response if g is None else response.weighted(g) for response, g in weighed]
            self.state |= stepper.lasting()
        if self._reads & {"error", "above"}:
            self._downward(list(responses), fixation, target, watch)
        else:
            self._upward(responses, fixation, target, watch)
        self.stepper = None

    def begin(self, fixation: Tensor, target: Tensor) -> Stepper:
        """What a stepwise rule does in the steps of the next stimulus; shapes as in `learn`."""
        contexts = []
        for index, layer in enumerate(self.network.layers):
            units, held = layer.summary_units(self.rules[index].summary), self.held[index]
            contexts.append(fixation.new_zeros(*fixation.shape[:2], units) if held is None else held.context)
        states = [self._kept(index, fixation) for index in range(len(contexts))]
        return Stepper(self.network, self.rule, self.parameters, contexts, fixation, target, states)

    def _kept(self, index: int, fixation: Tensor) -> RuleState:
        """What the rule keeps of a layer, before this stimulus."""
        return rule_state(self.network, self.rule, index, fixation, self.statistics_decay, self.state)

    def _upward(self, responses: Iterable[Response], fixation: Tensor, target: Tensor, watch: Watch | None) -> None:
        others = {}
        if "top_context" in self._reads:
            responses, others["top_context"] = self._with_top_context(responses)
        for index, response in enumerate(responses):
            signals = self._signals(index, response, fixation, target, others)
            observation = self._observe(index, response, signals)
            self._apply(index, observation, watch)
            self._hold(index, observation)

    def _downward(self, responses: list[Response], fixation: Tensor, target: Tensor, watch: Watch | None) -> None:
        error, above = self._read_out(responses[-1], target) if "error" in self._reads else (None, None)
        if "error" not in self.rules[-1].reads.signals:  # its chain begins at the top layer
            above = None
        above_before: Upward | None = None
        top_context = self._top_context(responses) if "top_context" in self._reads else None
        observed: list[Observation] = []
        for index in reversed(range(len(responses))):
            response = responses[index]
            others = {"error": error, "above": above, "above_before": above_before, "top_context": top_context}
            signals = self._signals(index, response, fixation, target, others)
            observation = self._observe(index, response, signals)
            if index > 0 and "above" in self.rules[index - 1].reads.signals:
                above = self._upward_to(index, observation.modulator, response, above)
                above_before = self._upward_to_before(index, observation, above_before)
            observed.insert(0, observation)
        for index, observation in enumerate(observed):
            self._apply(index, observation, watch)
            self._hold(index, observation)
        if error is not None:
            delta = Product(-1.0, error, responses[-1].activity.flatten(2))
            stepped = self.stepper if self.stepper is not None and self.stepper.errors else None  # has seen steps
            self._change("readout.weight", of_product(delta if stepped is None else stepped.readout))

    def _upward_to(self, index: int, modulator: Tensor, credited: Response | Previous, beyond: Upward | None) -> Upward:
        """The projection to a layer as the one below may read it, where the layer is credited by `modulator`."""
        layer, weight = self.network.layers[index], self.parameters[f"{layer_name(index)}.weight"]
        eligibility, post = credited.eligibility, credited.post
        winner = eligibility.winner if isinstance(eligibility, Factored) else None
        if post is None:
            raise TypeError("what sends credit down has a post factor")
        sent = modulator * masked(post, self.rules[index].feedback_mask, 1)
        return Upward(layer, weight, sent, post, beyond, None if winner is None else winner[:, 0])

    def _upward_to_before(self, index: int, observation: Observation, beyond: Upward | None) -> Upward | None:
        """The same for the stimulus before; None where that is not credited, or there was none."""
        context, before = observation.third.context, self._before(index, observation.response)
        if "above_before" not in self.rules[index].reads.signals or context is None or before is None:
            return None
        routed = self.network.layers[index].route(context.value, self.rules[index].summary)
        return self._upward_to(index, routed, before, beyond)

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
        units = self.network.layers[-1].summary_units(self.rules[-1].summary)
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
        (activity, context), reads = self._seen(index, response), self.rules[index].reads.signals
        optional = {name: value for name, value in others.items() if name in reads}
        if "target" in reads:
            optional["target"] = target
        if "input_activity" in reads:
            assert response.input_activity is not None
            optional["input_activity"] = response.input_activity[..., None]
        last, begun = index == len(self.network.layers) - 1, float(self._before(index, response) is not None)
        return Signals(
            activity, context, fixation, last=last, begun=begun, statistics_decay=self.statistics_decay, **optional
        )

    def _seen(self, index: int, response: Response) -> tuple[Tensor, Tensor]:
        """Activity and context as the circuit sees them."""
        layer, held, summary = self.network.layers[index], self.held[index], self.rules[index].summary
        activity = layer.summarise(response.activity, summary)
        if response.before is not None:
            return activity, layer.summarise(response.before.activity, summary)
        return activity, torch.zeros_like(activity) if held is None else held.context

    def _observe(self, index: int, response: Response, signals: Signals) -> Observation:
        kept, before, rule = self._kept(index, signals.fixation), self.held[index], self.rules[index]
        spared = {} if before is None else before.spared
        third, state = third_factor_of(rule, signals, {**spared, **kept}, self._circuits[index])
        self.state |= {f"{state_prefix(rule, index)}{k}": v for k, v in state.items() if k in kept}
        routed = self.network.layers[index].route(third.current.value, rule.summary)
        return Observation(response, third, routed, signals, {k: v for k, v in state.items() if k not in kept})

    def _apply(self, index: int, observation: Observation, watch: Watch | None) -> None:
        if watch is not None:
            watch(index, observation)
        third, response, rule = observation.third, observation.response, self.rules[index]
        if rule.acts.learn:
            update = response.eligibility.credit(observation.modulator, third.current.gate)
            before = self._before(index, response)
            if third.context is not None and before is not None and before.eligibility is not None:
                routed = self.network.layers[index].route(third.context.value, rule.summary)
                update = Whole((update.value(), before.eligibility.credit(routed, third.context.gate).value()))
            self._change(f"{layer_name(index)}.weight", update)
        for name, product in third.learn.items():
            self._change(f"{layer_name(index)}.{name}", of_product(product))

    def _before(self, index: int, response: Response) -> Response | Previous | None:
        """The stimulus before: computed again, or what is held of it."""
        return response.before or self.held[index]

    def _hold(self, index: int, observation: Observation) -> None:
        if (response := observation.response).before is None:
            assert observation.signals is not None
            self.held[index] = Previous.of(observation.signals, response, self.rules[index], observation.spares)

    def _change(self, name: str, update: Update) -> None:
        if name not in self.plastic:
            rules = mixed.label(self.network, self.rule)
            raise PlasticError(f"rule {rules!r} updates {name!r}, which its circuit does not declare plastic.")
        self.optimizer(name, self.parameters[name], update, self.state)

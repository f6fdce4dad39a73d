"""From a rule's declaration to the modulatory circuit of a whole network.

The rule's `third_factor` is called once per layer with arrays that write down what it does
(plastic.rules.tracing); the same for the readout and its error and for held contexts. The result is one list
of operations (plastic.hardware.compiler.tracer), whichever rule it was; of a rule that weighs every step, and one
more for each step (plastic.hardware.compiler.steps).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from plastic.backends import batched, first
from plastic.errors import PlasticError
from plastic.hardware.compiler.steps import Steps, check_steps, summarised, write_steps
from plastic.hardware.compiler.tracer import Graph, given, made, out_of_reach
from plastic.hardware.program.circuit import Circuit, Kept, Learned, Modulated
from plastic.loading import raised_at
from plastic.models.network.layer import Layer, Network
from plastic.models.network.parameters import layer_shape
from plastic.rules.expressions import softmax, through
from plastic.rules.returned import keeps_state, step_of, third_factor_of
from plastic.rules.rule import LayerShape, Moment, Product, Rule, Shape, Signals, State, Synapses, ThirdFactor
from plastic.rules.tracing import Traced

KNOWN_BEFORE = ("fixation", "target")  # inputs of a circuit that are known before the stimulus


@dataclass(frozen=True)
class CompiledRule:
    """A circuit, and what it holds: names with their shapes. Those that are parameters begin with these values,
    the others with zero."""

    circuit: Circuit
    states: dict[str, Shape]
    known_before: bool  # whether all modulators are known before the stimulus: no response to it enters them
    steps: Circuit | None = None  # of a rule that weighs every step: the circuit of one


@dataclass
class _Work:
    """What has been written down so far."""

    rule: Rule
    learning_rate: float
    states: dict[str, Shape] = field(default_factory=dict)
    learned: list[tuple[str, Traced, Traced]] = field(default_factory=list)
    kept: list[tuple[str, Traced]] = field(default_factory=list)

    def state(self, name: str, shape: Shape) -> Traced:
        self.states[name] = shape
        return given("state", name, shape)

    def keep(self, name: str, value: Traced) -> None:
        """Hold a signal until the next stimulus."""
        self.kept.append((name, value))

    def learn(self, name: str, product: Product) -> None:
        post = product.modulator * product.post * self.learning_rate
        self.learned.append((name, post, product.pre))


class _OutOfReach:
    """In place of the layer above: a chip's circuit does not see its weights."""

    def __init__(self, layer: LayerShape) -> None:
        self._layer = layer

    def _refuse(self, *shape: int) -> Traced:
        return out_of_reach("the weights or the credit of the layer above", shape)

    @property
    def weight(self) -> Traced:
        return self._refuse(*self._layer.above)

    def down(self, weight: Any = None) -> Traced:
        del weight
        return self._refuse(1, self._layer.units)

    def product(self, mask: str) -> Traced:
        del mask
        return self._refuse(1, self._layer.units, self._layer.classes)


def compile_circuit(
    rule: Rule, network: Network, specified: dict[str, Synapses], learning_rate: float, statistics_decay: float | None
) -> CompiledRule:
    """The circuit of one stream.

    specified: shapes of all weights by name (plastic.models.network.parameters.specification); statistics_decay:
    of slow traces per stimulus, for rules that average over stimuli.
    Raises PlasticError for a rule that needs what a chip's circuit cannot have.
    """
    _check(rule, statistics_decay)
    work = _Work(rule, learning_rate)
    fixation = given("input", "fixation", (1, 1))
    target = given("input", "target", (1, network.classes))
    flat = [given("input", f"activity{i}", (1, layer.units)) for i, layer in enumerate(network.layers, 1)]
    shared: dict[str, Any] = {"target": target} if "target" in rule.reads.signals else {}
    if "error" in rule.reads.signals and rule.stepwise:  # the mean over the steps
        shared["error"] = given("input", "error", (1, network.classes))
    elif "error" in rule.reads.signals:
        readout = work.state("readout.weight", specified["readout.weight"].shape)
        shared["error"] = softmax(through(readout, flat[-1])) - target
        work.learn("readout.weight", Product(-1.0, shared["error"], flat[-1]))
    pooled = [summarised(rule, layer, z) for layer, z in zip(network.layers, flat, strict=True)]
    held = [work.state(f"layer{i}.held", (1, z.shape[-1])) for i, z in enumerate(pooled, 1)]
    for index, z in enumerate(pooled, 1):
        work.keep(f"layer{index}.held", z)
    if "top_context" in rule.reads.signals:
        shared["top_context"] = held[-1]
    weights = [_weights(work, specified, f"layer{i}.") for i in range(1, len(pooled) + 1)]
    shapes = [layer_shape(network, rule, index, decay=statistics_decay) for index in range(len(pooled))]
    above = [_OutOfReach(shape) for shape in shapes]
    steps = Steps()
    if rule.stepwise:
        readout_shape = specified["readout.weight"].shape if "error" in rule.reads.signals else ()
        steps = write_steps(
            work, rule, network, held, weights, target, fixation, above, learning_rate, readout_shape, _step
        )  # fmt: skip
    modulated: list[tuple[Any, ...]] = []
    for index, layer in enumerate(network.layers):
        own, name = dict(shared), f"layer{index + 1}"
        if "input_activity" in rule.reads.signals:
            own["input_activity"] = given("input", f"input_activity{index + 1}", (1, 1))
        if "above" in rule.reads.signals:
            own["above"] = above[index]
        if keeps_state(rule):
            own["begun"] = work.state(f"{name}.statistics.begun", (1, 1))
            work.keep(f"{name}.statistics.begun", fixation * 0.0 + 1.0)
        signals = Signals(
            pooled[index], held[index], fixation, last=shapes[index].last, statistics_decay=statistics_decay, **own
        )
        kept = {one: work.state(f"{name}.{one}", shape) for one, shape in rule.state(shapes[index]).items()}
        third, after = _third_factor(rule, signals, kept, weights[index])
        for one, value in after.items():
            work.keep(f"{name}.{one}", value)
        for one, product in third.learn.items():
            work.learn(f"{name}.{one}", product)
        value = third.current.value if rule.acts.learn else fixation * 0.0
        dendrite = _routed(rule, layer, third.current.dendrite)
        displayed = [third.current.gate, third.loss, dendrite]
        modulated.append((_routed(rule, layer, value), displayed, dict(third.signals)))
    return _finish(work, modulated, steps)


def _check(rule: Rule, statistics_decay: float | None) -> None:
    """PlasticError for what no circuit and no synapse of a chip has."""
    if rule.memory_slots:
        raise PlasticError(
            f"rule {rule.name!r} remembers {rule.memory_slots} earlier objects, and a chip's circuit holds the one "
            f"before; take --backend {first(batched)}."
        )
    if rule.sides == "both":
        raise PlasticError(
            f"rule {rule.name!r} with sides=both credits two stimuli, and a synapse of the chip has one tag, so one "
            "eligibility; take --rule-options sides=current."
        )
    if rule.reads.normalised_input or rule.reads.presentation != "single":
        raise PlasticError(
            f"rule {rule.name!r} needs inputs that spikes are not (normalised, or two stimuli in one); take "
            "--backend rate."
        )
    if rule.stepwise:
        check_steps(rule)
    assert (statistics_decay is not None) == rule.reads_statistics
    if rule.smallest_batch > 1:
        raise PlasticError(
            f"rule {rule.name!r} compares stimuli of several streams, and a chip sees one; take --backend "
            f"{first(batched)}."
        )


def _third_factor(
    rule: Rule, signals: Signals, state: State, weights: dict[str, Any]
) -> tuple[ThirdFactor, State]:  # fmt: skip
    with _written(rule, "third factor"):
        return third_factor_of(rule, signals, state, weights)


def _step(rule: Rule, now: Moment, memory: dict[str, Any], weights: dict[str, Any]) -> Traced:
    with _written(rule, "step"):
        g, after = step_of(rule, now, memory, weights)
        memory |= after
        number: Traced = g.astype(float) if g.truth else g
        return number


@contextmanager
def _written(rule: Rule, what: str) -> Iterator[None]:
    """PlasticError where the rule's code fails on arrays that have no numbers."""
    try:
        yield
    except PlasticError:
        raise
    except Exception as error:
        place = raised_at(error)
        where = f" in line {place[1]} of {place[0]!r}" if place else ""
        raise PlasticError(
            f"the {what} of rule {rule.name!r} cannot be written down as a circuit ({type(error).__name__}"
            f"{where}: {error}); write it with the expressions of plastic.rules.expressions, without branching on "
            "numbers."
        ) from None


def _weights(work: _Work, specified: dict[str, Synapses], prefix: str) -> dict[str, Traced]:
    names = [name for name in specified if name.startswith(prefix) and name != f"{prefix}weight"]
    return {name.removeprefix(prefix): work.state(name, specified[name].shape) for name in names}


def _routed(rule: Rule, layer: Layer, modulator: Traced) -> Traced:
    """The adjoint: a modulator for every unit."""
    if rule.summary == "flat" or layer.positions == 1 or modulator.shape[-1] != layer.neurons:
        return modulator
    each = modulator / layer.positions
    return made("spread", (1, layer.units), each, layer.positions)


def _finish(work: _Work, modulated: list[tuple[Any, ...]], steps: Steps) -> CompiledRule:
    graph = Graph.of(_all(work, modulated, steps))
    of_steps, wanted = [graph.place[x] for x in steps.roots()], [graph.place[modulator] for modulator, *_ in modulated]
    if (reason := graph.why_not(wanted + of_steps)) is not None:
        raise PlasticError(
            f"rule {work.rule.name!r} needs {reason}, which a chip's modulatory circuit does not have; take "
            f"--backend {first(batched)}, or a rule whose modulator comes from the layer itself or a broadcast."
        )
    sent = graph.needed(wanted, valued=True)
    known_before = all(graph.nodes[i].name in KNOWN_BEFORE for i in sent if graph.nodes[i].op == "input")
    displayed = [[_displayed(graph, one) for one in three] for _, three, _ in modulated]
    own = [[(name, _displayed(graph, value)) for name, value in signals.items()] for _, _, signals in modulated]
    wanted += [i for some in displayed for i in some if i >= 0] + [i for some in own for _, i in some if i >= 0]
    learned, kept = _alive(work, graph, wanted + of_steps)  # only where something reads it, now or later
    wanted += [graph.place[x] for _, post, pre in learned for x in (post, pre)] + [graph.place[x] for _, x in kept]
    nodes, place = graph.pruned(wanted)
    place[-1] = -1
    layers = [
        Modulated(place[graph.place[m]], place[g], place[lo], place[d], tuple((k, place[i]) for k, i in more if i >= 0))
        for (m, *_), (g, lo, d), more in zip(modulated, displayed, own, strict=True)
    ]
    circuit = Circuit(nodes, tuple(layers), *_becomes(graph, place, learned, kept))
    of_step = _step_circuit(graph, steps) if steps.modulators else None
    read = {node.name for node in (*nodes, *(of_step.nodes if of_step else ())) if node.op == "state"}
    return CompiledRule(
        circuit, {name: shape for name, shape in work.states.items() if name in read}, known_before, of_step
    )


def _all(work: _Work, modulated: list[tuple[Any, ...]], steps: Steps) -> list[Traced]:
    """Whatever a circuit may be asked for."""
    found = [x for modulator, three, signals in modulated for x in (modulator, *three, *signals.values())]
    found += [x for _, *pair in work.learned for x in pair] + [x for _, x in work.kept] + steps.roots()
    return [x for x in found if isinstance(x, Traced)]


def _step_circuit(graph: Graph, steps: Steps) -> Circuit:
    nodes, place = graph.pruned([graph.place[x] for x in steps.roots()])
    each = zip(steps.modulators, steps.weights, strict=True)
    layers = tuple(Modulated(place[graph.place[m]], place[graph.place[g]]) for m, g in each)
    return Circuit(nodes, layers, *_becomes(graph, place, steps.learned, steps.kept))


def _becomes(
    graph: Graph, place: dict[int, int], learned: list[tuple[str, Traced, Traced]], kept: list[tuple[str, Traced]]
) -> tuple[tuple[Learned, ...], tuple[Kept, ...]]:
    return (
        tuple(Learned(name, place[graph.place[post]], place[graph.place[pre]]) for name, post, pre in learned),
        tuple(Kept(name, place[graph.place[value]]) for name, value in kept),
    )


def _displayed(graph: Graph, value: Any) -> int:
    """Gate, loss and dendrite are only displayed: where the circuit can compute them."""
    possible = isinstance(value, Traced) and graph.why_not([graph.place[value]]) is None
    return graph.place[value] if possible else -1


def _alive(
    work: _Work, graph: Graph, wanted: list[int]
) -> tuple[list[tuple[str, Traced, Traced]], list[tuple[str, Traced]]]:
    """Updates and held signals whose state some modulator depends on, directly or through other states."""
    learned: list[tuple[str, Traced, Traced]] = []
    kept: list[tuple[str, Traced]] = []
    while True:
        roots = [*(x for _, a, b in learned for x in (a, b)), *(x for _, x in kept)]
        needed = graph.needed(wanted + [graph.place[x] for x in roots])
        read = {graph.nodes[i].name for i in needed if graph.nodes[i].op == "state"}
        more = [one for one in work.learned if one[0] in read], [one for one in work.kept if one[0] in read]
        if (len(more[0]), len(more[1])) == (len(learned), len(kept)):
            return learned, kept
        learned, kept = more

"""The canonical step in Brian2's own language: NeuronGroup, Synapses, SpikeGeneratorGroup; online, one stream.

The whole simulation is one `run`. When a stimulus ends, a network operation reads activity and
eligibility, has the rule's third factors evaluated and the weights changed by the same learner as
in all other simulators, and writes the weights back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.models.backends import Members, Simulator
from plastic.models.backends.brian2.equations import SCHEDULE, SLOTS, Equations
from plastic.models.backends.brian2.package import code_target, load_brian2, runtime
from plastic.models.backends.responding import learner_snapshot, make_learner, restore_learner
from plastic.models.backends.twin import batched_twin
from plastic.models.learning.eligibility import Response, Summed
from plastic.models.learning.learner import Learner, Watch
from plastic.models.learning.observer import Observer
from plastic.models.network.layer import Layer, Network
from plastic.models.network.limits import there
from plastic.models.network.parameters import Parameters, layer_name
from plastic.models.neuron.constants import LayerTrace, SpikingStep, Traces
from plastic.models.presentation import Presented
from plastic.models.settings import Settings
from plastic.rules.rule import Rule

Begin = Callable[[int], Traces | None]
End = Callable[[int, list[Response]], None]
Step = Callable[[list[Tensor], list[Tensor]], list[Tensor | None]]  # spikes and arrivals of the layers to their g


@dataclass
class _Projection:
    """A layer in Brian2: its neurons and its incoming synapses, ordered (position, neuron, input)."""

    layer: Layer
    neurons: Any
    synapses: Any
    there: Tensor | None = None  # which of all possible ones there are, in that order; None: all

    def write(self, weight: Tensor) -> None:
        """Weights of all synapses; positions that share theirs hold copies."""
        full = weight[0].expand(self.layer.positions, -1, -1).reshape(-1)
        self.synapses.variables["w"].get_value()[:] = (full if self.there is None else full[self.there]).numpy()

    def response(self, steps: int) -> Response:
        shape = (1, 1, self.layer.positions, self.layer.neurons)
        eligibility = Summed(self.layer, summed=self.read("eligibility").view(*shape, self.layer.fan_in))
        arrived = None
        if "arrivals" in self.neurons.variables:
            arrived = self.read("arrivals").mean().view(1, 1) / (steps * self.layer.fan_in)
        return Response(
            (self.read("count") / steps).view(shape), (self.read("post_sum") / steps).view(shape), eligibility,
            input_activity=arrived,
        )  # fmt: skip

    def read(self, name: str) -> Tensor:
        return torch.from_numpy(self.copied(name))

    def copied(self, name: str) -> NDArray[Any]:
        """A variable as it is now."""
        owner = self.synapses if name in ("eligibility", "pre_trace") else self.neurons
        values = np.array(owner.variables[name].get_value())
        if owner is self.neurons or self.there is None:
            return values
        full = np.zeros(len(self.there))  # of a synapse that is not there
        full[self.there.numpy()] = values
        return full


def _spiked(group: Any) -> NDArray[np.float64]:
    """Spikes of this step as 0 and 1."""
    space = group.variables["_spikespace"].get_value()
    spikes = np.zeros(len(space) - 1)
    spikes[space[: space[-1]]] = 1
    return spikes


@dataclass(frozen=True)
class Brian2Simulator:
    """A network of leaky integrate-and-fire neurons in Brian2, one stream, batch 1, float64."""

    network: Network
    rule: Rule  # of the run
    step: SpikingStep
    time_steps: int
    there: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)  # see plastic.models.network.limits

    def run(
        self, parameters: Parameters, spikes: Iterator[NDArray[Any]], begin: Begin, end: End, step: Step | None = None
    ) -> None:
        """All stimuli in one run of Brian2. `spikes`: input spikes (time, inputs) of each stimulus.

        When stimulus k begins, `begin(k)` may give traces to fill; when it ends, `end(k, responses)`
        learns, and the parameters are read anew. `step` gives what stepwise rules say in every step.
        """
        brian2 = load_brian2()
        code_target(brian2)
        indices, times, stimuli = _events(spikes, self.time_steps)
        with runtime(brian2):
            network, inputs, projections = self._build(brian2, indices, times)
            borders = _StimulusClock(self, parameters, inputs, projections, begin, end)
            operation = brian2.NetworkOperation
            clock = projections[0].neurons.clock
            network.add(operation(lambda: borders.starts(), clock=clock, when="start"))
            if step is not None:
                stepping = _Stepping(projections, step)
                network.add(operation(lambda: stepping.takes(), clock=clock, when="before_resets", order=-1))
            network.add(operation(lambda: borders.records(), clock=clock, when="before_resets", order=1))
            network.add(operation(lambda: borders.ends(), clock=clock, when="end"))
            network.run(stimuli * self.time_steps * brian2.ms)

    def _build(self, brian2: Any, indices: Any, times: Any) -> tuple[Any, Any, list[_Projection]]:
        ms = brian2.ms
        clock = brian2.Clock(dt=1 * ms)
        inputs = brian2.SpikeGeneratorGroup(self.network.inputs, indices, times * ms, clock=clock)
        network, below, projections = brian2.Network(inputs), inputs, []
        for index, layer in enumerate(self.network.layers):
            equations = Equations.of(layer.rule_of(self.rule), self.step, self.time_steps)
            units = {k: v * ms if k.startswith("tau") else v for k, v in equations.constants().items()}
            neurons = brian2.NeuronGroup(
                layer.units, equations.neuron, threshold=equations.threshold, reset=equations.reset,
                method="exact", clock=clock, namespace=units,
            )  # fmt: skip
            neurons.run_regularly(equations.post_factor, clock=clock, when="before_thresholds")
            synapses = brian2.Synapses(
                below, neurons, equations.synapse, on_pre=equations.on_pre, method="exact", clock=clock,
                namespace=units,
            )  # fmt: skip
            for name in equations.on_pre:
                getattr(synapses, name).when = SLOTS[name]
            pre, post = _connections(layer)
            chosen = None
            if index in self.there and not equations.counts_arrivals:  # at every input, connected or not
                chosen = torch.from_numpy(self.there[index].reshape(-1))
                pre, post = pre[chosen.numpy()], post[chosen.numpy()]
            synapses.connect(i=pre, j=post)
            synapses.run_regularly(equations.eligibility, clock=clock, when="before_resets")
            for group, at_rest in ((neurons, equations.neuron_at_rest), (synapses, equations.synapse_at_rest)):
                group.run_regularly(at_rest, dt=self.time_steps * ms, when="after_synapses")
            network.add(neurons, synapses)
            projections.append(_Projection(layer, neurons, synapses, chosen))
            below = neurons
        network.schedule = SCHEDULE
        return network, inputs, projections


def _events(spikes: Iterator[NDArray[Any]], time_steps: int) -> tuple[NDArray[Any], NDArray[Any], int]:
    """All input spikes as indices and times (ms), and the number of stimuli."""
    indices, times, stimuli = [], [], 0
    for one in spikes:
        time, index = np.nonzero(one)
        indices.append(index.astype(np.int32))
        times.append(time + stimuli * time_steps)
        stimuli += 1
    return np.concatenate(indices), np.concatenate(times), stimuli


def _connections(layer: Layer) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every neuron of a position to every input of its patch, ordered (position, neuron, input)."""
    position, neuron, source = np.meshgrid(
        np.arange(layer.positions), np.arange(layer.neurons), np.arange(layer.fan_in), indexing="ij"
    )
    return (position * layer.fan_in + source).ravel(), (position * layer.neurons + neuron).ravel()


class _Stepping:
    """A stepwise rule in every step, between the spikes and the eligibility."""

    def __init__(self, projections: list[_Projection], step: Step) -> None:
        self.projections, self.step = projections, step
        self.counted = [0.0] * len(projections)

    def takes(self) -> None:
        spikes, arriving = [], []
        for index, p in enumerate(self.projections):
            counted = 0.0  # where no rule of steps reads it
            if "arrivals" in p.neurons.variables:
                counted = float(p.neurons.variables["arrivals"].get_value().mean()) / p.layer.fan_in
            before = self.counted[index] if counted >= self.counted[index] else 0.0  # a stimulus begins from 0
            arriving.append(torch.tensor([[counted - before]], dtype=torch.float64))
            self.counted[index] = counted
            spikes.append(torch.from_numpy(_spiked(p.neurons)).view(1, 1, p.layer.positions, p.layer.neurons))
        for p, g in zip(self.projections, self.step(spikes, arriving), strict=True):
            if g is not None:
                p.neurons.variables["g"].get_value()[:] = g.reshape(-1).numpy()


class _StimulusClock:
    """What happens at the borders of the stimuli, and what is recorded between them."""

    def __init__(
        self, simulator: Brian2Simulator, parameters: Parameters, inputs: Any, projections: list[_Projection],
        begin: Begin, end: End,
    ) -> None:  # fmt: skip
        self.simulator, self.parameters, self.inputs = simulator, parameters, inputs
        self.projections, self.begin, self.end = projections, begin, end
        self.time = 0
        self.traces: Traces | None = None
        self._recorded: list[list[NDArray[Any]]] = []

    def starts(self) -> None:
        """First step of a stimulus: the present weights; what is to be recorded."""
        stimulus, within = divmod(self.time, self.simulator.time_steps)
        if within:
            return
        if self.time == 0:
            self._write()
        self.traces = self.begin(stimulus)
        self._recorded = []

    def records(self) -> None:
        """Every step of a stimulus that is recorded, before the reset."""
        if self.traces is not None:
            signals = [_spiked(self.inputs)]
            for p in self.projections:
                signals += [_spiked(p.neurons), p.copied("u"), p.copied("psi"), p.copied("pre_trace")]
            self._recorded.append(signals)

    def ends(self) -> None:
        """Last step of a stimulus: learn."""
        stimulus, within = divmod(self.time, self.simulator.time_steps)
        self.time += 1
        if within < self.simulator.time_steps - 1:
            return
        if self.traces is not None:
            self._fill(self.traces)
        self.end(stimulus, [p.response(self.simulator.time_steps) for p in self.projections])
        self._write()

    def _write(self) -> None:
        for index, projection in enumerate(self.projections):
            projection.write(self.parameters[f"{layer_name(index)}.weight"])

    def _fill(self, traces: Traces) -> None:
        """Signals of the stimulus, shaped as those of the batched simulators."""
        columns = [torch.from_numpy(np.stack(column)) for column in zip(*self._recorded, strict=True)]
        below = columns[0]
        for index, projection in enumerate(self.projections):
            layer = projection.layer
            spike, membrane, psi, trace = columns[1 + 4 * index : 5 + 4 * index]
            shape = (1, len(spike), 1, layer.positions)
            arrived = torch.cat([torch.zeros_like(below[:1]), below[:-1]])  # one step of delay
            traces[index] = [
                LayerTrace(
                    pre_spike=arrived.view(*shape, layer.fan_in),
                    pre_trace=trace.view(*shape, layer.neurons, layer.fan_in).amax(-2),  # all that see it see the same
                    membrane=membrane.view(*shape, layer.neurons),
                    post_factor=psi.view(*shape, layer.neurons),
                    spike=spike.view(*shape, layer.neurons),
                )
            ]
            below = spike


@dataclass
class Brian2Network:
    """One network that Brian2 runs and plastic.models.learning changes (plastic.models.backends.Simulator).

    Features are computed in batches by the first batched spiking backend, whose spikes are the same (tested).
    """

    simulator: Brian2Simulator
    learner: Learner
    twin: Simulator  # with the same weights, for features
    features_by: str
    rounds: bool = False

    @property
    def parameters(self) -> Parameters:
        return self.learner.parameters

    def run(self, stimuli: Iterable[Presented], observer: Observer) -> None:
        """All stimuli in one run of Brian2, drawn before it begins."""
        presented: list[Presented] = []
        watch: Watch | None = None
        stepwise = self.learner.stepwise

        def spikes() -> Iterator[NDArray[Any]]:
            for one in stimuli:
                presented.append(one.without_inputs())
                yield one.inputs[0, :, 0].numpy()

        def begin(k: int) -> Traces | None:
            nonlocal watch
            watch, traces = observer.begin(presented[k].number)
            if stepwise:
                self.learner.stepper = self.learner.begin(presented[k].fixation, presented[k].target)
            return traces

        def step(spikes: list[Tensor], arriving: list[Tensor]) -> list[Tensor | None]:
            assert self.learner.stepper is not None
            return self.learner.stepper.at(spikes, arriving)

        def end(k: int, responses: list[Response]) -> None:
            one = presented[k]
            self.learner.learn(responses, one.fixation, one.target, watch)
            observer.end(one.number, one.stimulus)

        self.simulator.run(self.parameters, spikes(), begin, end, step if stepwise else None)

    def features(self, member: int, inputs: Tensor) -> list[Tensor]:
        return self.twin.features(member, inputs)

    def snapshot(self) -> dict[str, Tensor]:
        return learner_snapshot(self.learner)

    def restore(self, saved: dict[str, Tensor], learned: int) -> None:
        del learned
        restore_learner(self.learner, saved)

    def write_report(self, folder: Path) -> None:
        """Nothing beside what all runs have."""


def build(settings: Settings, network: Network, members: Members) -> Brian2Network:
    """One network, one stream, float64."""
    learner = make_learner(settings, network, members)
    other, twin = batched_twin(settings, network, replace(members, parameters=learner.parameters))
    present = there(network, members.presentation.seeds[0])
    simulator = Brian2Simulator(network, settings.rule, settings.step, settings.spike_input.time_steps, present)
    return Brian2Network(simulator, learner, twin, other)

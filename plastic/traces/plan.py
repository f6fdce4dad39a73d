"""A record spec for one network and run: which arrays there will be, of what shape, and which stimuli enter them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from plastic.errors import PlasticError
from plastic.traces.signals import SIGNALS, Clock, Signal
from plastic.traces.spec import Clause, Record

SELECTED_BY = {"unit": "post", "site": "position", "channel": "pre"}  # where an axis goes by another's selection
BLOCK = 2**16  # stimuli that are counted at a time


@dataclass(frozen=True)
class LayerSize:
    """What a layer offers to record: its units, and the rule's own signals there."""

    positions: int
    neurons: int
    fan_in: int
    shared: bool
    own: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # (streams,), (streams, n) or weights (post, pre)
    circuit: frozenset[str] = frozenset()  # those of them that are weights
    also: tuple[Signal, ...] = ()  # signals that not every rule has
    below: tuple[int, int] | None = None  # sites and channels of a map below, where positions share their inputs


@dataclass(frozen=True)
class Schedule:
    """Which stimuli (from 1) and which steps of them are recorded."""

    clock: Clock
    stimuli: tuple[int, int]  # first and last
    every: int = 1
    bout: tuple[int, int] | None = None

    def due(self, stimulus: int) -> bool:
        """Whether anything of the stimulus is recorded; asked at every one, hence without numpy."""
        since = within = stimulus - self.stimuli[0]
        if not 0 <= since <= self.stimuli[1] - self.stimuli[0]:
            return False
        if self.bout is not None:
            within = since % self.bout[1]
            if within >= self.bout[0]:
                return False
        return self.clock == "step" or within % self.every == 0

    def mask(self, stimuli: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of the stimuli are recorded."""
        first, last = self.stimuli
        since = stimuli - first
        within = since if self.bout is None else since % self.bout[1]
        chosen = (stimuli >= first) & (stimuli <= last)
        if self.bout is not None:
            chosen &= within < self.bout[0]
        return chosen & (within % self.every == 0) if self.clock == "stimulus" else chosen

    def steps(self, time_steps: int) -> int:
        """Samples per stimulus."""
        return -(-time_steps // self.every) if self.clock == "step" else 1


def count(schedules: Sequence[Schedule], until: int) -> int:
    """How many of the stimuli 1 … until are recorded by any of the schedules."""
    total = 0
    for start in range(1, until + 1, BLOCK):
        block = np.arange(start, min(start + BLOCK, until + 1))
        total += int(np.logical_or.reduce([s.mask(block) for s in schedules]).sum()) if schedules else 0
    return total


@dataclass(frozen=True)
class Axis:
    """A time axis: the samples of one schedule. `stimulus` has every stimulus of which anything is recorded."""

    name: str
    schedules: tuple[Schedule, ...]
    steps: int = 1  # samples per stimulus

    @property
    def clock(self) -> Clock:
        return "stimulus" if self.name.startswith("stimulus") else "step"

    @property
    def every(self) -> int:
        """Steps from one sample to the next."""
        return self.schedules[0].every

    def due(self, stimulus: int) -> bool:
        return any(s.due(stimulus) for s in self.schedules)

    def samples(self, until: int) -> int:
        return count(self.schedules, until) * self.steps


@dataclass(frozen=True)
class Variable:
    """One array of the store: a signal of one layer over a time axis."""

    name: str
    signal: Signal
    layer: int  # from 1
    axis: Axis
    of: tuple[str, ...]  # axes of a sample: those of the signal that the layer has
    dims: tuple[str, ...]  # their names in the dataset
    indices: tuple[tuple[int, ...], ...]
    size: tuple[int, ...]  # how many there are to choose from
    own: bool = False  # the rule's own

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(chosen) for chosen in self.indices)


@dataclass
class Plan:
    """Time axes, variables, and the coordinates of the latter's dimensions."""

    steps: int
    time_steps: int
    axes: dict[str, Axis]
    variables: dict[str, Variable] = field(default_factory=dict)
    coordinates: dict[str, tuple[int, ...]] = field(default_factory=dict)
    streams: tuple[int, ...] = (0,)


def available(layer: LayerSize) -> dict[str, Signal]:
    """Every signal that can be recorded of a layer."""
    own = {name: _own(name, name in layer.circuit, shape) for name, shape in layer.own.items()}
    return SIGNALS | {signal.name: signal for signal in layer.also} | own


def _own(name: str, weights: bool, shape: tuple[int, ...]) -> Signal:
    of = ("post", "pre") if weights else ("stream", "unit")[: len(shape)]
    return Signal(name, name, "stimulus", of, "a.u.", "weight of the rule's circuit" if weights else "the rule's own")


Request = tuple[Clause, int, Signal]


def make_plan(record: Record, layers: Sequence[LayerSize], streams: int, steps: int, time_steps: int) -> Plan:
    """The plan; PlasticError for a signal, layer or neuron that there is not, naming what there is."""
    requests = [one for clause in record.clauses for one in _requests(clause, layers)]
    schedules = {_schedule(clause, signal, steps): clause for clause, _, signal in requests}
    stimulus = Axis("stimulus", tuple(schedules))
    axes = _axes(schedules, stimulus, steps, time_steps)
    plan = Plan(steps, time_steps, {axis.name: axis for axis in (stimulus, *axes.values())})
    for clause, number, signal in requests:
        axis = axes[_schedule(clause, signal, steps)]
        _add(plan, clause, axis, number, signal, layers[number - 1], streams)
    chosen = {i for v in plan.variables.values() if "stream" in v.of for i in v.indices[v.of.index("stream")]}
    plan.streams = tuple(sorted(chosen)) or (0,)
    plan.coordinates["stream"] = plan.streams
    return plan


def _requests(clause: Clause, layers: Sequence[LayerSize]) -> Iterator[Request]:
    for number in clause.range("layer").indices(len(layers), "layer", "the network", 1):
        known = available(layers[number - 1])
        for name in (n for s in clause.signals for n in (layers[number - 1].own if s == "own" else (s,))):
            if name not in known:
                raise PlasticError(
                    f"unknown signal {name!r} in --record; layer {number} has: {', '.join(known)}; own stands for all "
                    "of the rule's own."
                )
            yield clause, number, known[name]


def _schedule(clause: Clause, signal: Signal, steps: int) -> Schedule:
    clock = clause.clock or signal.clock
    if clock == "step" and signal.clock == "stimulus":
        raise PlasticError(f"{signal.name!r} changes once per stimulus, so --record takes it @stimulus, not @step.")
    stimuli = clause.range("stimulus").bounds(steps, "stimulus", "the run", 1)
    return Schedule(clock, stimuli, clause.every, clause.bout)


def _axes(
    schedules: Mapping[Schedule, Clause], stimulus: Axis, steps: int, time_steps: int
) -> dict[Schedule, Axis]:  # fmt: skip
    """One axis per schedule; of stimuli, the schedules that miss none of the recorded ones share `stimulus`."""
    everything, axes, used = stimulus.samples(steps), dict[Schedule, Axis](), {"stimulus"}
    for schedule, clause in schedules.items():
        if schedule.clock == "stimulus" and count([schedule], steps) == everything:
            axes[schedule] = stimulus
            continue
        name = _unused("time" if schedule.clock == "step" else "stimulus", clause, used)
        used.add(name)
        axes[schedule] = Axis(name, (schedule,), schedule.steps(time_steps))
    return axes


def _unused(base: str, clause: Clause, used: set[str]) -> str:
    """A name for an axis; the second of its kind says when it is."""
    if base not in used:
        return base
    name = base + (f"_every_{clause.every}" if clause.every > 1 else "")
    name += "_{}_of_{}".format(*clause.bout) if clause.bout else ""
    return _numbered(name, used)


def _numbered(name: str, used: Collection[str]) -> str:
    number, unique = 2, name
    while unique in used:
        number, unique = number + 1, f"{name}_{number}"
    return unique


def _add(
    plan: Plan, clause: Clause, axis: Axis, number: int, signal: Signal, layer: LayerSize, streams: int
) -> None:  # fmt: skip
    own = signal.name in layer.own
    sizes = {"position": layer.positions, "post": layer.neurons, "pre": layer.fan_in}
    if own:
        sizes = dict(zip(signal.of, layer.own[signal.name], strict=True))
    sizes["stream"] = streams
    if layer.below is not None and "post" not in signal.of and "pre" in signal.of:  # a map: of sites and channels
        signal = replace(signal, of=("stream", "site", "channel"))
        sizes |= {"site": layer.below[0], "channel": layer.below[1]}
    of = tuple(a for a in signal.of if not (a == "position" and "stream" not in signal.of and layer.shared))
    where, dims, indices = f"layer {number}", [], []
    for one in of:
        chosen = clause.range(SELECTED_BY.get(one, one)).indices(sizes[one], one, where)
        indices.append(tuple(chosen))
        base = "stream" if one == "stream" else f"{one}{number}" if not own else f"{signal.name}{number}_{one}"
        dims.append(_dimension(plan, base, tuple(chosen)))
    name = f"layer{number}_{signal.name}"
    size = tuple(sizes[one] for one in of)
    variable = Variable(name, signal, number, axis, of, tuple(dims), tuple(indices), size, own)
    same = plan.variables.get(name)
    if same is not None:
        name = _numbered(f"{name}_{axis.name}", plan.variables)
        if same == variable:
            return
    plan.variables[name] = replace(variable, name=name)


def _dimension(plan: Plan, base: str, chosen: tuple[int, ...]) -> str:
    """The dimension of that name with these indices; another one of the name is numbered."""
    number, name = 2, base
    while plan.coordinates.setdefault(name, chosen) != chosen:
        number, name = number + 1, f"{base}_{number}"
    return name

"""What networks are shown: one stimulus of every stream after the other, encoded as their backend takes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from plastic.models.network.layer import Network
from plastic.models.network.mixed import presentation
from plastic.models.settings import Settings, SpikeInput
from plastic.models.views import view
from plastic.stimuli.coding import encode, unpack
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stimulus, Stream
from plastic.stimuli.task import Inputs, Task


@dataclass(frozen=True)
class Presented:
    """One stimulus of every stream, as a network gets it."""

    number: int  # in the run, from 1
    stimulus: Stimulus
    inputs: Tensor  # activity (members, batch, n), or spikes (members, time, batch, n)
    fixation: Tensor  # +1 or −1: (members, batch, 1)
    target: Tensor  # one-hot labels: (members, batch, classes)

    def without_inputs(self) -> Presented:
        """The same with no member's inputs, for those who keep many."""
        return replace(self, inputs=self.inputs[:0])


class Presentation:
    """The streams of some networks, encoded: one (task, seed) for each."""

    def __init__(self, settings: Settings, network: Network, tasks: Sequence[Task], seeds: Sequence[int]) -> None:
        self.settings, self.network, self.tasks, self.seeds = settings, network, list(tasks), list(seeds)
        self.stream = Stream(
            self.tasks, self.seeds, settings.batch, settings.fixation_probability, settings.fixation_error
        )
        self.before: Tensor | None = None  # of the previous stimulus what the rule is shown: inputs, or labels
        self._code = self._rate_code()
        self._kind = presentation(network, settings.rule)

    def take(self, count: int) -> Iterator[Presented]:
        """The next stimuli of every stream, each drawn when it is asked for."""
        for _ in range(count):
            drawn = self.settings.share.part(self.stream.next())
            target = self.target(drawn)
            inputs = self._arranged(self.encode(self.pixels(drawn), "spikes", self.stream.count - 1), target)
            yield Presented(self.stream.count, drawn, inputs, self.fixation(drawn), target)

    def skip_to(self, number: int, before: Tensor | None) -> None:
        """Go on after stimulus `number`; before: what a run that was there held of it."""
        while self.stream.count < number:
            self.stream.next()
        self.before = before

    def fixation(self, stimulus: Stimulus) -> Tensor:
        """±1: (members, batch, 1)."""
        return self._tensor(stimulus.fixation)[..., None] * 2 - 1

    def target(self, stimulus: Stimulus) -> Tensor:
        """One-hot labels: (members, batch, classes)."""
        return self._tensor(np.eye(self.network.classes)[stimulus.labels])

    def pixels(self, stimulus: Stimulus) -> Inputs | Tensor:
        """The inputs of a stimulus, as views of images where a task has such; then on the device."""
        if stimulus.views is None:
            return stimulus.inputs
        (image, full), pixels = self._image(), self._tensor(stimulus.inputs)
        numbers = self._tensor(stimulus.views)
        for strong in (False, True):
            own = [k for k, task in enumerate(self.tasks) if task.views is not None and task.views.strong == strong]
            if own:
                viewed = view(pixels[own].flatten(0, 1), numbers[own].flatten(0, 1), *image, full, strong)
                pixels = pixels.index_copy(0, torch.tensor(own, device=pixels.device), viewed.view_as(pixels[own]))
        return pixels

    def encode(self, inputs: Inputs | Tensor, purpose: str, count: int) -> Tensor:
        """Inputs (members, batch, positions) as activity, or as spikes (members, time, batch, neurons)."""
        if self.settings.spiking is None:
            return self._as_rates(inputs)
        each = zip(self.tasks, self.seeds, inputs, strict=True)
        return self._as_spikes([(task, seed, _on_cpu(one)) for task, seed, one in each], purpose, count)

    def examples(self, member: int, inputs: Inputs, purpose: str, count: int) -> Tensor:
        """Examples of one member as its network is probed on them, no label likelier than another: (1, …)."""
        if self.settings.spiking is None:
            return self._probed(self._as_rates(inputs[None], slice(member, member + 1)))
        return self._as_spikes([(self.tasks[member], self.seeds[member], inputs)], purpose, count)

    def _image(self) -> tuple[tuple[int, int], float]:
        task = self.tasks[0]
        if task.image is None:
            raise ValueError(f"{task.name} has views and no image")
        return task.image, task.full

    def _arranged(self, inputs: Tensor, target: Tensor) -> Tensor:
        """As the rule is presented stimuli: alone, added to the one before, or with a label beside it."""
        kind, before = self._kind, self.before
        if kind == "pair":
            self.before = inputs
            return self._paired(inputs, torch.zeros_like(inputs) if before is None else before)
        if kind == "labelled":
            self.before = target
            return self._with_label(inputs, torch.zeros_like(target) if before is None else before)
        return inputs

    def _with_label(self, inputs: Tensor, label: Tensor) -> Tensor:
        """The label beside every patch of the input: (members, batch, input neurons)."""
        sites = self.network.layers[0].sites
        patches = inputs.reshape(*inputs.shape[:2], sites, -1)
        return torch.cat([patches, label[:, :, None].expand(-1, -1, sites, -1)], dim=3).flatten(2)

    def _paired(self, inputs: Tensor, before: Tensor) -> Tensor:
        """Both added up; where the rule's inputs are normalised, each patch of the pair before, as one."""
        layer = self.network.layers[0]
        if not layer.rule_of(self.settings.rule).reads.normalised_input:
            return inputs + before
        pair = layer.normalise(torch.cat([layer.patches(inputs), layer.patches(before)], dim=-1))
        first, second = pair.chunk(2, dim=-1)
        return (first + second).reshape(inputs.shape)

    def _probed(self, inputs: Tensor) -> Tensor:
        """A stimulus without another: paired with itself, beside a label that says nothing, or alone."""
        rule = self.network.layers[0].rule_of(self.settings.rule)
        if self._kind == "pair" and rule.reads.normalised_input:
            return self._paired(inputs, inputs)
        if self._kind != "labelled":
            return inputs
        shape = (*inputs.shape[:-1], self.network.classes)
        return self._with_label(inputs, inputs.new_full(shape, 1 / self.network.classes))

    def _rate_code(self) -> Tensor:
        code = np.stack([np.asarray(task.analog, dtype=np.float64) for task in self.tasks])
        return torch.as_tensor(code, dtype=self.settings.dtype, device=self.settings.device)

    def _as_rates(self, inputs: Inputs | Tensor, members: slice = slice(None)) -> Tensor:
        task, code = self.tasks[0], self._code[members]
        if task.recorded_steps:
            inputs = task.intensity(_on_cpu(inputs))
        if not task.symbolic:
            return (self._tensor(inputs) - code[:, :1, None]) / code[:, 1:, None]
        symbols = torch.as_tensor(np.asarray(inputs, dtype=np.int64)).to(self.settings.device)
        table = code[0]  # the same for all members: it depends on the number of symbols only
        return table[symbols].flatten(2)

    def _as_spikes(self, each: Sequence[tuple[Task, int, Inputs]], purpose: str, count: int) -> Tensor:
        how = self.settings.spike_input
        spikes = [spikes_of(task, inputs, how, generator(seed, purpose, count)) for task, seed, inputs in each]
        return torch.as_tensor(np.stack(spikes)).to(self.settings.device).to(self.settings.dtype)

    def _tensor(self, array: Inputs | Tensor) -> Tensor:
        return torch.as_tensor(array).to(self.settings.device).to(self.settings.dtype)


def spikes_of(task: Task, inputs: Inputs, how: SpikeInput, random: np.random.Generator) -> NDArray[Any]:
    """Inputs of one member as spikes (time, batch, neurons): those of recordings, or drawn by the coding."""
    if task.recorded_steps:
        return unpack(inputs, task.recorded_steps)
    return encode(task.intensity(inputs), how.time_steps, how.coding, how.rate, random)


def _on_cpu(inputs: Inputs | Tensor) -> Inputs:
    return inputs.cpu().numpy() if isinstance(inputs, Tensor) else inputs

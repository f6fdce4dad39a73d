"""One network on several processes: each has a part of the streams, local updates are added up.

Started by torchrun. Every process draws the whole stream from the same counter-based numbers and takes
its own part of the batch; before a weight changes, what the processes ask for is summed, so all keep
the same weights. A rule that averages over the batch or compares its streams is refused: a part of the
batch would be another rule.
"""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass

import torch
import torch.distributed as distributed
from torch import Tensor

from plastic.errors import PlasticError
from plastic.models.learning.optimizer import Optimizer, State
from plastic.models.network.outer import Update, Whole
from plastic.rules.rule import Rule
from plastic.stimuli.stream import Stimulus


@dataclass(frozen=True)
class Share:
    """Which part of the streams this process has: `rank` of `size`."""

    rank: int = 0
    size: int = 1

    def part(self, stimulus: Stimulus) -> Stimulus:
        """The streams of this process."""
        if self.size == 1:
            return stimulus
        each = stimulus.inputs.shape[1] // self.size
        own = slice(self.rank * each, (self.rank + 1) * each)
        return stimulus.at(slice(None), own)

    def summing(self, optimizer: Optimizer) -> Optimizer:
        """The optimizer, given the sum over the processes of what each asks for."""
        if self.size == 1:
            return optimizer

        def step(name: str, weight: Tensor, update: Update, state: State) -> None:
            total = update.value().contiguous()
            distributed.all_reduce(total)
            optimizer(name, weight, Whole((total,)), state)

        return step

    def check(self, rule: Rule, batch: int, spiking: bool) -> None:
        """PlasticError for what does not come apart into streams."""
        if self.size == 1:
            return
        if spiking:
            raise PlasticError("several processes (torchrun) train rate networks only; take --backend rate.")
        if batch % self.size:
            raise PlasticError(f"{batch} streams do not divide into {self.size} processes; choose another --batch.")
        if rule.reads_statistics or rule.smallest_batch > 1 or "batch" in (rule.mask, rule.feedback_mask):
            raise PlasticError(
                f"rule {rule.name!r} averages over the batch or compares its streams, so several processes cannot "
                "share them; run it on one process, or take a rule that learns from each stream."
            )


def share_of_this_process() -> Share:
    """As torchrun says in the environment; all there is where it did not start this process."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "MASTER_ADDR" not in os.environ:
        return Share()
    if not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        # its threads are joined before the interpreter ends: one left running aborts the process now and then
        atexit.register(distributed.destroy_process_group)
    return Share(distributed.get_rank(), size)

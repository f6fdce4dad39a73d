"""The same network on a batched backend: for what another cannot do in batches, such as features and initial rates.

A backend that leans on it says so: `Simulator.features_by`, and `computed_by` in result.json.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from plastic.backends import batched, first
from plastic.models.backends import Members, Simulator, backend_of
from plastic.models.network.layer import Network
from plastic.models.settings import Settings


def batched_twin(settings: Settings, network: Network, members: Members) -> tuple[str, Simulator]:
    """Name and simulator of the first batched spiking backend, in float64 on the CPU, options aside.

    Its weights are those of the members themselves, where these are float64: what changes there changes here.
    """
    name = first(batched)
    given = replace(settings, backend=name, dtype=torch.float64, device=torch.device("cpu"), options=None)
    return name, backend_of(name).build(given, network, members)

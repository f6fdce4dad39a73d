"""A network is data: what its layers are and how they are connected, as frozen values. No backend, no torch.

Begin with network.py; projections.py has the ways to connect two layers, of_task.py networks that fit a task, table.py
the same as TOML, file.py networks from files. Imports rules and stimuli. What simulators compute with is made of these
by plastic.models.network.compiled.
"""

from plastic.networks.network import Input, Layer, Network, Readout
from plastic.networks.projections import Convolution, Dense, Patches, Projection, Sparse

__all__ = ["Convolution", "Dense", "Input", "Layer", "Network", "Patches", "Projection", "Readout", "Sparse"]

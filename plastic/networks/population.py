"""What is told of a population of a network: its size, what comes into it, and who learns that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Population:
    """One population and its incoming projection, as it is shown."""

    name: str
    positions: int
    neurons: int  # at each position
    projection: str = ""  # as it is written
    weights: int = 0  # of the projection
    learns: str = ""  # by which rule, or "fixed"
    learning_rate: str = ""
    circuit: int = 0  # weights of the modulatory circuit

    @property
    def size(self) -> str:
        return f"{self.neurons}" if self.positions == 1 else f"{self.positions} × {self.neurons}"

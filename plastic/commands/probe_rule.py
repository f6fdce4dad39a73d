"""plastic probe-rule."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from plastic.backends import capabilities, fitting, usual
from plastic.config.settings import choice
from plastic.errors import PlasticError
from plastic.rules import load_rule
from plastic.terminal.console import Console

if TYPE_CHECKING:
    from plastic.rules.rule import Rule


@dataclass(frozen=True)
class ProbeRule:
    """How a rule changes one synapse: the classic experiments with given spike times, in a spiking simulator.

    Protocols:
      stdp                weight change against the time from the pre to the post spike
      pairing-frequency   weight change against the rate at which pre and post are paired
      gate-sweep          weight change against the modulator, which the circuit is driven through

    Fixations and saccades are drawn apart. The change is per learning rate; beside it is the
    eligibility, the part of it that knows nothing of the third factor. On a chip, which counts in
    integers and rounds at random, a learning rate is chosen, values are given in the units of the
    others, and each point is the mean of some repeats.

    Examples:
      plastic probe-rule --rule lpl --protocol stdp
      plastic probe-rule --rule clapp --protocol gate-sweep --backend brian2
      plastic probe-rule --rule clapp --protocol stdp --backend loihi --repeats 64
      plastic probe-rule --rule my_rule.py:MyRule --protocol pairing-frequency
    """

    rule: str = "clapp"
    """A rule by name, or your own as FILE.py:CLASS."""
    rule_options: tuple[str, ...] = ()
    """Options of the rule as KEY=VALUE."""
    protocol: Annotated[str, choice("stdp", "pairing-frequency", "gate-sweep")] = "stdp"
    """The experiment."""
    backend: Annotated[str, choice(*fitting(lambda can: can.spikes))] = field(default_factory=usual)
    """The simulator."""
    points: int = 21
    """Values of what is varied."""
    membrane_decay: float = 0.9
    """β = exp(−dt/τ_m)."""
    trace_decay: float = 0.9
    """λ of the presynaptic trace."""
    repeats: int | None = None
    """Of a chip: trials that a point is the mean of (default 16; on lava 1, which takes a second each)."""
    out: Path | None = None
    """PNG, PDF or SVG (default probe-RULE-PROTOCOL.png)."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.models.studies.synapse import PROTOCOLS
        from plastic.traces.figure import check_name
        from plastic.traces.protocol_figure import save_protocol

        capabilities(self.backend)
        if self.protocol not in PROTOCOLS:
            raise PlasticError(f"unknown protocol {self.protocol!r}; --protocol is one of: {', '.join(PROTOCOLS)}.")
        if self.repeats is not None and self.repeats < 1:
            raise PlasticError(f"--repeats is {self.repeats}; it must be at least 1.")
        if self.points < 2:
            raise PlasticError(f"--points is {self.points}; a curve needs at least 2.")
        for name in ("membrane_decay", "trace_decay"):
            if not 0 <= getattr(self, name) <= 1:
                raise PlasticError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it must lie between 0 and 1.")
        rule = load_rule(self.rule, dict(_pair(item) for item in self.rule_options))
        out = self.out or Path(f"probe-{rule.name}-{self.protocol}.png")
        check_name(out)
        record = {"rule": rule.name, "backend": self.backend, "protocol": self.protocol} | self._probe(rule)
        save_protocol(out, record)
        Console(stderr=self.json).print(f"figure: {out}", soft_wrap=True)
        if self.json:
            print(json.dumps(record | {"figure": str(out)}))
        return 0

    def _probe(self, rule: Rule) -> dict[str, Any]:
        """What was varied, an outcome for each point, and the constants of a chip."""
        from plastic.models.neuron.constants import SpikingStep
        from plastic.models.studies.synapse import probe_synapse

        step = SpikingStep(membrane_decay=self.membrane_decay, trace_decay=self.trace_decay)
        varied, outcomes, chip = probe_synapse(rule, self.backend, self.protocol, self.points, step, self.repeats)
        return {"varied": varied, "outcomes": [asdict(one) for one in outcomes]} | ({"chip": chip} if chip else {})


def _pair(item: str) -> tuple[str, str]:
    key, separator, value = item.partition("=")
    if not separator:
        raise PlasticError(f"rule option {item!r} has no value; write it as KEY=VALUE.")
    return key, value

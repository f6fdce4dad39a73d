"""plastic simulate."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import tyro

from plastic.backends import capabilities
from plastic.config.defaults import resolve
from plastic.config.file import read_config
from plastic.config.settings import Config
from plastic.config.unread import refuse_unread
from plastic.errors import PlasticError
from plastic.runs.folder import label
from plastic.terminal.console import Console
from plastic.terminal.report import LiveDisplay, result_table


@dataclass(frozen=True)
class Simulate:
    """Train a network by a plasticity rule and look at what each layer has learned.

    Ends with linear probes per layer beside the untrained network and chance (and, for rules that
    learn from an output error, the accuracy of the network's own readout), a picture, and a run
    folder that repeats the run: plastic simulate --config runs/NAME/config.toml

    Examples:
      plastic simulate --rule clapp --backend snntorch
      plastic simulate --rule clapp --backend brian2 --show-equations
      plastic simulate --rule dfa --backend rate --levels 3 --train-size 2048
      plastic simulate --rule bp --mask none --backend rate --probe ridge
      plastic simulate --rule clapp --backend loihi --rounding nearest --weight-bits 6
      plastic simulate --rule clapp --backend lava --steps 100
      plastic simulate --rule my_rule.py:MyRule --backend rate --data digits
      plastic simulate --rule dfa --neuron alif --neuron-options adaptation=0.3 refractory=2
      plastic simulate --neuron my_neuron.py:MyNeuron
    """

    settings: tyro.conf.OmitArgPrefixes[Config] = dataclasses.field(default_factory=Config)
    config: Path | None = None
    """Repeat the run of this config.toml; options given beside it replace its settings."""
    resume: Path | None = None
    """Go on with the run of this folder that was killed; it ends as if it had not been."""
    out: Path | None = None
    """Run folder (default runs/RULE-BACKEND-DATA-seedN)."""
    json: bool = False
    """Print the result as one JSON object, as the last line."""
    show_equations: bool = False
    """Print the equations that Brian2 is given (with --backend brian2), and run nothing."""

    def run(self) -> int:
        # torch is imported here, so that `plastic rules` answers at once
        from plastic.models.runs.simulate import simulate

        if self.resume and (self.config or self.out or self.settings != Config()):
            raise PlasticError("--resume takes all settings from its run folder; leave the other options out.")
        config = resolve(read_config(self.resume / "config.toml") if self.resume else self.settings)
        if not self.resume:
            refuse_unread(self.settings, read_config(self.config) if self.config else Config(), config)
        if self.show_equations:
            from plastic.models.runs.build import show_equations

            print(show_equations(config))
            return 0
        console = Console(stderr=self.json)
        unit = "spikes/step" if capabilities(config.backend).spikes else "a.u."
        rule = config.rule if config.network.layout is None else label(config)
        with LiveDisplay(console, f"{rule} on {config.backend}", unit, config.training.probe) as display:
            result = simulate(config, self.out, display.update, self.resume)
        if not result:  # one of several processes, not the first
            return 0
        console.print(result_table(result, config))
        console.print(f"run folder: {result['run']}  picture: {result['run']}/picture.png", soft_wrap=True)
        if self.json:
            keys = (
                "rule", "backend", "seed", "probe", "probe_accuracy", "untrained_accuracy", "readout_accuracy",
                "chance", "wall_seconds", "run",
            )  # fmt: skip
            print(json.dumps({key: result[key] for key in keys}))
        return 0

"""The command line: plastic simulate, check, rules, cite, doctor."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from plastic.config import SPIKING, Architecture, Config, choice, resolve, validate
from plastic.config_file import read_config
from plastic.doctor import diagnose
from plastic.errors import PlasticError
from plastic.report import LiveDisplay, check_table, result_table, rule_page, rule_record, rules_table
from plastic.rules import all_rules, rule_class


@dataclass(frozen=True)
class Simulate:
    """Train a network by a plasticity rule and look at what each layer has learned.

    Ends with linear probes per layer beside the untrained network and chance, a picture, and a run
    folder that repeats the run: plastic simulate --config runs/NAME/config.toml

    Examples:
      plastic simulate --rule clapp --backend snntorch
      plastic simulate --rule clapp --backend brian2 --show-equations
      plastic simulate --rule dfa --backend rate --levels 3 --train-size 2048
      plastic simulate --rule bp --mask none --backend rate
      plastic simulate --rule my_rule.py:MyRule --backend rate --data digits
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
        from plastic.models.simulate import simulate

        if self.resume and (self.config or self.out or self.settings != Config()):
            raise PlasticError("--resume takes all settings from its run folder; leave the other options out.")
        config = resolve(read_config(self.resume / "config.toml") if self.resume else self.settings)
        if self.show_equations:
            from plastic.models.simulate import show_equations

            print(show_equations(config))
            return 0
        console = Console(stderr=self.json)
        unit = "spikes/step" if config.backend in SPIKING else "a.u."
        with LiveDisplay(console, f"{config.rule} on {config.backend}", unit) as display:
            result = simulate(config, self.out, display.update, self.resume)
        console.print(result_table(result, config))
        console.print(f"run folder: {result['run']}  picture: {result['run']}/picture.png", soft_wrap=True)
        if self.json:
            keys = (
                "rule", "backend", "seed", "probe_accuracy", "untrained_accuracy", "chance", "wall_seconds", "run",
            )  # fmt: skip
            print(json.dumps({key: result[key] for key in keys}))
        return 0


@dataclass(frozen=True)
class Check:
    """Does a rule do the same on every spiking backend? The same spikes, learned from on each.

    A small network learns with plain SGD; spikes and weights are compared with the reference, and the
    differences are drawn. The weight error is relative to how far the weights moved. Status 1 where a
    backend differs, or where the network was silent or did not learn, so that agreement says nothing.

    Examples:
      plastic check --rule clapp --rule-options sides=both
      plastic check --rule my_rule.py:MyRule
    """

    rule: str = "clapp"
    """A rule by name, or your own as FILE.py:CLASS."""
    rule_options: tuple[str, ...] = ()
    """Options of the rule as KEY=VALUE."""
    stimuli: int = 200
    """Stimuli to learn from."""
    topology: Annotated[str, choice("tree", "dense")] = "tree"
    """The network: a tree of patches, or all to all."""
    weights: Annotated[str, choice("shared", "local")] = "local"
    """In a tree: positions share their weights, or each has its own."""
    out: Path | None = None
    """The picture of the differences (default check-RULE.png)."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.models.check import check

        if self.stimuli < 1:
            raise PlasticError(f"--stimuli is {self.stimuli}; it must be greater than 0.")
        config = Config(rule=self.rule, rule_options=self.rule_options)
        validate(dataclasses.replace(config, network=Architecture(topology=self.topology, weights=self.weights)))
        name = rule_class(self.rule).name
        out = self.out or Path(f"check-{name}.png")
        found = check(self.rule, config.options(), out, self.stimuli, self.topology, self.weights)
        records = [one.record() for one in found]
        console = Console(stderr=self.json)
        console.print(check_table(name, records))
        console.print(f"picture: {out}", soft_wrap=True)
        if len({one["backend"] for one in records}) < 2:
            console.print('brian2 is not installed and was left out: pip install "brian2>=2.9,<3"')
        if self.json:
            print(json.dumps({"rule": name, "comparisons": records, "picture": str(out)}))
        return 0 if all(one["agrees"] for one in records) else 1


@dataclass(frozen=True)
class Rules:
    """The rules with their three factors, kind of modulator, and what is not local in them."""

    action: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[show]")] = "list"
    """`show` for one rule in full."""
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = ""
    """The rule to show, by name or as FILE.py:CLASS."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        if self.action not in ("list", "show"):
            raise PlasticError(f"unknown action {self.action!r}; write `plastic rules` or `plastic rules show NAME`.")
        if self.action == "show" and not self.name:
            raise PlasticError(f"which rule? plastic rules show NAME, with one of: {', '.join(all_rules())}.")
        console = Console()
        if self.action == "show":
            rule = rule_class(self.name)
            _print(console, self.json, rule_record(rule), lambda: rule_page(rule))
        else:
            rules = all_rules()
            record = {"rules": [rule_record(rule) for rule in rules.values()]}
            _print(console, self.json, record, lambda: rules_table(rules))
        return 0


def _print(console: Console, as_json: bool, record: dict[str, Any], table: Callable[[], Any]) -> None:
    if as_json:
        print(json.dumps(record, ensure_ascii=False))
    else:
        console.print(table())


@dataclass(frozen=True)
class Cite:
    """BibTeX of the rules and of the model: for all, or for those named."""

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    """Rules by name; none means all."""

    def run(self) -> int:
        entries = [rule_class(name).citation for name in self.names or all_rules()]
        print("\n\n".join(dict.fromkeys([*entries, RHM_CITATION])))
        return 0


RHM_CITATION = """@article{cagnetta2024how,
  title = {How deep neural networks learn compositional data: the random hierarchy model},
  author = {Cagnetta, Francesco and Petrini, Leonardo and Tomasini, Umberto M. and Favero, Alessandro
            and Wyart, Matthieu},
  journal = {Physical Review X},
  volume = {14},
  pages = {031001},
  year = {2024}
}"""


@dataclass(frozen=True)
class Doctor:
    """Versions, devices, which backends and extras are usable, and how to get the others."""

    def run(self) -> int:
        return 0 if diagnose(Console()) else 1


def parse(arguments: Sequence[str]) -> Any:
    """The command object; exits with status 2 and a message where the arguments do not fit."""
    subcommand = tyro.conf.subcommand
    simulate = subcommand("simulate", default=Simulate(settings=_file_settings(arguments)))
    commands: Any = (
        Annotated[Simulate, simulate]
        | Annotated[Check, subcommand("check")]
        | Annotated[Rules, subcommand("rules")]
        | Annotated[Cite, subcommand("cite")]
        | Annotated[Doctor, subcommand("doctor")]
    )
    return tyro.cli(
        commands,
        prog="plastic",
        description="Synaptic plasticity as three-factor rules: pre × post × modulator.",
        args=list(arguments),
        config=(tyro.conf.OmitSubcommandPrefixes,),
    )


def _file_settings(arguments: Sequence[str]) -> Config:
    """The settings of --config, which become the defaults of all other options."""
    for index, argument in enumerate(arguments):
        if argument.startswith("--config="):
            return read_config(Path(argument.partition("=")[2]))
        if argument == "--config" and index + 1 < len(arguments):
            return read_config(Path(arguments[index + 1]))
    return Config()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; bad input gets one sentence and status 2."""
    try:
        return int(parse(sys.argv[1:] if arguments is None else arguments).run())
    except PlasticError as error:
        print(f"plastic: {' '.join(str(error).splitlines())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("plastic: stopped; the run folder keeps what was written until now.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

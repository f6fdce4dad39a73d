"""plastic align."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.progress import Progress
from rich.table import Table

from plastic.backends import first, rates
from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Stimuli, Training
from plastic.config.unread import refuse_unread
from plastic.errors import PlasticError
from plastic.rules import load_rule, rule_class, split_options
from plastic.terminal.console import Console


@dataclass(frozen=True)
class Align:
    """Does a rule push the weights where a reference would push them?

    Trains a rate network by each rule and compares, per layer and along the way, the rule's update with
    the reference's on the same batch, weights and negatives: cosine and ratio of norms. Beside every cosine
    stand its null, what the rule has by chance, with fresh random feedback of the same norm (of a rule without
    feedback weights: with its modulator turned at random), and the norm of the reference's update: where that has
    vanished a cosine says nothing. With --activation linear --topology dense also cos(B^l, Qᵀ B^L Q), which is
    1 where a local update is the global one (Wu et al. 2026).

    Examples:
      plastic align --rules dfa,fa,usf --reference bp
      plastic align --rules clapp++,clapp --reference bp-clapp++
      plastic align --rules clapp++,clapp++:feedback=dfb --reference bp-clapp++ --topology dense --activation linear
    """

    rules: str = "dfa,fa,clapp++"
    """Rules separated by commas, with options as NAME:KEY=VALUE:KEY=VALUE."""
    reference: str = "bp"
    """The rule that they are compared with: bp, bp-clapp++, bp-infonce or another."""
    stimuli: tyro.conf.OmitArgPrefixes[Stimuli] = dataclasses.field(default_factory=Stimuli)
    network: tyro.conf.OmitArgPrefixes[Architecture] = dataclasses.field(default_factory=Architecture)
    training: tyro.conf.OmitArgPrefixes[Training] = dataclasses.field(default_factory=Training)
    comparisons: int = 10
    """Times that updates are compared, beside once before training."""
    seed: int = 0
    """One seed for data and weights."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: the GPU if there is one."""
    out: Path | None = None
    """The picture (default align-REFERENCE.png); the numbers go beside it as .json."""
    json: bool = False
    """Print one JSON object, as the last line."""

    def run(self) -> int:
        from plastic.experiments.sweeps.averages import command_of, write_result
        from plastic.models.runs.build import make_settings, make_task
        from plastic.models.studies.align import COMPARED, DRAWS, VANISHED, align, vanished
        from plastic.pictures.align import draw_alignment
        from plastic.traces.figure import check_name

        if self.comparisons < 1:
            raise PlasticError(f"--comparisons is {self.comparisons}; it must be at least 1.")
        arms = [parse_arm(text) for text in self.rules.split(",") if text.strip()]
        if not arms:
            raise PlasticError("--rules names no rule; write them as --rules dfa,clapp++.")
        reference = rule_class(self.reference)
        out = self.out or Path(f"align-{reference.name}.png")
        check_name(out)
        if self.training.probes != Training().probes:
            raise PlasticError("--probes is of plastic simulate; how often updates are compared is --comparisons.")
        if self.training.probe != Training().probe:
            raise PlasticError("--probe is of plastic simulate; updates are compared without one, leave it out.")
        console, found, nulls = Console(stderr=self.json), dict[str, Any](), dict[str, str]()
        configs = {name: resolve(self._config(rule, options)) for name, rule, options in arms}
        for config in configs.values():
            refuse_unread(self._config(config.rule, ()), Config(backend=first(rates)), config)
        with Progress(console=console, transient=True) as progress:
            for name, config in progress.track(configs.items(), description="rules"):
                training = config.training
                assert training.steps is not None
                assert training.learning_rate is not None
                found[name], nulls[name] = align(
                    make_settings(config), reference, make_task(config), config.seed, training.learning_rate,
                    training.steps, self.comparisons,
                )  # fmt: skip
        gone = {name: [vanished(rows, i) for i in range(len(rows[0]["cosine"]))] for name, rows in found.items()}
        for name, rows in found.items():
            console.print(table(name, reference.name, rows, gone[name]))
        how = {"batches": COMPARED, "draws": DRAWS, "nulls": nulls, "vanished_below": VANISHED, "vanished": gone}
        draw_alignment(out, reference.name, found, how)
        record = {"reference": reference.name, **how, "rules": found, "picture": str(out)}
        command = command_of("plastic align", self, without=("json", "device"))
        write_result(out.with_suffix(".json"), command, record)
        console.print(f"picture: {out}  numbers: {out.with_suffix('.json')}", soft_wrap=True)
        if self.json:
            print(json.dumps(record))
        return 0

    def _config(self, rule: str, options: tuple[str, ...]) -> Config:
        return Config(
            rule=rule, backend=first(rates), rule_options=options, stimuli=self.stimuli, network=self.network,
            training=self.training, seed=self.seed, device=self.device,
        )  # fmt: skip


def parse_arm(text: str) -> tuple[str, str, tuple[str, ...]]:
    """NAME:KEY=VALUE:… as what is shown, the rule and its options; the rule is loaded, so that it exists."""
    rule, given = split_options(text)
    load_rule(rule, given)
    options = tuple(f"{key}={value}" for key, value in given.items())
    return " ".join([rule, *options]), rule, options


def table(name: str, reference: str, rows: list[dict[str, Any]], gone: list[list[bool]]) -> Table:
    """Per layer, before, half way and at the end of training: the cosine, its null, and both norms.

    A cosine stands in brackets where the norm of the reference's update has vanished (`gone`).
    """
    displayed = [0, len(rows) // 2, len(rows) - 1]
    result = Table(
        title=f"{name} beside {reference}: cosine of the updates, null (mean ± s.d.), norms",
        caption=f"norm of {reference}'s update, × that of {name}; (cosine): the norm has vanished",
        show_lines=True,
    )
    result.add_column("layer", justify="right")
    for k in displayed:
        result.add_column(f"after {rows[k]['step']} stimuli", justify="right")
    lateral = sorted(rows[0].get("lateral", {}))
    for matrix in lateral:
        result.add_column(f"cos({matrix}, Qᵀ{matrix}Q)\nat the end", justify="right")
    for layer in range(len(rows[0]["cosine"])):
        cells = [_cell(rows[k], layer, gone[layer][k]) for k in displayed]
        result.add_row(str(layer + 1), *cells, *(f"{rows[-1]['lateral'][m][layer]:+.3f}" for m in lateral))
    return result


def _cell(row: dict[str, Any], layer: int, gone: bool) -> str:
    cosine, null, spread, norm, ratio = (
        row[key][layer] for key in ("cosine", "null", "null_std", "reference_norm", "norm_ratio")
    )
    shown = f"({cosine:+.3f})" if gone else f"{cosine:+.3f}"
    return f"{shown}\nnull {null:+.2f} ± {spread:.2f}\nnorm {norm:.2g} × {ratio:.2g}"

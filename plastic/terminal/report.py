"""What the terminal shows of runs: tables of results, the live display."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from plastic.config.settings import Config
from plastic.networks.population import Population
from plastic.terminal.console import Console

OPTIMIZERS = {"sgd": "sgd (the rule alone)", "adam": "adam (a filter per synapse)"}


def result_table(result: dict[str, Any], config: Config) -> Table:
    """Linear probes per layer, trained beside untrained and chance; then the network's own readout, if it has one."""
    assert config.training.optimizer is not None
    optimizer = OPTIMIZERS[config.training.optimizer]
    table = Table(
        title=f"{result['probe'].capitalize()} probes, test accuracy",
        caption=f"{result['rule']} on {result['backend']}, optimizer {optimizer}, {result['wall_seconds']:.0f} s\n"
        f"pairing {config.stimuli.pairing}, P = {result['train_size']}, "
        f"at most {result['distinct_shown_at_most']} different ones shown",
    )
    levels = list(result["latents"]["trained"][0])
    table.add_column("layer", justify="right")
    for heading in ("class", "untrained", "chance"):
        table.add_column(heading, justify="right")
    for level in levels[1:]:
        table.add_column(f"{level} (untrained)", justify="right", style="dim")
    rows = zip(result["latents"]["trained"], result["latents"]["untrained"], strict=True)
    for layer, (trained, untrained) in enumerate(rows, 1):
        latents = [f"{trained[level]:.3f} ({untrained[level]:.3f})" for level in levels[1:]]
        cells = [f"[bold]{trained['class']:.3f}[/]", f"{untrained['class']:.3f}", f"{result['chance']:.3f}"]
        table.add_row(str(layer), *cells, *latents)
    if result["readout_accuracy"] is not None:
        table.add_row("readout", f"[bold]{result['readout_accuracy']:.3f}[/]", "", f"{result['chance']:.3f}")
    return table


def network_table(title: str, populations: Sequence[Population]) -> Table:
    """Populations with their incoming projections, bottom up, and the number of weights in all."""
    weights, circuits = (sum(getattr(one, name) for one in populations) for name in ("weights", "circuit"))
    table = Table(title=escape(title), caption=f"{weights} weights, and {circuits} of modulatory circuits")
    for heading in ("population", "neurons", "projection", "weights", "learns", "η", "circuit"):
        justify: Any = "right" if heading in ("neurons", "weights", "circuit") else "left"
        table.add_column(heading, justify=justify, overflow="fold", min_width=len(heading))
    for one in populations:
        numbers = (str(one.weights or ""), escape(one.learns), one.learning_rate, str(one.circuit or ""))
        table.add_row(one.name, one.size, escape(one.projection), *numbers)
    return table


def check_table(rule: str, records: list[dict[str, Any]]) -> Table:
    """Backends beside the reference: spikes that differ, weight error, verdict."""
    table = Table(title=f"{rule}: learning on the same spikes, beside the reference")
    for heading in ("backend", "streams", "stimuli", "η", "spikes", "differing", "weight error", "agrees"):
        table.add_column(heading, justify="left" if heading in ("backend", "agrees") else "right")
    for one in records:
        verdict = "[green]yes[/]" if one["agrees"] else f"[red]no[/] {escape(one['vacuous'])}"
        table.add_row(
            " ".join([one["backend"], one["dtype"], *(f"{k}={v}" for k, v in one.get("options", {}).items())]),
            str(one["streams"]), str(one["stimuli"]),
            f"{one['learning_rate'] / one['streams']:g}", str(one["spikes"]), str(one["spikes_differing"]),
            f"{one['weight_error']:.1e}", verdict,
        )  # fmt: skip
    return table


class LiveDisplay:
    """Progress bar with time left, and per layer the loss, activity, open gates and probe accuracy.

    Appears with the first update, so that an error before it stands alone.
    """

    def __init__(self, console: Console, title: str, unit: str, probe: str = "") -> None:
        """unit: of the activity; probe: the kind of the probes, where there are any."""
        self.unit, self.latest, self.displayed = unit, dict[str, Any](), False
        self.accuracy = f"{probe} probe accuracy".lstrip()
        self.progress = Progress(
            TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("stimuli"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=console,
        )  # fmt: skip
        self.task = self.progress.add_task(title, total=None)
        self.live = Live(console=console, refresh_per_second=4)

    def __enter__(self) -> LiveDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.displayed:
            self.live.__exit__(kind, error, trace)
            if not self.live.console.is_terminal:
                self.live.console.line()  # which rich leaves out where a file or a pipe reads

    def update(self, row: dict[str, Any]) -> None:
        """Show a row of metrics: step, steps, and whatever else it holds."""
        self.latest |= row
        self.progress.update(self.task, completed=row["step"], total=row["steps"])
        self.live.update(self._render())
        if not self.displayed:
            self.live.__enter__()
            self.displayed = True

    def _render(self) -> Table:
        grid = Table.grid()
        grid.add_row(self.progress)
        if "loss" not in self.latest:
            return grid
        table = Table(box=None, padding=(0, 2))
        for heading in ("layer", "loss", f"activity ({self.unit})", "open gates", self.accuracy):
            table.add_column(heading, justify="right")
        probes = self.latest.get("probe_accuracy", [None] * len(self.latest["loss"]))
        columns = (self.latest["loss"], self.latest["activity"], self.latest["open_gates"], probes)
        for layer, values in enumerate(zip(*columns, strict=True), 1):
            table.add_row(str(layer), *("–" if v is None else f"{v:.3f}" for v in values))
        if "readout_accuracy" in self.latest:
            table.add_row("readout", "", "", "", f"{self.latest['readout_accuracy']:.3f}")
        grid.add_row(table)
        return grid

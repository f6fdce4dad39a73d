"""plastic figure: from a sweep file to a small JSON, a picture, and the command that made both."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from matplotlib.figure import Figure as Picture

from plastic.config.flat import flattened
from plastic.errors import PlasticError
from plastic.experiments.sweeps.averages import write_result
from plastic.experiments.sweeps.budget import budget_content
from plastic.experiments.sweeps.refine import top_error as top_error  # what most figures are of
from plastic.experiments.sweeps.run import default_store, run_sweep, with_second_pass
from plastic.experiments.sweeps.spec import Sweep, read_sweep
from plastic.experiments.sweeps.store import Row
from plastic.files import write_figure, write_json
from plastic.terminal.progress import SweepProgress

Content = dict[str, Any]
FOLDER = Path(__file__).parents[1] / "sweeps"
NAMES = {  # figure → module, sweep file
    "rhm-efficiency": ("efficiency", "rhm_efficiency.toml"),
    "synonyms": ("synonyms", "rhm_efficiency.toml"),  # of the same networks
    "shallow": ("shallow", "shallow.toml"),
    "depth": ("depth", "depth.toml"),
    "masking": ("masking", "masking.toml"),
    "pairings": ("pairings", "pairings.toml"),
    "latents": ("latents", "latents.toml"),
    "spiking": ("spiking", "spiking.toml"),
    "all-valid": ("valid", "all_valid.toml"),
    "every-string-valid": ("every_string_valid", "every_string_valid.toml"),
    "robustness": ("robustness", "robustness.toml"),
}
DRAWN = {  # measures beside the probe
    "synonyms": ("invariance",),
    "masking": ("alignment", "invariance"),
    "robustness": ("weight_noise",),
}


class Module(Protocol):
    """What a figure's module offers; and `again(content)`, where P* is computed from errors that the content has."""

    def analyse(self, rows: Sequence[Row]) -> Content:
        """The numbers of the figure, as plain JSON data."""
        ...

    def draw(self, content: Content) -> Picture:
        """The picture of those numbers."""
        ...


@dataclass(frozen=True)
class Order:
    """What is asked of a figure."""

    name: str
    sweep: Path | None = None  # default: the file that comes with plastic
    store: Path | None = None
    out: Path = Path("docs/results")
    workers: int = 1
    scheduler: str | None = None
    partial: bool = False  # draw what is there, train nothing
    redraw: bool = False  # from NAME.json

    @property
    def file(self) -> Path:
        return self.sweep or FOLDER / NAMES[self.name][1]

    @property
    def command(self) -> str:
        """As it is recorded in the result: what the numbers depend on."""
        return f"plastic figure {self.name}" + ("" if self.sweep is None else f" --sweep {self.sweep}")


def make_figure(order: Order, report: Callable[[SweepProgress], None] = lambda progress: None) -> Path:
    """Train what is missing (or nothing, with `partial`), then write NAME.json and NAME.png.

    Returns the JSON file. Raises PlasticError for an unknown figure and where there is nothing to draw.
    """
    if order.name not in NAMES:
        raise PlasticError(f"no figure {order.name!r}; choose one of: {', '.join(NAMES)}.")
    module = cast(Module, importlib.import_module(f"plastic.experiments.figures.{NAMES[order.name][0]}"))
    path = order.out / f"{order.name}.json"
    if order.redraw:
        _redraw(module, path)
        return path
    sweep = read_sweep(order.file)
    if lacking := [measure for measure in DRAWN.get(order.name, ()) if measure not in sweep.measures]:
        raise PlasticError(
            f"the figure {order.name!r} draws {' and '.join(lacking)}, which {str(order.file)!r} does not measure; add "
            "it to its measures."
        )
    folder = order.store or default_store(sweep)
    if order.partial:
        sweep, rows = with_second_pass(sweep, folder)
    else:
        sweep, rows = run_sweep(order.file, folder, order.workers, order.scheduler, resume=True, report=report)
    whole = [row for row in rows if "course" in row]
    if not whole:
        raise PlasticError(
            f"there is no result in {str(folder)!r} to draw; leave --partial out to train what is missing."
        )
    content = module.analyse(whole)
    write_result(path, order.command, {"question": sweep.question, **content, **_whole(sweep, rows)})
    _draw(module, path)
    return path


def _draw(module: Module, path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    figure = module.draw(content)
    if content.get("unequal_budgets"):
        figure.text(0.5, 0, "unequal budgets, see budgets.md", ha="center", va="bottom", color="#D55E00", fontsize=9)
    write_figure(path.with_suffix(".png"), figure, dpi=110)


def _redraw(module: Module, path: Path) -> None:
    """P*, intervals and picture anew, from the errors that NAME.json has; what was trained stays as it is."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlasticError(f"cannot read {str(path)!r} ({error}); leave --redraw out to make it.") from None
    if hasattr(module, "again"):
        write_json(path, {**content, **module.again(content)})
    _draw(module, path)


def _whole(sweep: Sweep, rows: Sequence[Row]) -> Content:
    """Which members are missing or failed, the settings, and what the training took."""
    members = sweep.members()
    there = {row["key"] for row in rows}
    missing: dict[str, int] = {}
    for member in members:
        if member.key not in there:
            s = flattened(member.config)
            label = f"{member.arm}, L={s['levels']}, m={s['synonyms']}, P={s['train_size']}"
            missing[label] = missing.get(label, 0) + 1
    failed = [{"arm": row["arm"], "settings": row["settings"], "why": row["failed"]} for row in rows if "failed" in row]
    return {
        "networks": len(rows),
        "networks_in_all": len(members),
        "missing": missing,
        "failed": failed,
        **budget_content(sweep),
        "probe": " and ".join(sorted({row["settings"]["probe"] for row in rows})),
        "settings": {"all": sweep.settings, "arms": {arm.name: arm.settings for arm in sweep.arms}},
        "training_seconds": round(sum(row["seconds"]["training"] for row in rows), 1),
        "seconds_in_all": round(sum(row["seconds"]["all"] for row in rows), 1),
    }


def readout_error(row: Row) -> float | None:
    """Test error of the network's own readout at the end; None where it has none, or it was not measured."""
    accuracy = row["course"][-1].get("readout")
    return None if accuracy is None else 1 - float(accuracy)


def error_label(content: Content) -> str:
    """What an axis of test errors shows, with the kind of the probe."""
    return f"test error ({_probe(content)} probe of the top layer)"


def accuracy_label(content: Content) -> str:
    """What an axis of test accuracies shows, with the kind of the probe."""
    return f"test accuracy ({_probe(content)} probe)"


def _probe(content: Content) -> str:
    """Its kind; what does not name it was measured when there was ridge alone."""
    return str(content.get("probe", "ridge"))

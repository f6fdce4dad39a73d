"""What recording costs: time beside the same run without it, memory and disk over a long run, the page in a browser.

On snntorch and rate.

python -m plastic.experiments.benchmarks.recording overhead   # 3 minutes
python -m plastic.experiments.benchmarks.recording long       # 4 minutes
python -m plastic.experiments.benchmarks.recording page   # draws the pictures of docs/inspecting.md, of runs/demo

What the first two measured is in the result file at once, and more with every row; the last one writes a file
with --out alone.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from plastic.commands.inspect import Inspect
from plastic.config.defaults import resolve
from plastic.config.settings import Architecture, Config, Spiking, Training
from plastic.errors import PlasticError
from plastic.experiments.sweeps.averages import command_of, write_result
from plastic.models.runs.build import make_settings, make_task
from plastic.models.runs.recorder import folder_recorder
from plastic.models.runs.simulate import simulate
from plastic.models.training.allocator import keep_freed_memory
from plastic.models.training.ensemble import Ensemble
from plastic.models.training.recording import Recorder

NEURONS = "pre_spike,pre_trace,membrane,post_factor,spike[layer=2]"
RECORDS = {  # of the network of `plastic simulate --backend snntorch`, whose layer 2 is 128 × 256
    "none": "none",
    "default": None,
    "full layer, per stimulus": f"{NEURONS}; "
    "eligibility,weight,weight_change,gate,dendrite,modulator[layer=2]@stimulus",
}


@dataclass
class Contender:
    """A run under one record spec, that is trained in turns with the others."""

    ensemble: Ensemble
    recorder: Recorder | None
    folder: Path

    def train(self, stimuli: int) -> tuple[float, float]:
        """Seconds of clock and of processor."""
        wall, processor = time.perf_counter(), time.process_time()
        self.ensemble.train(stimuli, self.recorder)
        if self.recorder is not None:
            self.recorder.writer.flush()
        return time.perf_counter() - wall, time.process_time() - processor


def contender(backend: str, batch: int, record: str | None, stimuli: int, folder: Path) -> Contender:
    config = resolve(
        Config(backend=backend, record=record, training=Training(steps=stimuli, batch=batch), device="cpu")
    )
    task, rate = make_task(config), config.training.learning_rate or 0.0
    ensemble = Ensemble(make_settings(config), [task], [config.seed], [rate])
    folder.mkdir(parents=True)
    return Contender(ensemble, folder_recorder(ensemble, config)(folder, 0), folder)


def overhead(given: int | None, rounds: int) -> Iterator[dict[str, Any]]:
    """Time of each record over that of none, in turns of a tenth of a run; medians over the turns. Linear probes, which
    make a run longer, are left out."""
    table: list[dict[str, Any]] = []
    for backend, batch in (("snntorch", 128), ("rate", 128)):
        stimuli = given or resolve(Config(backend=backend)).training.steps or 0
        with tempfile.TemporaryDirectory() as home:
            runs = {
                name: contender(backend, batch, record, stimuli, Path(home) / str(number))
                for number, (name, record) in enumerate(RECORDS.items())
            }
            spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
            turn = stimuli // 10  # two bouts of the default record; samples are on disk after each, as at a checkpoint
            for run in runs.values():
                run.train(turn)
            for number in range(rounds):
                for name, run in runs.items():
                    spent[name].append(run.train(turn))
                tell(f"{backend}: turn {number + 1} of {rounds}")
            recorded = turn * (rounds + 1)
            for name, run in runs.items():
                table.append(
                    {
                        "backend": backend,
                        "batch": batch,
                        "stimuli_of_the_run": stimuli,
                        "record": name,
                        "ms_per_stimulus": round(1e3 * statistics.median(s[1] for s in spent[name]) / turn, 3),
                        "overhead_processor": _over(spent[name], spent["none"], 1),
                        "overhead_clock": _over(spent[name], spent["none"], 0),
                        "store_MB_per_1000_stimuli": round(size(run.folder) / 1e3 / recorded, 3),
                    }
                )
                print(table[-1])
        yield {"turns": rounds, "turns_per_run": 10, "table": table}


def _over(slow: list[tuple[float, float]], fast: list[tuple[float, float]], clock: int) -> float:
    """Median over the turns of (with / without) − 1."""
    return round(statistics.median(a[clock] / b[clock] for a, b in zip(slow, fast, strict=True)) - 1, 4)


def size(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tell(text: str) -> None:
    """How far it is, on stderr."""
    print(text, file=sys.stderr, flush=True)


def resident(field: str = "VmRSS") -> float:
    """Megabytes of memory that this process holds now (VmHWM: held at most until now)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(field):
            return round(int(line.split()[1]) / 1e3, 1)
    raise PlasticError("/proc/self/status does not tell the memory of a process; run this on Linux.")


SPECS = {
    "default": None,
    "every step": "pre_spike,pre_trace,membrane,post_factor,spike,eligibility,gate,dendrite,modulator,weight,"
    "weight_change,own[position=0,post=:4,pre=:4]",
}


def long(steps: int, time_steps: int, records: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Memory along a run of so many time steps, the size of its store, and how long its page takes to open."""
    table: list[dict[str, Any]] = []
    for name in records:
        record = SPECS[name]
        folder = Path(tempfile.mkdtemp())
        memory: list[tuple[int, float]] = []
        stimuli = steps // time_steps

        def look(row: dict[str, Any], memory: list[tuple[int, float]] = memory, stimuli: int = stimuli) -> None:
            if row["step"] % max(1, stimuli // 20) == 0:
                memory.append((row["step"] * time_steps, resident()))
                tell(f"{memory[-1][0]} of {steps} time steps, {memory[-1][1]} MB")

        config = Config(
            backend="snntorch", record=record, network=Architecture(width=32), spiking=Spiking(time_steps=time_steps),
            training=Training(steps=stimuli, batch=1, probes=1), device="cpu",
        )  # fmt: skip
        wall, processor = time.perf_counter(), time.process_time()
        simulate(config, folder / "run", look)
        row = {
            "record": name,
            "time_steps": stimuli * time_steps,
            "wall_seconds": round(time.perf_counter() - wall, 1),
            "processor_seconds": round(time.process_time() - processor, 1),
            "load_average": round(os.getloadavg()[0], 1),  # of the machine: how many others wanted its two cores
            "memory_MB": memory,
            "peak_MB": resident("VmHWM"),
            "growth_MB": round(memory[-1][1] - memory[len(memory) * 6 // 10][1], 1),  # after the one probe, half-way
            "store_MB": round(size(folder / "run" / "traces.zarr") / 1e6, 2),
        }
        table.append(row)
        yield {"table": table}
        row |= page(folder / "run")
        print(row)
        shutil.rmtree(folder)
        yield {"table": table}


def page(run: Path, pictures: Path | None = None) -> dict[str, Any]:
    """Size of the page of a run, and how long Chromium takes until it has drawn it; with its pictures, if asked for."""
    window = None
    try:
        Inspect(run).run()
    except PlasticError:  # too big for one file
        window = "1:1000"
        Inspect(run, window=window).run()
    file = run / "inspect.html"
    return {"page_MB": round(file.stat().st_size / 1e6, 1), "window": window, **opening(file, pictures)}


def opening(file: Path, pictures: Path | None, times: int = 5) -> dict[str, Any]:
    """Seconds from the call to the drawn page, each in a new tab, of the clock and of the tab's processor time."""
    from playwright.sync_api import sync_playwright

    browser = next((b for b in ("chromium", "chromium-browser", "google-chrome") if shutil.which(b)), None)
    if browser is None:
        raise PlasticError("there is no Chromium here; install it with: apt-get install chromium.")
    wall, processor = [], []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which(browser), args=["--no-sandbox"])
        for _ in range(times):
            tab = opened.new_page(viewport={"width": 1280, "height": 720})
            meter = tab.context.new_cdp_session(tab)
            meter.send("Performance.enable")
            started = time.perf_counter()
            tab.goto(file.resolve().as_uri())
            tab.wait_for_function("document.body.dataset.ready")
            wall.append(round(time.perf_counter() - started, 2))
            metrics = {one["name"]: one["value"] for one in meter.send("Performance.getMetrics")["metrics"]}
            processor.append(round(metrics["ProcessTime"], 2))
            if pictures is not None and len(wall) == times:
                _pictures(tab, pictures)
            tab.close()
        opened.close()
    return {"page_seconds": wall, "page_processor_seconds": processor, "load_average_page": os.getloadavg()[0]}


def _pictures(tab: Any, folder: Path) -> None:
    """What both views look like."""
    tab.screenshot(path=folder / "inspecting.png")
    tab.click("#tab-network")
    tab.wait_for_function("document.body.dataset.networkDrawn")
    tab.screenshot(path=folder / "inspecting-network.png")


@dataclass(frozen=True)
class Arguments:
    """What recording costs."""

    name: Annotated[Literal["overhead", "long", "page"], tyro.conf.Positional]
    stimuli: int | None = None
    """overhead: stimuli of the run that the default record is for (default: those of a default run)."""
    rounds: int = 5
    """overhead: turns, of which the median counts."""
    steps: int = 1_000_000
    """long: time steps."""
    time_steps: int = 50
    """long: time steps per stimulus."""
    records: tuple[str, ...] = ("default",)
    """long: default, or every step."""
    run: Path = Path("runs/demo")
    """page: the folder of a run, whose page is drawn into docs."""
    out: Path | None = None
    """Result file (default docs/results/traces-NAME.json; of page none)."""


def main() -> None:
    given = tyro.cli(Arguments)
    torch.set_num_threads(1)
    keep_freed_memory()
    tasks: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "overhead": lambda: overhead(given.stimuli, given.rounds),
        "long": lambda: long(given.steps, given.time_steps, given.records),
        "page": lambda: [page(given.run, Path("docs"))],
    }
    command = command_of("python -m plastic.experiments.benchmarks.recording", given)
    out = given.out or (None if given.name == "page" else Path(f"docs/results/traces-{given.name}.json"))
    for content in tasks[given.name]():
        if out is None:
            print(content)
        else:
            write_result(out, command, content)


if __name__ == "__main__":
    main()

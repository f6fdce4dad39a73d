"""A sweep from its file to its store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from plastic.errors import PlasticError
from plastic.experiments.sweeps.refine import second_pass
from plastic.experiments.sweeps.schedule import OnScheduler, in_processes, in_this_process
from plastic.experiments.sweeps.spec import Group, Sweep, read_sweep
from plastic.experiments.sweeps.store import Row, Store, read_rows
from plastic.files import write_file
from plastic.terminal.progress import SweepProgress

RESULTS = "results.jsonl"
Rows = Iterator[list[Row]]


def default_store(sweep: Sweep) -> Path:
    """Where a sweep's results go by themselves."""
    return Path("runs") / "sweeps" / sweep.name


def run_sweep(
    file: Path,
    out: Path | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    resume: bool = False,
    report: Callable[[SweepProgress], None] = lambda progress: None,
) -> tuple[Sweep, list[Row]]:
    """Train what is missing of the sweep in `file`, and give all its rows, in the order of the file.

    Where a grid says `refine`, the sweep that is given has the train sizes that were added.
    `out` is the folder of the store (results.jsonl, and a copy of the file). Without `resume` there
    must be no results in it yet. Raises PlasticError before anything is written for a sweep, folder
    or scheduler that cannot be.
    """
    if workers < 1:
        raise PlasticError(f"--workers is {workers}; it must be at least 1.")
    sweep = read_sweep(file)
    folder = out or default_store(sweep)
    if not resume and read_rows(folder / RESULTS):
        raise PlasticError(
            f"{str(folder)!r} has results already; add --resume to do only what is missing, or choose another --out."
        )
    with _source(workers, scheduler) as (source, dashboard), Store(folder / RESULTS) as store:
        if file.resolve() != (folder / "sweep.toml").resolve():
            write_file(folder / "sweep.toml", file.read_bytes())

        def run(one: Sweep, before: list[Group]) -> None:
            groups = one.groups()
            missing = [group for group in groups if any(m.key not in store.keys for m in group)]
            _collect(source(missing), store, missing, before + groups, report, dashboard)

        run(sweep, [])
        if (more := second_pass(sweep, rows_of(sweep, folder))) is not None:
            run(more, sweep.groups())
    return with_second_pass(sweep, folder)


def rows_of(sweep: Sweep, folder: Path) -> list[Row]:
    """The rows of the sweep's members that are in the store, in the order of the sweep's file."""
    found = {row["key"]: row for row in read_rows(folder / RESULTS)}
    return [found[member.key] for member in sweep.members() if member.key in found]


def with_second_pass(sweep: Sweep, folder: Path) -> tuple[Sweep, list[Row]]:
    """The sweep together with the train sizes that its `refine` added, and the rows of both that are in the store."""
    if (more := second_pass(sweep, rows_of(sweep, folder))) is not None:
        sweep = replace(sweep, grids=(*sweep.grids, *more.grids))
    return sweep, rows_of(sweep, folder)


@contextmanager
def _source(workers: int, scheduler: str | None) -> Iterator[tuple[Callable[[Sequence[Group]], Rows], str]]:
    if scheduler is not None:
        cluster = OnScheduler(scheduler)
        try:
            yield cluster.run, cluster.dashboard
        finally:
            cluster.close()
    elif workers > 1:
        yield lambda groups: in_processes(groups, workers), ""
    else:
        yield in_this_process, ""


def _collect(
    source: Rows, store: Store, missing: list[Group], groups: list[Group], report: Callable[[SweepProgress], None],
    dashboard: str,
) -> None:  # fmt: skip
    """Every finished group into the store at once."""
    work = {member.key: member.stimuli for group in missing for member in group}
    in_all = sum(len(group) for group in groups)
    done = 0

    def tell() -> None:
        known = {member.key for group in groups for member in group}
        report(SweepProgress(len(known & store.keys), in_all, done, sum(work.values()), dashboard))

    tell()
    for rows in source:
        for row in rows:
            store.append(row)
            done += work[row["key"]]
        tell()

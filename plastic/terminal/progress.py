"""How far a sweep is, and how that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from plastic.terminal.console import Console


@dataclass(frozen=True)
class SweepProgress:
    """Told after each group of networks; work is counted in stimuli × width."""

    members: int
    members_in_all: int
    work: int  # done since this call began
    work_in_all: int  # to be done in this call
    dashboard: str = ""  # address of Dask's page


class SweepDisplay:
    """A bar of the work done, networks done of all, and the time left. Appears with the first update."""

    def __init__(self, console: Console, title: str) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn(title), BarColumn(), TextColumn("{task.fields[members]} networks"), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), console=console, speed_estimate_period=3600,
        )  # fmt: skip
        self.task: TaskID | None = None

    def __enter__(self) -> SweepDisplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.task is not None:
            self.bar.stop()

    def update(self, progress: SweepProgress) -> None:
        """Show how far the sweep is."""
        members = f"{progress.members}/{progress.members_in_all}"
        if self.task is None:
            if progress.dashboard:
                self.console.print(f"Dask's dashboard: {progress.dashboard}", soft_wrap=True)
            self.task = self.bar.add_task("", total=progress.work_in_all, members=members)
            self.bar.start()
        self.bar.update(self.task, completed=progress.work, members=members)

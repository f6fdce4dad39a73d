"""Where groups are trained: in this process, in several, or on the workers of a Dask scheduler.

Each yields the rows of one finished group after the other, every group once. What a worker that died
had begun is trained again from its beginning.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from plastic.errors import PlasticError
from plastic.experiments.sweeps.group import group_as_data, run_group, run_group_data
from plastic.experiments.sweeps.spec import Group
from plastic.experiments.sweeps.store import Row
from plastic.experiments.sweeps.workers import end_with_parent

DEATHS = 3  # worker deaths without a finished group in between, after which a sweep gives up
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def in_this_process(groups: Sequence[Group]) -> Iterator[list[Row]]:
    """One after the other."""
    for group in groups:
        yield run_group(group)


def in_processes(groups: Sequence[Group], workers: int) -> Iterator[list[Row]]:
    """Side by side in `workers` processes; longest first, so that none is left alone at the end."""
    left = dict(enumerate(groups))
    deaths = 0
    while left:
        context = multiprocessing.get_context("spawn")
        with _one_thread_each(), ProcessPoolExecutor(workers, context, initializer=end_with_parent) as pool:
            order = sorted(left, key=lambda i: -sum(m.stimuli for m in left[i]))
            running: dict[Future[list[Row]], int] = {
                pool.submit(run_group_data, group_as_data(left[i])): i for i in order
            }
            try:
                for future in as_completed(running):
                    rows = future.result()
                    deaths = 0
                    del left[running[future]]
                    yield rows
            except BrokenProcessPool:
                deaths += 1
                if deaths >= DEATHS:
                    raise PlasticError(
                        f"worker processes died {deaths} times without finishing anything (out of memory?); lower "
                        "--workers, or 'group' in the sweep, and go on with --resume."
                    ) from None


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started within have one thread for linear algebra; torch's are set by the run's config."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class OnScheduler:
    """Groups on the workers of a running Dask scheduler, which moves on what a dead worker had.

    `dashboard` is the address of its web page.
    """

    def __init__(self, address: str) -> None:
        self._distributed = _load_distributed()
        try:
            self._client = self._distributed.Client(address, timeout="10s", set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            reason = " ".join(str(error).split())
            raise PlasticError(
                f"no Dask scheduler answers at {address!r} ({reason}); start one with `dask scheduler` and give its "
                "address, such as tcp://127.0.0.1:8786."
            ) from None
        self.dashboard: str = self._client.dashboard_link

    def run(self, groups: Sequence[Group]) -> Iterator[list[Row]]:
        """Rows of each group as it is finished. PlasticError where one kills every worker that it meets."""
        submit = self._client.submit
        order = sorted(range(len(groups)), key=lambda i: -sum(m.stimuli for m in groups[i]))
        futures = [
            submit(run_group_data, group_as_data(groups[i]), pure=False, priority=-n) for n, i in enumerate(order)
        ]
        try:
            for future in self._distributed.as_completed(futures, loop=self._client.loop):
                yield future.result()
                future.release()
        except self._distributed.KilledWorker as error:
            raise PlasticError(
                f"a group killed every worker that it ran on ({error}); see the workers' logs."
            ) from None
        finally:
            self._client.cancel(futures)

    def close(self) -> None:
        self._client.close()


def _load_distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise PlasticError(f'--scheduler needs Dask ({error}); install it with: pip install "plastic[many]".') from None
    return distributed

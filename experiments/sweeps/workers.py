"""A worker process that does not outlive the one that started it, however that ends."""

from __future__ import annotations

import os
from multiprocessing import connection, parent_process
from threading import Thread


def end_with_parent() -> None:
    """Called in a worker when it starts: from then on it ends at once when its parent is gone, at work or not; whoever
    goes on with the sweep would otherwise share the machine with it."""
    Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)

"""Keep freed memory in the process.

glibc returns the memory of a large tensor to the system when it is freed, and taking it again costs
a page fault per 4 kB: with activity of a few megabytes that is a tenth to a third of a training step.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # names of mallopt's parameters in malloc.h
LARGE = 2**30


def keep_freed_memory() -> bool:
    """Ask glibc to keep blocks below 1 GiB; False where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGE) and mallopt(TRIM_THRESHOLD, LARGE))

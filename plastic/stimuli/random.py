"""Counter-based random numbers: a draw depends on (seed, purpose, counter) and on nothing else.

So every backend gets the same numbers, a member of an ensemble gets those of its single run, and a
run that is resumed at stimulus n goes on with the numbers it would have had. Generator: Philox
(Salmon et al., SC 2011), as in numpy.
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, counter: int = 0) -> np.random.Generator:
    """A numpy generator of its own for this seed, purpose (a word) and counter."""
    key = np.array([seed & 0xFFFFFFFFFFFFFFFF, zlib.crc32(purpose.encode())], dtype=np.uint64)
    position = np.array([0, 0, 0, counter], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=position))

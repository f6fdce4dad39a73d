"""The package Brian2 itself: whether it is there, what code it generates, and its session while a network runs."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from plastic.errors import PlasticError
from plastic.models.settings import Settings


def load_brian2() -> Any:
    """The brian2 package; PlasticError if it is missing."""
    try:
        return importlib.import_module("brian2")
    except ImportError as error:
        raise PlasticError(
            f'the backend brian2 needs Brian2 ({error}); install it with: pip install "brian2>=2.9,<3".'
        ) from None


def check(settings: Settings) -> None:
    """PlasticError where Brian2 is missing."""
    del settings
    load_brian2()


def code_target(brian2: Any) -> str:
    """What Brian2 turns equations into: "cython" or "numpy", as its preferences say or, without any, what works.

    Where there is no compiler it falls back to numpy: slower, the same numbers. That is said as a warning.
    """
    chosen = brian2.prefs.codegen.target
    if not isinstance(chosen, str) or chosen != "auto":
        return chosen if isinstance(chosen, str) else str(chosen.class_name)
    target = str(importlib.import_module("brian2.devices.device").auto_target().class_name)
    if target != "cython":
        brian2.get_logger("brian2.plastic").warn(
            "Brian2 finds no working C++ compiler for Cython and generates numpy code: the same numbers, but slower; "
            "install one (on Debian: apt install g++)."
        )
    return target


@contextmanager
def runtime(brian2: Any) -> Iterator[None]:
    """Runtime device and float64, whatever the user's session has set; set back afterwards."""
    kind = brian2.prefs.core.default_float_dtype
    brian2.set_device("runtime")
    brian2.prefs.core.default_float_dtype = np.float64
    try:
        yield
    finally:
        brian2.prefs.core.default_float_dtype = kind
        brian2.devices.reset_device()

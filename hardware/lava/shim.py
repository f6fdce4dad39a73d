"""Import Lava where its own import fails: lava-nc 0.10.0 was made for Python 3.10.

`lava.magma.compiler.var_model` has a dataclass `ByteEncoder` as the default of a field of another
dataclass. Since Python 3.11 such a default must be hashable, so the import raises ValueError. Here
that one class gets `unsafe_hash=True` while that one module is imported; nothing else is changed.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import multiprocessing
import sys
from typing import Any

from ...errors import PlasticError

GET_LAVA = (
    "pip install --no-deps --ignore-requires-python lava-nc==0.10.0, then pip install asteval networkx==2.8.7 scipy"
)
_PATCHED = "ByteEncoder"


def load_lava() -> None:
    """Make `import lava…` work; PlasticError in one sentence where lava-nc is not installed or does not import."""
    if importlib.util.find_spec("lava") is None:
        raise PlasticError(f"the backend lava needs lava-nc, which is not installed; get it by {GET_LAVA}.")
    real = dataclasses.dataclass

    def hashable(cls: Any = None, /, **options: Any) -> Any:
        def decorate(one: Any) -> Any:
            return real(one, **(options | ({"unsafe_hash": True} if one.__name__ == _PATCHED else {})))

        return decorate if cls is None else decorate(cls)

    if "lava.magma.runtime.message_infrastructure.multiprocessing" not in sys.modules:
        multiprocessing.set_start_method(None, force=True)  # Lava sets it, and fails where it is set already
    dataclasses.dataclass = hashable
    try:
        importlib.import_module("lava.magma.compiler.var_model")
    except Exception as error:  # an import of Lava that half works raises anything
        raise PlasticError(
            f"lava-nc is there but does not import ({type(error).__name__}: {error}); get it anew by {GET_LAVA}."
        ) from None
    finally:
        dataclasses.dataclass = real

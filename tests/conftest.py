"""One thread, so that results do not depend on the machine.

`pytest --unsupported`: what does not run where, with the reason; each such cell must refuse clearly.
`pytest --measured FILE`: the errors that the tests of the rules measured, by rule (largest of each), as JSON.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from plastic.errors import PlasticError

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--unsupported", action="store_true", help="run only the cells that are excluded: each must raise PlasticError"
    )
    parser.addoption("--measured", metavar="FILE", help="write the measured errors of every rule to this JSON file")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (path := session.config.getoption("--measured")) and (harness := sys.modules.get("harness")):
        errors = {
            kind: {rule: {"largest": max(values), "comparisons": len(values)} for rule, values in rules.items()}
            for kind, rules in harness.MEASURED.items()
        }
        Path(path).write_text(json.dumps(errors, indent=1) + "\n", encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "unsupported(reason): a rule × backend cell that is excluded, and why")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    excluded = [item for item in items if item.get_closest_marker("unsupported")]
    listing = config.getoption("--unsupported")
    for item in excluded:
        marker = item.get_closest_marker("unsupported")
        assert marker is not None
        reason = marker.args[0]
        mark = (
            pytest.mark.xfail(reason=reason, raises=PlasticError, strict=True) if listing else pytest.mark.skip(reason)
        )
        item.add_marker(mark)
    if listing:
        config.hook.pytest_deselected(items=[item for item in items if item not in excluded])
        items[:] = excluded


@pytest.fixture(scope="session")
def numpy_code() -> Iterator[None]:
    """Brian2 generates numpy code: the same arithmetic as Cython, without a compiler run."""
    if importlib.util.find_spec("brian2") is None:
        yield
        return
    import brian2

    target = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = "numpy"
    yield
    brian2.prefs.codegen.target = target

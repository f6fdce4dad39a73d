"""One thread, so that results do not depend on the machine.

`pytest --unsupported`: what does not run where, with the reason; each such cell must refuse clearly.
`pytest --measured FILE`: the errors that the tests of the rules measured, by rule (largest of each), as JSON.
`pytest --every-call`: check the arguments and results of every call (see `_Sampled`).
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import jaxtyping
import pytest
import torch

import plastic.backends
import plastic.neurons
import plastic.rules
from plastic.errors import PlasticError

torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--unsupported", action="store_true", help="run only the cells that are excluded: each must raise PlasticError"
    )
    parser.addoption("--every-call", action="store_true", help="check types and shapes in every call, not in samples")
    parser.addoption("--measured", metavar="FILE", help="write the measured errors of every rule to this JSON file")


class _Sampled(type(jaxtyping.config)):  # type: ignore[misc]
    """jaxtyping's switch, which its wrapper of every function reads in every call.

    A test that trains makes a million calls, and checking each takes as long as the training. Of every test the first
    calls are checked, which go through all that a stimulus does, and then one of 17: a prime, so that no function is
    passed over for being called in time with another.
    """

    CALLS, PERIOD = 3000, 17
    count = 0
    off = False

    @property
    def jaxtyping_disable(self) -> bool:
        self.count += 1
        return self.off or (self.count > self.CALLS and self.count % self.PERIOD != 0)

    @jaxtyping_disable.setter
    def jaxtyping_disable(self, value: bool) -> None:
        self.off = value


def pytest_runtest_setup(item: pytest.Item) -> None:
    jaxtyping.config.count = 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    if (path := session.config.getoption("--measured")) and (harness := sys.modules.get("harness")):
        errors = {
            kind: {rule: {"largest": max(values), "comparisons": len(values)} for rule, values in rules.items()}
            for kind, rules in harness.MEASURED.items()
        }
        Path(path).write_text(json.dumps(errors, indent=1) + "\n", encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "unsupported(reason): a rule × backend cell that is excluded, and why")
    if not config.getoption("--every-call"):
        jaxtyping.config.__class__ = _Sampled


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


@pytest.fixture(autouse=True)
def _unpainted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures of a run are composed but not painted, which takes longer than a small run, where no test looks."""
    if not request.node.get_closest_marker("painted"):
        for where in ("plastic.pictures.run", "plastic.hardware.chip.report"):
            monkeypatch.setattr(f"{where}.write_figure", lambda path, figure, dpi: path.write_text("unpainted"))


@pytest.fixture(autouse=True)
def _known_names_as_before() -> Iterator[None]:
    """What a test makes known by name in this process is forgotten after it: tests run in any order."""
    registries = (plastic.rules.KIND.registered, plastic.neurons.KIND.registered, plastic.backends._registered)
    before = [dict(registry) for registry in registries]
    yield
    for registry, names in zip(registries, before, strict=True):
        if registry != names:
            registry.clear()
            registry.update(names)  # type: ignore[arg-type]
            plastic.backends.backends.cache_clear()


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

"""Options of pytest for those who write a backend (see plastic.experiments.conformance).

pytest loads it wherever plastic is installed, so it imports nothing.
"""

from __future__ import annotations

from typing import Any


def pytest_addoption(parser: Any) -> None:
    """The backends to test."""
    parser.getgroup("plastic").addoption(
        "--plastic-backend", action="append", metavar="NAME", help="backend that is compared with the reference"
    )


def pytest_configure(config: Any) -> None:
    """The marker of cells that may be left out."""
    config.addinivalue_line("markers", "slow: takes long, and differs little from what is not slow")

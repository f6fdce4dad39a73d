"""What a result says another backend computed."""

from __future__ import annotations

from typing import Any

import pytest

import plastic
from plastic.models.runs.end import computed_by


@pytest.mark.parametrize(
    ("backend", "settings", "expected"),
    [
        ("rate", {"batch": 8}, {}),  # whose initial weights have no rate to be scaled to
        ("snntorch", {"batch": 8}, {}),
        ("reference", {"batch": 8}, {"initial rates": "snntorch"}),
        ("brian2", {}, {"features": "snntorch"}),
        ("loihi", {"calibration": 50}, {}),
    ],
)
def test_what_another_backend_computed_is_named(
    backend: str, settings: dict[str, Any], expected: dict[str, str]
) -> None:
    task = plastic.stimuli.rhm(levels=1, symbols=4, classes=4, synonyms=2, seed=0)
    net = plastic.tree(task, widths=(64,), shared=False)
    sim = plastic.Simulation(net, task, backend=backend, **settings)
    assert computed_by(sim.ensemble) == ({"computed_by": expected} if expected else {})

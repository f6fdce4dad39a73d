"""The study of LPL's settings: what it changes, and that it goes on where it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from plastic.experiments.studies import lpl_tuning
from plastic.rules import load_rule

PUBLISHED = {"pull": 1.0, "push": 1.0, "decorrelation": 10.0}


def test_arms_differ_from_the_published_coefficients_where_they_say() -> None:
    for name, arm in lpl_tuning.ARMS.items():
        if arm.rule == "lpl":
            given = {k: float(v) for k, v in arm.options.items() if k in PUBLISHED}
            rule = load_rule("lpl", arm.options)
            assert {k: getattr(rule, k) for k in PUBLISHED} == PUBLISHED | given, name
            assert ("pull" in name) == ("pull" in given)


def test_an_arm_that_is_known_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = {
        k: replace(arm, steps=2, batch=8, width=8) for k, arm in lpl_tuning.ARMS.items() if k in ("none", "vicreg")
    }
    monkeypatch.setattr(lpl_tuning, "ARMS", short)
    lpl_tuning.main(["--only", "none", "--out", str(tmp_path)])
    first = json.loads((tmp_path / "lpl-tuning.json").read_text())
    assert first["command"] == "python -m plastic.experiments.studies.lpl_tuning"
    (one,) = first["arms"]["none"]["runs"]
    assert one["accuracy"].keys() == {"class", "level 1", "level 2"}
    assert all(0.1 < top < 1 for top in one["accuracy"]["class"])
    monkeypatch.setattr(lpl_tuning, "run", lambda arm: [one | {"learning_rate": 7.0}])
    lpl_tuning.main(["--out", str(tmp_path)])
    then = json.loads((tmp_path / "lpl-tuning.json").read_text())
    assert then["arms"]["none"] == first["arms"]["none"]
    assert then["arms"]["vicreg"]["runs"][0]["learning_rate"] == 7.0

"""Learning from views of MNIST images: arms and seeds one by one, kept when they are there, summed up and drawn."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from plastic.config.settings import Stimuli
from plastic.experiments.studies import image_views


def test_arms_are_trained_once_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlxtend")
    few = functools.partial(Stimuli, train_size=60, test_size=40)
    monkeypatch.setattr(image_views, "Stimuli", few)
    options = ["--width", "2", "--stimuli", "3", "--probes", "1", "--out", str(tmp_path)]
    image_views.main([*options, "--rules", "clapp++", "--seeds", "0"])
    path = tmp_path / "image-views.json"
    first = json.loads(path.read_text())
    (one,) = first["table"]
    assert [row["step"] for row in one["rows"]] == [0, 3]
    assert all(len(row["accuracy"]) == 6 and min(row["accuracy"]) > 0 for row in one["rows"])
    assert one["rows"][0]["accuracy"] != one["rows"][1]["accuracy"]
    image_views.main([*options, "--rules", "infonce sides=both", "clapp++", "--seeds", "0", "1"])
    second = json.loads(path.read_text())["table"]
    assert [(row["arm"], row["seed"]) for row in second] == [
        ("infonce sides=both", 0), ("infonce sides=both", 1), ("clapp++", 0), ("clapp++", 1),
    ]  # fmt: skip
    assert second[2] == one  # not trained again
    assert second[0]["rows"][0] == one["rows"][0]  # the same network before it learns
    assert second[0]["rows"][1] != one["rows"][1]
    assert (tmp_path / "image-views.png").read_bytes().startswith(b"\x89PNG")


def test_the_summary_is_of_the_top_layer_and_its_least_gain() -> None:
    table = [
        {"arm": "clapp++", "rows": [{"accuracy": [0.9, 0.5]}, {"accuracy": [0.9, 0.9]}, {"accuracy": [0.8, after]}]}
        for after in (0.7, 0.6)
    ]
    assert image_views.summary(table) == {
        "clapp++": {"untrained": [0.9, 0.5], "trained": [0.8, 0.65], "top_layer_gain": [0.15, 0.1]}
    }

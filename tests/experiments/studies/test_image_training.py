"""The training of a VGG-6 on MNIST images: probes along the way, pairings one by one, kept when they are there."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest

from plastic.config.settings import Stimuli
from plastic.experiments.studies import image_training


def test_pairings_are_trained_once_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlxtend")
    few = functools.partial(Stimuli, train_size=60, test_size=40)
    monkeypatch.setattr(image_training, "Stimuli", few)
    options = ["--width", "2", "--probes", "2", "--out", str(tmp_path)]
    image_training.main([*options, "--pairings", "class"], {"class": 4})
    path = tmp_path / "image-training.json"
    first = json.loads(path.read_text())
    assert (
        first["command"] == "python -m plastic.experiments.studies.image_training --pairings class --width 2 --probes 2"
    )
    rows = first["pairings"]["class"]["rows"]
    assert [row["step"] for row in rows] == [0, 2, 4]
    assert all(len(row["accuracy"]) == 6 and min(row["accuracy"]) > 0 for row in rows)
    assert rows[0]["accuracy"] != rows[-1]["accuracy"]
    assert len(first["pairings"]["class"]["at_the_end"]["effective_rank"]) == 6
    image_training.main([*options, "--pairings", "class", "within"], {"class": 8, "within": 4})
    assert json.loads(path.read_text())["command"] == first["command"].replace("--pairings class ", "")
    second = json.loads(path.read_text())["pairings"]
    assert second["class"] == first["pairings"]["class"]  # not trained again
    assert [row["step"] for row in second["within"]["rows"]] == [0, 2, 4]
    assert (tmp_path / "image-training.png").read_bytes().startswith(b"\x89PNG")
    image_training.main([*options, "--pairings", "class", "--rule", "infonce"], {"class": 2})
    assert list(json.loads(path.read_text())["pairings"]) == ["class"]  # another rule is another figure

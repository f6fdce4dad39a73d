"""docs/images.md: its commands are runs that can be, with the settings and the numbers of stimuli that it tells."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plastic.cli import parse
from plastic.config.defaults import resolve
from plastic.config.settings import Config
from plastic.config.unread import refuse_unread
from plastic.models.network.compiled import compiled
from plastic.models.network.convolution import Convolution
from plastic.models.runs.build import make_ensemble
from plastic.networks.of_task import vgg
from plastic.stimuli.image_files import ImageSet
from plastic.stimuli.random import generator

TEXT = (Path(__file__).parents[2] / "docs" / "images.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^plastic simulate (?:[^\n]*\\\n)*[^\n]*", TEXT, re.M)
OF_THE_TABLE = [command for command in COMMANDS if "--steps" in command]
SIDES = {"cifar10": 32, "stl10": 96, "tinyimagenet": 64}
ROWS = ("CLAPP", "CLAPP++ without 2-D", "CLAPP++", "CLAPP++ DFB", "CLAPP++ both", "BP-CLAPP++", "BP-InfoNCE")


def said(command: str) -> Config:
    settings = parse(shlex.split(command.replace("\\\n", " "), comments=True)[1:]).settings
    assert isinstance(settings, Config)
    return settings


def test_every_cell_of_the_table_has_a_command() -> None:
    cells = [(said(command).stimuli.data, command.rpartition("# ")[2].strip()) for command in OF_THE_TABLE]
    assert cells == [(data, row) for data in SIDES for row in ROWS]
    table = [line.split("|")[1].strip() for line in TEXT.splitlines() if line.startswith("| ")]
    assert [row for row in table if row in ROWS] == list(ROWS)


@pytest.mark.parametrize("command", OF_THE_TABLE)
def test_a_command_is_a_run_as_published(command: str) -> None:
    given = said(command)
    run = resolve(given)
    refuse_unread(given, Config(), run)
    training, stimuli = run.training, run.stimuli
    assert (training.batch, training.learning_rate, training.optimizer) == (32, 2e-4, "adam")
    assert (stimuli.pairing, stimuli.views, run.network.width, run.network.depth) == ("within", "strong", 128, 6)
    assert training.presentations * stimuli.fixation_probability == 300 * (stimuli.train_size or 0)


def read(*_: Any) -> ImageSet:
    """In place of files: noise."""
    pixels = generator(0, "pixels").integers(0, 256, (20, 32 * 32 * 3), dtype=np.uint8)
    return ImageSet(32, 3, pixels, np.arange(20) % 10, pixels, np.arange(20) % 10)


@pytest.mark.parametrize("command", [command for command in OF_THE_TABLE if "cifar10" in command])
def test_a_rule_of_the_table_learns(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plastic.stimuli.image_sets.read", read)
    run = resolve(said(command))
    small = replace(
        run, device="cpu", network=replace(run.network, width=1), training=replace(run.training, batch=8),
        stimuli=replace(run.stimuli, train_size=20, test_size=10), rule_options=tuple(
            option.replace("negatives=31", "negatives=7") for option in run.rule_options),
    )  # fmt: skip
    ensemble = make_ensemble(small)
    before = {name: weight.clone() for name, weight in ensemble.parameters.items()}
    ensemble.train(8)
    assert any(not weight.equal(before[name]) for name, weight in ensemble.parameters.items())


def test_other_commands_of_the_page_are_understood(tmp_path: Path) -> None:
    others = [said(command) for command in COMMANDS if command not in OF_THE_TABLE]
    assert [other.stimuli.data for other in others] == ["images"]


@pytest.mark.parametrize("data", SIDES)
def test_maps_and_pools_are_those_of_the_network(data: str) -> None:
    side = SIDES[data]
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| {side} px"))
    made = compiled(vgg(side, 3, 1, 6, 10, whole_circuit=False))
    layers = [n for n in made.layers if isinstance(n, Convolution)]
    maps, pools, grids = ([int(n) for n in cell.split(",")] for cell in row.split("|")[2:5])
    assert maps == [n.map_side for n in layers]
    assert grids == [n.cells for n in layers]
    assert pools == [n.map_side // n.cells for n in layers]

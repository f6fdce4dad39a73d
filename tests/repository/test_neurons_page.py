"""docs/neurons.md tells the truth: its table, and its neuron, run as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
import torch

from plastic.backends import capabilities
from plastic.cli import main
from plastic.models.backends.snntorch.cells import own_class
from plastic.models.neuron.constants import SpikingStep
from plastic.neurons import BUILT_IN, load_neuron
from plastic.neurons.where import backends_of

TEXT = (Path(__file__).parents[2] / "docs" / "neurons.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in row.strip("|").split("|")] for row in TEXT.splitlines() if row.startswith("| ")]
TABLE = {row[0]: row[1:] for row in ROWS if len(row) == 7}
HEADING, *CELLS = TABLE.items()


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, flags=re.S | re.M)
    return str(found)


def test_every_neuron_that_a_layer_can_have_is_in_the_table() -> None:
    named = {name.split()[0] for cell, _ in CELLS for name in re.findall(r"`(.*?)`", cell)}
    assert named == {cls.name for cls in BUILT_IN if cls.spiking}


@pytest.mark.parametrize(("cell", "row"), [pair for pair in CELLS if "`" in pair[0]])
def test_the_table_is_what_the_backends_say(cell: str, row: list[str]) -> None:
    columns = [name.strip("`") for name in HEADING[1][:-1]]
    for spec in re.findall(r"`(.*?)`", cell):
        name, *options = spec.split()
        neuron = load_neuron(name, dict(option.split("=") for option in options))
        having = backends_of(neuron)
        assert having == [column for column, said in zip(columns, row, strict=False) if said != "–"]
        own = own_class(SpikingStep(neuron=neuron), torch.float64, torch.device("cpu"))
        assert row[columns.index("snntorch")] == ("declared step" if own is None else f"`{type(own).__name__}`")
        assert ("bundle" in row[-1]) == any(capabilities(backend).integers for backend in having)


@pytest.mark.usefixtures("numpy_code")
def test_the_neuron_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert len([line for line in block("python").splitlines() if line.strip()]) <= 20
    Path("my_neuron.py").write_text(block("python"), encoding="utf-8")
    show, simulate, check = (shlex.split(line)[1:] for line in block("sh").strip().splitlines())
    assert main(show) == 0
    assert "resonate" in capsys.readouterr().out
    quick = ["--steps", "5", "--batch", "8", "--width", "16", "--probes", "0", "--train-size", "64"]
    assert main([*simulate, *quick]) == 0
    capsys.readouterr()
    assert main([*check, "--stimuli", "12", "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["comparisons"]
    assert {one["backend"] for one in found} == {"snntorch", "brian2"}
    assert all(one["agrees"] and one["spikes"] > 100 for one in found)

"""`plastic show`: a table and a picture of a network, of a file or of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plastic.cli import main
from plastic.config.defaults import resolve
from plastic.config.file import to_toml
from plastic.config.settings import Config, Stimuli

NET = """
[input]
units = 32
positions = 4
[[layers]]
neurons = 12
projection = { kind = "patches", branching = 2, shared = false }
rule = "clapp"
[[layers]]
neurons = 10
projection = { kind = "sparse", probability = 0.5 }
rule = "none"
[[layers]]
neurons = 9
learning_rate = 0.25
"""


def shown(spec: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    assert main(["show", spec, "--out", "net.png", "--json"]) == 0
    said = capsys.readouterr()
    record = json.loads(said.out.splitlines()[-1])
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")
    assert "weights" in said.err
    found: list[dict[str, object]] = record["populations"]
    return found


@pytest.mark.painted
def test_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.toml").write_text(NET, encoding="utf-8")
    bottom, first, second, third, readout = shown("net.toml", capsys)
    assert (bottom["positions"], bottom["neurons"]) == (4, 8)
    assert (first["positions"], first["neurons"], first["weights"]) == (2, 12, 2 * 12 * 16)
    assert (first["learns"], first["learning_rate"], first["circuit"]) == ("clapp", "the run's", 24 * 24)
    assert (second["weights"], second["learns"]) == (24 * 10 / 2, "fixed")
    assert (third["weights"], third["learns"], third["learning_rate"]) == (90, "the run's", "0.25")
    assert readout["name"] == "readout"


@pytest.mark.painted
def test_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    config = resolve(Config(rule="dfa", backend="rate", stimuli=Stimuli(levels=2)))
    Path("run/config.toml").write_text(to_toml(config), encoding="utf-8")
    names = [(one["name"], one["learns"], one["weights"]) for one in shown("run", capsys)]
    layers = [("layer 1", "dfa", 128 * 16), ("layer 2", "dfa", 128 * 256)]
    assert names == [("input", "", 0), *layers, ("readout", "delta rule", 8 * 128)]


@pytest.mark.parametrize(
    ("spec", "out", "sentence"),
    [("nothing.toml", "x.png", "cannot read the network"), ("net.toml", "no/x.png", "cannot write the picture")],
)
def test_what_cannot_be_is_said(
    spec: str,
    out: str,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.toml").write_text(NET, encoding="utf-8")
    assert main(["show", spec, "--out", out]) == 2
    assert sentence in capsys.readouterr().err

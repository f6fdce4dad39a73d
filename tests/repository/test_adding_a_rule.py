"""docs/adding-a-rule.md, run as it stands."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from plastic.cli import main

TEXT = (Path(__file__).parents[2] / "docs" / "adding-a-rule.md").read_text(encoding="utf-8")
QUICK = ["--steps", "1000", "--batch", "64", "--probes", "0", "--width", "64", "--train-size", "384"]


def block(kind: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, flags=re.S | re.M)
    assert len(found) == 1
    return found[0]


def test_the_rule_takes_less_than_40_lines() -> None:
    assert 10 < len([line for line in block("python").splitlines() if line.strip()]) < 40


@pytest.mark.usefixtures("numpy_code")
def test_the_text_runs_and_the_rule_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_rule.py").write_text(block("python"), encoding="utf-8")
    show, simulate, check = (shlex.split(line)[1:] for line in block("sh").strip().splitlines())
    assert main(show) == 0
    assert "guess" in capsys.readouterr().out
    assert main([*simulate, *QUICK, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["probe_accuracy"][-1] > result["untrained_accuracy"][-1] + 0.1
    assert main([*check, "--stimuli", "20"]) == 0
    spiking = ["simulate", "--rule", "my_rule.py:Guess", "--backend", "snntorch", *QUICK, "--steps", "5", "--json"]
    assert main(spiking) == 0

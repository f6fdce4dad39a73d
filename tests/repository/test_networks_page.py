"""docs/networks.md, run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plastic.cli import main

TEXT = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")


@pytest.mark.painted
def test_the_page_is_a_script_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("plastic.models.runs.end.draw_run", lambda *arguments: None)
    blocks = re.findall(r"^```python\n(.*?)^```$", TEXT, flags=re.S | re.M)
    assert len(blocks) == 2
    exec("\n".join(blocks), {})
    said = capsys.readouterr().out
    assert "clapp + none + vicreg on snntorch" in said
    assert "0.7" in said
    show = next(line for line in TEXT.splitlines() if line.startswith("plastic show"))
    assert main(show.partition("#")[0].split()[1:]) == 0
    assert Path("net.png").read_bytes().startswith(b"\x89PNG")

"""Networks from files that the user names."""

from __future__ import annotations

from pathlib import Path

import pytest

from plastic import Input, Layer, Network, PlasticError
from plastic.networks.file import load_network

CODE = "import plastic\nNET = plastic.Network(plastic.Input(4), plastic.Layer(3))\nOTHER = 3\n"


def test_of_toml_and_of_python(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "net.toml").write_text("[input]\nunits = 4\n[[layers]]\nneurons = 3\n", encoding="utf-8")
    for spec in ("net.py:NET", "net.toml"):
        assert load_network(str(tmp_path / spec)) == Network(Input(4), Layer(3))


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("net.py:NETS", "has no network 'NETS'; it has: NET."),
        ("net.py:OTHER", "has no network 'OTHER'; it has: NET."),
        ("nothing.py:NET", "no network file"),
        ("wrong.py:NET", "does not run: ZeroDivisionError"),
        ("refused.py:NET", "the number of neurons of a layer is 0"),
        ("nothing.toml", "cannot read the network"),
        ("wrong.toml", "cannot read the network"),
        ("typo.toml", "unknown key 'unit' in [input]"),
        ("tree", "'tree' is no network; give FILE.toml, or FILE.py:NAME"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    texts = {
        "net.py": CODE, "wrong.py": "1 / 0", "refused.py": CODE.replace("Layer(3)", "Layer(0)"), "wrong.toml": "[",
        "typo.toml": "[input]\nunit = 4\n[[layers]]\nneurons = 3\n",
    }  # fmt: skip
    for name, text in texts.items():
        Path(name).write_text(text, encoding="utf-8")
    with pytest.raises(PlasticError) as caught:
        load_network(spec)
    assert sentence in str(caught.value)

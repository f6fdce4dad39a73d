"""The picture of compared updates says what its bands are and how many they are of, and which points say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from plastic.pictures import align
from plastic.pictures.align import draw_alignment


def test_points_where_gradients_have_vanished_are_hollow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ("cosine", "cosine_std", "null", "null_std", "norm_ratio", "reference_norm")
    rows = [{"step": step, **{key: [0.1 * (step + 1), 0.5] for key in keys}} for step in range(4)]
    how = {
        "batches": 4, "draws": 8, "vanished_below": 0.01, "nulls": {"dfa": "redrawn"},
        "vanished": {"dfa": [[False, False, True, False], [False] * 4]},
    }  # fmt: skip
    drawn: list[Figure] = []
    monkeypatch.setattr(align, "write_figure", lambda path, figure, dpi: drawn.append(figure))
    draw_alignment(tmp_path / "x.png", "bp", {"dfa": rows}, how)
    axes = drawn[0].axes
    assert len(axes) == 3
    for axis in axes:
        hollow = [line for line in axis.lines if line.get_mfc() == "white" and len(line.get_xdata())]
        assert [list(line.get_xdata()) for line in hollow] == [[2]]
        assert hollow[0].get_ydata() == pytest.approx([0.3])
    text = " ".join(one.get_text() for one in drawn[0].legends[0].get_texts())
    assert "±1 s.d. over n = 4 batches" in text
    assert "±2 s.d. over n = 8 draws" in text
    assert "below 1 % of its largest until then" in text
    assert "redrawn" in axes[0].get_title()

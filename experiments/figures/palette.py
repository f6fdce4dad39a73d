"""One colour and one mark per rule in all figures (colour-blind safe; Okabe and Ito)."""

from __future__ import annotations

COLORS = {
    "bp": "#000000", "clapp": "#0072B2", "clapp++": "#56B4E9", "clapp, batch 512": "#56B4E9", "vicreg": "#009E73",
    "simclr": "#CC79A7", "infonce": "#E69F00", "lpl": "#8C6D31", "dfa": "#D55E00", "dfa, 9000 stimuli": "#7F3B08",
    "none": "#999999",
}  # fmt: skip
MARKS = {
    "bp": "s",
    "clapp": "o",
    "clapp++": "^",
    "clapp, batch 512": "^",
    "vicreg": "D",
    "simclr": "v",
    "infonce": "P",
    "lpl": "X",
    "dfa": "d",
    "dfa, 9000 stimuli": "d",
}
LINES = {"none": "--", "dfa, 9000 stimuli": ":"}
OTHERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#000000", "#999999")


def color(arm: str, number: int = 0) -> str:
    """That of the rule where an addition to its name ("bp, batch 512") has none of its own."""
    return COLORS.get(arm, COLORS.get(arm.split(", ")[0], OTHERS[number % len(OTHERS)]))


def line(arm: str) -> str:
    return LINES.get(arm, ":" if ", " in arm else "-")


def mark(arm: str) -> str:
    return MARKS.get(arm, MARKS.get(arm.split(", ")[0], "o"))

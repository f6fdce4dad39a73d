"""The table of rules × backends in the README, made from what the backends say.

python -m plastic.experiments.support_table
"""

from __future__ import annotations

from plastic.config import BACKENDS, ONLINE
from plastic.models.support import refusal
from plastic.rules import all_rules


def support_table() -> str:
    """Markdown: one row per rule, ✓ where it runs with the default batch."""
    lines = [
        f"| rule | third factor m_i | {' | '.join(f'`{backend}`' for backend in BACKENDS)} |",
        "|---|---|" + ":-:|" * len(BACKENDS),
    ]
    for name, rule in all_rules().items():
        runs = (refusal(rule(), backend, 1 if backend in ONLINE else 128) is None for backend in BACKENDS)
        third = rule.third.replace("|", "\\|")
        lines.append(f"| `{name}` | {third} | {' | '.join('✓' if yes else '–' for yes in runs)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(support_table())

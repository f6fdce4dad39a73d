"""Learning rules of the program as strings in the grammar of Loihi's learning engine.

The grammar drops signs and misreads constants without a word (x1*(-y1), u10, 0.5*…), so strings are
made from validated products alone; the tests parse each one back with Lava's own parser.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..program.spec import Term


def rule_string(products: Sequence[Term]) -> str | None:
    """A sum of products of every step ("u0"); None if there are none."""
    return " + ".join(_product(product) for product in products) or None


def _product(product: Term) -> str:
    factors = (
        f.variable if f.constant == 0 else f"({f.variable}{'+' if f.constant > 0 else '-'}{abs(f.constant)})"
        for f in product.factors
    )
    return "*".join([f"({product.mantissa})", f"2^{product.exponent}", "u0", *factors])

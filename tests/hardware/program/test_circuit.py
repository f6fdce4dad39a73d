"""The levels in which a chip's modulators are sent: whole numbers of −8, as products have a negative mantissa,
or of 1 where there is no tag."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from plastic.hardware.program.running import Levels

VALUES = np.array([0, 1, 7, 100, 511, 512, 513, 4000, 90_000, 2_000_000])
VALUES = np.concatenate([-VALUES[::-1], VALUES])


@pytest.mark.parametrize(("tagged", "most", "step"), [(True, 7, -8), (False, 127, 1)])
@pytest.mark.parametrize(("scale", "shift"), [(1, 10), (37, 14), (5, 1)])
def test_the_nearest_or_one_of_two_that_is_right_on_average(
    scale: int, shift: int, tagged: bool, most: int, step: int
) -> None:
    exact = [Fraction(int(value) * scale, 1 << shift) for value in VALUES]
    nearest = [max(-most, min(most, math.floor(level + Fraction(1, 2)))) for level in exact]
    assert Levels((scale,), (shift,), None, tagged).sent(0, VALUES[None], 3)[0].tolist() == [step * k for k in nearest]
    assert {-most, 0, most} <= set(nearest)

    count = 4000
    random = Levels((scale,), (shift,), (5,), tagged)
    sent = np.stack([random.sent(0, VALUES[None], k)[0] for k in range(count)])
    for level, column in zip(exact, sent.T, strict=True):
        below, above = (max(-most, min(most, bound(level))) for bound in (math.floor, math.ceil))
        assert set(column.tolist()) <= {step * below, step * above}
        wanted = max(Fraction(-most), min(Fraction(most), level))
        assert abs(column.mean() / step - float(wanted)) < 5 * math.sqrt(0.25 / count)

"""What the comparison of a bundle counts, of arrays of a few numbers; Lava is not run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from plastic.hardware.bundle.run import Bundle, Replay, beside_emulator, beside_float, digest, exact

SHAPES = ((2, 3, 4), (1, 5, 6))  # positions, neurons, fan_in
BITS, SCALES = (8, 6), (50.0, 20.0)
STIMULI, TIME, UNITS = 6, 10, 11


def course() -> list[SimpleNamespace]:
    """Stimulus by stimulus, what a chip did."""
    random = np.random.default_rng(1)
    return [
        SimpleNamespace(
            spikes=(random.random((TIME, UNITS)) < 0.3).astype(float),
            modulators=random.integers(-1, 2, UNITS) * 8,
            weights=[random.integers(-100, 100, shape).astype(np.int16) for shape in SHAPES],
        )
        for _ in range(STIMULI)
    ]


def bundle(done: list[SimpleNamespace]) -> Bundle:
    random = np.random.default_rng(2)
    layers = [
        {"positions": p, "neurons": n, "fan_in": k, "weight_bits": b} for (p, n, k), b in zip(SHAPES, BITS, strict=True)
    ]
    arrays: dict[str, Any] = {"fixation": np.ones(STIMULI)}
    floating: dict[str, Any] = {"spikes": np.packbits(random.random((STIMULI, TIME, UNITS)) < 0.3, axis=2)}
    for number, shape in enumerate(SHAPES, 1):
        arrays[f"layer{number}.weight"] = random.integers(-100, 100, shape).astype(np.int16)
        floating[f"layer{number}.initial"], floating[f"layer{number}.weight"] = random.standard_normal((2, *shape))
    golden = {
        "spikes": np.packbits(np.stack([one.spikes for one in done]).astype(bool), axis=2),
        "modulators": np.stack([one.modulators for one in done]).astype(np.int8),
    } | {f"layer{n}.weight": weight for n, weight in enumerate(done[-1].weights, 1)}
    program = {"layers": layers, "scales": [{"weight": scale} for scale in SCALES]}
    digests = [digest(one.weights) for one in done]
    return Bundle({"program": program, "digests": digests}, arrays, golden, floating)


def replayed(done: list[SimpleNamespace]) -> Replay:
    replay = Replay()
    for one in done:
        replay.add(one)
    return replay


def stored(weight: int, bits: int) -> int:
    """The largest that the chip has that is not larger: of nine bits with the sign it keeps the first ones."""
    step = 2 ** (9 - bits)
    return weight - weight % step


def test_what_a_chip_did_agrees_with_itself() -> None:
    given = bundle(course())
    found = beside_emulator(given, replayed(course()))
    assert exact(found)
    assert found["stimuli"] == STIMULI
    assert found["spikes"] == sum(int(one.spikes.sum()) for one in course()) > 100
    assert found["modulators"] == sum(int((one.modulators != 0).sum()) for one in course()) > 20
    moved = 0
    for number, bits in enumerate(BITS, 1):
        pairs = zip(given.arrays[f"layer{number}.weight"].flat, course()[-1].weights[number - 1].flat, strict=True)
        moved += sum(stored(int(a), bits) != int(b) for a, b in pairs)
    assert found["weights_moved"] == moved > 20
    part = beside_emulator(given, replayed(course()[:4]))
    assert exact(part)
    assert (part["stimuli"], part["weights_differing"]) == (4, None)  # the last are not there yet


@pytest.mark.parametrize("count", [4, STIMULI])
@pytest.mark.parametrize("what", ["spikes", "modulators", "weights"])
def test_one_number_that_differs_is_counted_once(what: str, count: int) -> None:
    given, done = bundle(course()), course()
    last = done[count - 1]
    if what == "spikes":
        last.spikes[3, 4] = 1 - last.spikes[3, 4]
    elif what == "modulators":
        last.modulators[10] += 8
    else:
        last.weights[1][0, 2, 3] += 1
    found = beside_emulator(given, replayed(done[:count]))
    assert not exact(found)
    assert found["spikes_differing"] == (what == "spikes")
    assert found["modulators_differing"] == (what == "modulators")
    assert found["stimuli_with_other_weights"] == (what == "weights")
    assert found["weights_differing"] == (None if count < STIMULI else int(what == "weights"))


def test_no_spike_is_no_agreement() -> None:
    done = course()
    for one in done:
        one.spikes[:] = 0
    assert not exact(beside_emulator(bundle(done), replayed(done)))


def test_how_far_weights_went_beside_the_float_run() -> None:
    """Slope and correlation through the origin, by least squares of numpy and the cosine."""
    given, done = bundle(course()), course()
    found = beside_float(given, replayed(done))
    spikes = np.unpackbits(given.floating["spikes"], axis=2, count=UNITS)
    ours = np.stack([one.spikes for one in done])
    assert found["agreeing"] == pytest.approx(np.mean(spikes == ours))
    assert (found["spikes"], found["float_spikes"]) == (int(ours.sum()), int(spikes.sum()))
    for number, layer in enumerate(found["layers"], 1):
        first = [stored(int(w), BITS[number - 1]) for w in given.arrays[f"layer{number}.weight"].flat]
        step, last = 1 / SCALES[number - 1], done[-1].weights[number - 1].ravel()
        went = (last - np.array(first)) * step
        wanted = (given.floating[f"layer{number}.weight"] - given.floating[f"layer{number}.initial"]).ravel()
        (slope,), *_ = np.linalg.lstsq(wanted[:, None], went, rcond=None)
        assert layer["slope"] == pytest.approx(slope)
        assert layer["correlation"] == pytest.approx(slope * np.linalg.norm(wanted) / np.linalg.norm(went))
        apart = np.abs(last * step - given.floating[f"layer{number}.weight"].ravel())
        assert layer["largest_difference"] == pytest.approx(apart.max())
        assert layer["step"] == pytest.approx(step)
    assert beside_float(given, replayed(done[:4]))["layers"] == []
    for number in (1, 2):
        given.floating[f"layer{number}.weight"] = given.floating[f"layer{number}.initial"]
    still = beside_float(given, replayed(done))["layers"]
    assert [(one["correlation"], one["slope"]) for one in still] == [(None, None)] * 2

"""Recordings of event sensors from files in their formats, written here byte by byte and cut by hand.

None of the published files is here: these have their layout and their number formats, and events of our own.
"""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plastic.config.settings import EVENTS, FROM_FILES, Config, Spiking, Stimuli
from plastic.config.unread import refuse_unread
from plastic.errors import PlasticError
from plastic.stimuli.coding import pack, unpack
from plastic.stimuli.event_files import SENSORS, Recordings
from plastic.stimuli.event_sets import event_task
from plastic.stimuli.random import generator
from plastic.stimuli.stream import Stream

tonic = pytest.importorskip("tonic")
h5py = pytest.importorskip("h5py")

Event = tuple[int, int, int, float]  # column, row, polarity, and time in the unit of the file
OVERFLOW = None  # in N-MNIST: the clock begins another 8192 µs
RANDOM = generator(0, "test-events")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"download of {args}")

    monkeypatch.setattr("tonic.dataset.download_and_extract_archive", refuse)
    monkeypatch.setattr("tonic.dataset.Dataset.download", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def nmnist_bytes(events: list[Event | None]) -> bytes:
    """Five bytes each: x, y, then big-endian one bit of polarity and 23 of time in µs."""
    records = []
    for event in events:
        x, y, on, time = event or (0, 240, 0, 0)
        records.append(bytes([x, y]) + (on << 23 | int(time)).to_bytes(3, "big"))
    return b"".join(records)


def some_events(sensor: tuple[int, int, int], latest: int, count: int = 60) -> list[Event]:
    columns, rows, polarities = sensor
    draw = [RANDOM.integers(0, size, count).tolist() for size in (columns, rows, polarities, latest)]
    return sorted(zip(*draw, strict=True), key=lambda event: event[3])


def write_nmnist(folder: Path) -> dict[str, list[list[Event]]]:
    """By part, the events of 20 recordings of 4 classes, in the order of their files; times in µs."""
    written: dict[str, list[list[Event]]] = {}
    for part in ("Train", "Test"):
        written[part] = []
        for label in range(4):
            (folder / part / str(label)).mkdir(parents=True)
            for number in range(5):
                first, second = (some_events((34, 34, 2), latest) for latest in (200_000, 150_000))
                # the clock's bytes begin again after each overflow; both sensors' edges and the last µs are there
                edges: list[Event] = [(33, 33, 1, 314_999), (0, 0, 0, 315_000), (5, 5, 0, 400_000)]
                content = [*first, OVERFLOW, OVERFLOW, *second, *((x, y, p, t - 16_384) for x, y, p, t in edges)]
                (folder / part / str(label) / f"{number:05}.bin").write_bytes(nmnist_bytes(content))
                written[part].append([*first, *((x, y, p, t + 16_384) for x, y, p, t in second), *edges])
    return written


def write_shd(folder: Path, dtype: Any = np.float16) -> dict[str, list[list[Event]]]:
    """Spoken digits: units and times in seconds; here and below, times are returned in µs."""
    written: dict[str, list[list[Event]]] = {}
    for part in ("train", "test"):
        times = [np.sort(RANDOM.uniform(0, 1.5, 50)).astype(dtype) for _ in range(20)]
        units = [RANDOM.integers(0, 700, 50).astype(np.uint16) for _ in range(20)]
        units[0][:2] = 0, 699
        with h5py.File(folder / f"shd_{part}.h5", "w") as file:
            for name, rows, kind in (("times", times, dtype), ("units", units, np.uint16)):
                held = file.create_dataset(f"spikes/{name}", (20,), dtype=h5py.vlen_dtype(kind))
                for index, row in enumerate(rows):
                    held[index] = row
            file["labels"] = (np.arange(20) % 20).astype(np.uint16)
            file["extra/keys"] = [f"digit {k}".encode() for k in range(20)]
            file["extra/speaker"] = np.zeros(20, np.uint16)
        written[part] = [
            [(int(x), 0, 0, Fraction(float(t)) * 10**6) for x, t in zip(row, at, strict=True)]
            for row, at in zip(units, times, strict=True)
        ]
    return written


def write_dvsgesture(folder: Path, dtype: Any = np.float64) -> dict[str, list[list[Event]]]:
    """Tables of x, y, polarity and ms; the clock does not begin at 0."""
    written: dict[str, list[list[Event]]] = {}
    for part in ("ibmGestureTrain", "ibmGestureTest"):
        files = {}
        for user in ("user02_led", "user10_lab"):
            (folder / part / user).mkdir(parents=True)
            for label in (10, 0, 3, 1, 2, 4):
                events = [(x, y, p, 7 + t) for x, y, p, t in some_events((128, 128, 2), 6500)]
                file = folder / part / user / f"{label}.npy"
                np.save(file, np.array(events, dtype=dtype))
                files[str(file)] = [(x, y, p, 1000 * (t - events[0][3])) for x, y, p, t in events]
        written[part] = [files[name] for name in sorted(files)]
    return written


WRITERS: dict[str, Callable[..., dict[str, list[list[Event]]]]] = {
    "nmnist": write_nmnist,
    "shd": write_shd,
    "dvsgesture": write_dvsgesture,
}
DURATION = {"nmnist": 315_000, "shd": 1_400_000, "dvsgesture": 6_000_000}  # µs
NEURONS = {"nmnist": 2312, "shd": 700, "dvsgesture": 2048}


def by_hand(data: str, events: list[Event], steps: int) -> set[tuple[int, int]]:
    """(step, input neuron) of every spike, event by event."""
    spikes = set()
    for x, y, on, time in events:
        step = 0
        while (step + 1) * Fraction(DURATION[data], steps) <= time:
            step += 1
        neuron = {"nmnist": (y * 34 + x) * 2 + on, "shd": x, "dvsgesture": (y // 4 * 32 + x // 4) * 2 + on}[data]
        if step < steps:
            spikes.add((step, neuron))
    return spikes


@pytest.mark.parametrize("steps", [7, 20, 70])
@pytest.mark.parametrize("data", EVENTS)
def test_spikes_are_those_cut_by_hand(data: str, steps: int, tmp_path: Path) -> None:
    written = WRITERS[data](tmp_path)
    train, test = written.values()
    task = event_task(data, tmp_path, len(train), len(test), steps)
    for examples, events in ((task.train, train), (task.test, test)):
        spikes = unpack(examples.inputs, steps)
        assert spikes.shape == (steps, len(events), NEURONS[data])
        seen = [frozenset(zip(*(i.tolist() for i in np.nonzero(one)), strict=True)) for one in spikes.swapaxes(0, 1)]
        expected = [frozenset(by_hand(data, one, steps)) for one in events]
        assert len(set(expected)) == len(events)  # so that the order, drawn by seed, can be told
        assert sorted(map(sorted, seen)) == sorted(map(sorted, expected))
        label_of = dict(zip(expected, _labels(data, len(events)), strict=True))
        assert [label_of[one] for one in seen] == examples.labels.tolist()
        cut = sum(len(one) for one in expected)
        assert 0.2 * sum(map(len, events)) < cut < sum(map(len, events))  # some events fell together, or came late
    assert task.recorded_steps == steps
    assert task.positions == NEURONS[data]
    assert task.classes == {"nmnist": 10, "shd": 20, "dvsgesture": 11}[data]
    activity = unpack(task.train.inputs, steps).mean(0, dtype=np.float64)
    assert np.allclose(task.intensity(task.train.inputs), activity, atol=1e-15)
    assert task.analog == pytest.approx((activity.mean(), activity.std()))


def _labels(data: str, count: int) -> list[int]:
    if data == "dvsgesture":
        return [0, 1, 10, 2, 3, 4] * (count // 6)  # as names are sorted: 0.npy, 1.npy, 10.npy, 2.npy
    return [k // 5 for k in range(count)] if data == "nmnist" else list(range(count))


@pytest.mark.parametrize("data", EVENTS)
def test_spikes_are_those_of_tonics_own_frames(data: str, tmp_path: Path) -> None:
    from tonic.transforms import Downsample, ToFrame

    WRITERS[data](tmp_path)
    steps = 20
    sensor = SENSORS[data]
    recordings = Recordings(data, tmp_path, train=True)
    task = event_task(data, tmp_path, len(recordings), 10, steps, seed=3)
    order = generator(3, "events-train").permutation(len(recordings))
    spikes = unpack(task.train.inputs, steps).swapaxes(0, 1)
    columns, rows, polarities = sensor.size
    pooled = sensor.pooled
    frames_of = ToFrame(
        (columns // pooled, rows // pooled, polarities), time_window=DURATION[data] / steps, start_time=0,
        end_time=DURATION[data],
    )  # fmt: skip
    for number, seen in zip(order, spikes, strict=True):
        events, _ = recordings._tonic[recordings._order[number]]
        if data == "dvsgesture":
            events["t"] -= events["t"].min()
        events = np.sort(events, order="t")  # searched in by tonic
        frames = frames_of(Downsample(spatial_factor=1 / pooled)(events) if pooled > 1 else events)
        expected = (frames > 0).reshape(steps, polarities, rows // pooled, columns // pooled).transpose(0, 2, 3, 1)
        assert np.array_equal(seen.astype(bool), expected.reshape(steps, -1))


@given(st.integers(1, 40).flatmap(lambda steps: arrays(np.uint8, (3, 5, steps), elements=st.integers(0, 1))))
def test_packing_and_unpacking_is_the_identity(spikes: np.ndarray) -> None:
    packed = pack(spikes)
    assert packed.shape == (3, 5, -(-spikes.shape[2] // 8))
    assert np.array_equal(unpack(packed, spikes.shape[2]), np.moveaxis(spikes, 2, 0))


@pytest.mark.parametrize("data", EVENTS)
def test_the_folder_that_tonic_unpacks_to_is_found(data: str, tmp_path: Path) -> None:
    inner = tmp_path / SENSORS[data].kind
    inner.mkdir()
    WRITERS[data](inner)
    assert len(Recordings(data, tmp_path, train=False)) >= 12


def test_times_of_either_width_and_integers_are_read(tmp_path: Path) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        (folder := tmp_path / f"shd-{np.dtype(dtype).name}").mkdir()
        events = write_shd(folder, dtype)["train"][4]
        neurons, times, label = Recordings("shd", folder, train=True)[4]
        assert (neurons.tolist(), label) == ([x for x, *_ in events], 4)
        assert times.tolist() == [int(t) for *_, t in events]
    for dtype in (np.int32, np.uint32, np.int64, np.float32):
        (folder := tmp_path / f"dvs-{np.dtype(dtype).name}").mkdir()
        events = write_dvsgesture(folder, dtype)["ibmGestureTrain"][2]
        _, times, label = Recordings("dvsgesture", folder, train=True)[2]
        assert (times.tolist(), label) == ([t for *_, t in events], 10)


def test_a_task_is_drawn_by_seed_and_pairs_by_class(tmp_path: Path) -> None:
    write_nmnist(tmp_path)
    one, same, other = (event_task("nmnist", tmp_path, 15, 10, 20, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.train.inputs, same.train.inputs)
    assert not np.array_equal(one.train.labels, other.train.labels)
    assert one.train.inputs.nbytes == 15 * 2312 * 3  # 20 steps in 3 bytes
    stream = Stream([one], [0], 8)
    before, stayed = stream.next(), 0
    for _ in range(100):
        now = stream.next()
        assert now.inputs.shape == (1, 8, 2312, 3)
        assert np.array_equal(now.labels == before.labels, now.fixation)
        stayed += int(now.fixation.sum())
        before = now
    assert 300 < stayed < 500


@pytest.mark.parametrize("data", EVENTS)
def test_what_is_missing_is_named_with_the_layout_and_nothing_is_downloaded(data: str, tmp_path: Path) -> None:
    assert data in FROM_FILES
    said = []
    for path in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(PlasticError) as caught:
            event_task(data, path, 10, 10, 20)
        said.append(str(caught.value))
    WRITERS[data](tmp_path)
    recordings = Recordings(data, tmp_path, train=True)
    with pytest.raises(PlasticError, match="nothing is downloaded") as caught:
        recordings._tonic.download()
    first, second = SENSORS[data].parts
    for text in (*said, str(caught.value)):
        assert first in text
        assert second in text
        assert "\n" not in text
    assert "--data-path DIR" in said[0]
    assert "nowhere" in said[1]
    assert f"there is no {first!r} in {str(tmp_path)!r}" in said[2]


def test_a_part_without_recordings_is_named(tmp_path: Path) -> None:
    for part in ("Train", "Test", "ibmGestureTrain", "ibmGestureTest"):
        (tmp_path / part).mkdir()
    for data in ("nmnist", "dvsgesture"):
        with pytest.raises(PlasticError, match=r"Train' holds no recordings"):
            event_task(data, tmp_path, 10, 10, 20)


def _replace(file: Path, what: Callable[[bytes], bytes]) -> None:
    file.write_bytes(what(file.read_bytes()))


def _shd(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """What puts a changed copy of one of its arrays into shd_train.h5."""

    def spoil(folder: Path) -> None:
        with h5py.File(folder / "shd_train.h5", "r+") as file:
            if (changed := change(file[name][:])) is None:
                del file[name]
            else:
                for index, row in enumerate(changed):
                    file[name][index] = row

    return spoil


def _set(rows: np.ndarray, value: float) -> np.ndarray:
    rows[0][1] = value
    return rows


def _gesture(change: Callable[[np.ndarray], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = folder / "ibmGestureTrain" / "user02_led" / "3.npy"
        np.save(file, change(np.load(file)), allow_pickle=True)

    return spoil


def _changed(table: np.ndarray, column: int, value: float) -> np.ndarray:
    table[2, column] = value
    return table


BIN, NPY = "Train/2/00003.bin", "ibmGestureTrain/user02_led/3.npy"
DAMAGE: dict[str, tuple[str, Callable[[Path], Any], str]] = {
    "cut off": ("nmnist", lambda f: _replace(f / BIN, lambda c: c[:-2]), r"00003.bin.* bytes are not events of 5"),
    "empty": ("nmnist", lambda f: _replace(f / BIN, lambda c: b""), r"00003.bin.* holds no events"),
    "column": (
        "nmnist", lambda f: _replace(f / BIN, lambda c: c + bytes([34, 7, 0, 0, 9])), "column 34, row 7, .* 34 × 34",
    ),
    "row": ("nmnist", lambda f: _replace(f / BIN, lambda c: bytes([3, 35, 0, 0, 9]) + c), "column 3, row 35"),
    "folder 12": ("nmnist", lambda f: (f / "Train" / "2").rename(f / "Train" / "12"), "'12', not one of 0 … 9"),
    "folder x": ("nmnist", lambda f: (f / "Train" / "2").rename(f / "Train" / "x"), "Train' is damaged"),
    "no HDF5": ("shd", lambda f: (f / "shd_train.h5").write_bytes(b"no such thing"), "shd_train.h5' is damaged"),
    "HDF5 cut off": ("shd", lambda f: _replace(f / "shd_train.h5", lambda c: c[:3000]), "shd_train.h5' is damaged"),
    "no labels": ("shd", _shd("labels", lambda rows: None), "tonic cannot read it .*labels"),
    "no units": ("shd", _shd("spikes/units", lambda rows: None), "tonic cannot read recording .*units"),
    "unit": ("shd", _shd("spikes/units", lambda rows: _set(rows, 700)), "unit 700, and the sensor has 700 units"),
    "label": ("shd", _shd("labels", lambda rows: rows + 1), "is 20, not 0 … 19"),
    "time before 0": ("shd", _shd("spikes/times", lambda rows: _set(rows, -0.1)), "recording 0 .* clock's 0"),
    "not a number": ("shd", _shd("spikes/times", lambda rows: _set(rows, np.nan)), "cannot read recording 0"),
    "infinite": ("shd", _shd("spikes/times", lambda rows: _set(rows, np.inf)), "cannot read recording 0"),
    "other number of units": (
        "shd", _shd("spikes/units", lambda rows: [np.arange(49), *rows[1:]]), "cannot read recording 0",
    ),
    "npy cut off": ("dvsgesture", lambda f: _replace(f / NPY, lambda c: c[:-9]), "3.npy' is damaged"),
    "no npy": ("dvsgesture", lambda f: (f / NPY).write_bytes(b"no such thing"), "3.npy' is damaged"),
    "objects": ("dvsgesture", _gesture(lambda table: table.astype(object)), "3.npy.* numpy cannot read it"),
    "three columns": ("dvsgesture", _gesture(lambda table: table[:, :3]), "four columns"),
    "nan": ("dvsgesture", _gesture(lambda table: _changed(table, 3, np.nan)), "not finite"),
    "pixel": ("dvsgesture", _gesture(lambda table: _changed(table, 1, 65536 + 5)), "from 0 to 127"),
    "polarity": ("dvsgesture", _gesture(lambda table: _changed(table, 2, 2)), "polarity 0 or 1"),
    "short integers": ("dvsgesture", _gesture(lambda table: table.astype(np.int16)), "do not fit its int16"),
    "gesture without events": ("dvsgesture", _gesture(lambda table: table[:0]), "holds no events"),
    "eleventh": (
        "dvsgesture", lambda f: (f / NPY).rename((f / NPY).with_name("11.npy")), r"label of recording .* is 11, not",
    ),
    "no gesture": ("dvsgesture", lambda f: (f / NPY).rename((f / NPY).with_name("wave.npy")), "tonic cannot read it"),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_file_is_named(case: str, tmp_path: Path) -> None:
    data, spoil, named = DAMAGE[case]
    WRITERS[data](tmp_path)
    count = len(Recordings(data, tmp_path, train=True))
    spoil(tmp_path)
    with pytest.raises(PlasticError, match=named) as caught:
        event_task(data, tmp_path, count, 10, 20)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("get the file again.")


@pytest.mark.parametrize(
    ("sizes", "pairing", "named"),
    [((21, 10), "class", "20 recordings for --train-size"), ((20, 9), "class", "20 recordings for --test-size"),
     ((20, 10), "within", "choose class"), ((20, 10), "latent:1", "choose class")],
)  # fmt: skip
def test_what_recordings_cannot_do_is_refused(sizes: tuple[int, int], pairing: str, named: str, tmp_path: Path) -> None:
    write_nmnist(tmp_path)
    with pytest.raises(PlasticError, match=named):
        event_task("nmnist", tmp_path, *sizes, 20, pairing)


def test_without_tonic_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_nmnist(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "tonic"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(PlasticError, match=r'by tonic, .* \(.*tonic.*\): pip install "tonic>=1\.7"'):
        event_task("nmnist", tmp_path, 20, 10, 20)


@pytest.mark.parametrize(
    ("backend", "given", "named"),
    [
        ("snntorch", Spiking(coding="latency"), "--coding makes spikes of values, and nmnist is spikes already"),
        ("brian2", Spiking(input_rate=0.3), "--input-rate makes spikes of values"),
        ("rate", Spiking(threshold=2), "--threshold is of spiking networks"),
        ("rate", Spiking(time_steps=30), ""),  # what a rate is the mean over
        ("snntorch", Spiking(time_steps=30), ""),
    ],
)
def test_a_coding_is_refused_and_time_steps_are_not(backend: str, given: Spiking, named: str) -> None:
    from plastic.config.defaults import resolve

    config = Config(backend=backend, stimuli=Stimuli("nmnist", "somewhere"), spiking=given)
    if not named:
        refuse_unread(config, Config(), resolve(config))
        return
    with pytest.raises(PlasticError, match=named):
        refuse_unread(config, Config(), resolve(config))

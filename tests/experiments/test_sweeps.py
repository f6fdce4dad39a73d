"""Sweeps: what a file means, the store, and results that do not depend on how they came about."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from plastic.cli import main
from plastic.config.flat import flattened
from plastic.errors import PlasticError
from plastic.experiments.sweeps.group import run_group
from plastic.experiments.sweeps.run import RESULTS, run_sweep
from plastic.experiments.sweeps.spec import PER_MEMBER, Member, read_sweep
from plastic.experiments.sweeps.store import Store, read_rows
from plastic.terminal.progress import SweepProgress

TINY = """
name = "tiny"
question = "does it run?"
measures = ["probe", "invariance"]
group = 2

[settings]
backend = "rate"
levels = 2
symbols = 6
classes = 4
synonyms = 3
width = 12
batch = 16
steps = 40
test_size = 40
probes = 1
probe = "ridge"
learning_rate = 0.01

[[arm]]
name = "clapp"
rule = "clapp"

[[arm]]
name = "clapp, pooled"
rule = "clapp"
rule_options = ["summary=mean"]

[[arm]]
name = "untrained"
rule = "none"

[[grid]]
train_size = [40, 60]
seed = [0, 1, 2]

[[grid]]
arms = ["clapp"]
pairing = "latent:1"
train_size = 40
seed = [0, 1]
"""


LONGER = TINY.replace("steps = 40", "steps = 300")  # long enough to be killed at work


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LONGER in one process, undisturbed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "tiny.toml").write_text(LONGER)
    run_sweep(folder / "tiny.toml", out=folder / "out")
    return folder / "out"


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def numbers(folder: Path) -> list[str]:
    """The rows without what the clock says, as text."""
    return sorted(
        json.dumps({k: v for k, v in row.items() if k != "seconds"}, sort_keys=True)
        for row in read_rows(folder / RESULTS)
    )


def test_every_arm_meets_every_grid_that_does_not_leave_it_out(tiny: Path) -> None:
    members = read_sweep(tiny).members()
    assert len(members) == 3 * 6 + 2
    assert len({m.key for m in members}) == len(members)
    assert {m.arm for m in members if m.config.stimuli.pairing == "latent:1"} == {"clapp"}
    assert members[0].config.training.optimizer == "adam", "defaults are filled in"


def test_results_of_latent_pairings_of_earlier_versions_are_not_taken_for_todays() -> None:
    """Nothing that a sweep file says has changed, so the keys must; those of other pairings must not."""

    def keys(pairing: str) -> tuple[str, str]:
        said = {"rule": "clapp", "backend": "rate", "train_size": 64, "pairing": pairing}
        before = json.dumps(["clapp", said, ["probe"], "logistic"], sort_keys=True)
        return Member.of("clapp", said, ("probe",)).key, hashlib.sha256(before.encode()).hexdigest()[:16]

    assert keys("class")[0] == keys("class")[1]
    assert keys("latent:2")[0] != keys("latent:2")[1]


def test_a_sweep_says_how_many_different_strings_were_shown() -> None:
    said = {
        "rule": "none",
        "backend": "rate",
        "levels": 2,
        "synonyms": 2,
        "train_size": 30,
        "test_size": 20,
        "steps": 3,
    }
    for pairing, most in (("class", 30), ("latent:1+fresh", 8 * 2**3 - 20)):  # all but those to test on
        (row,) = run_group((Member.of("none", {**said, "pairing": pairing}, ("probe",)),))
        assert row["distinct_shown_at_most"] == most


def test_results_by_another_probe_are_other_members(tiny: Path) -> None:
    """A store that was filled by ridge does not stand in for logistic; what names no measures has both accuracies."""
    said = {"rule": "bp", "backend": "rate", "train_size": 64}
    keys = {Member.of("bp", said | {"probe": kind}, ("probe",)).key for kind in ("logistic", "ridge")}
    assert len(keys) == 2
    tiny.write_text(tiny.read_text().replace('measures = ["probe", "invariance"]\n', ""))
    assert read_sweep(tiny).measures == ("probe", "readout")


def test_files_that_say_pack_are_read_as_before(tiny: Path) -> None:
    now = read_sweep(tiny)
    tiny.write_text(tiny.read_text().replace("group = 2", "pack = 2"))
    assert read_sweep(tiny) == now
    assert now.group == 2


def test_groups_hold_every_member_once_and_share_what_an_ensemble_shares(tiny: Path) -> None:
    sweep = read_sweep(tiny)
    groups = sweep.groups()
    assert sorted(m.key for group in groups for m in group) == sorted(m.key for m in sweep.members())
    assert max(map(len, groups)) == 2
    for group in groups:
        shared = [{k: v for k, v in flattened(m.config).items() if k not in PER_MEMBER} for m in group]
        assert all(one == shared[0] for one in shared)
        assert len({m.arm for m in group}) == 1


def test_a_member_of_a_group_is_the_run_of_the_same_settings(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The probe of a sweep's member equals that of `plastic simulate` with its settings."""
    _, rows = run_sweep(tiny)
    row = next(r for r in rows if r["arm"] == "clapp" and r["settings"]["seed"] == 2)
    options = []
    for name, value in row["settings"].items():
        if name not in ("rule_options", "mask"):
            options += [f"--{name.replace('_', '-')}", str(value)]
    assert main(["simulate", *options, "--out", "single", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [layer["class"] for layer in row["course"][-1]["probe"]] == pytest.approx(alone["probe_accuracy"], abs=1e-6)
    assert [layer["class"] for layer in row["course"][0]["probe"]] == pytest.approx(
        alone["untrained_accuracy"], abs=1e-6
    )
    assert row["course"][0]["probe"] != row["course"][-1]["probe"], "it learned nothing, so nothing was compared"


def test_a_sweep_trains_on_the_chip_that_simulate_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And not in floating point: its weights are integers times one step."""
    monkeypatch.chdir(tmp_path)
    said = {"rule": "clapp", "backend": "loihi", "levels": 2, "train_size": 64, "width": 16, "steps": 100}
    said |= {"probe": "ridge"}
    member = Member.of("clapp", said, ("probe",))
    row = run_group((member,))[0]
    options = [part for name, value in said.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["simulate", *options, "--record", "none", "--out", "single", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out.splitlines()[-1])
    probes = [layer["class"] for layer in row["course"][-1]["probe"]]
    assert probes == pytest.approx(alone["probe_accuracy"], abs=1e-6)
    assert alone["probe_accuracy"] != alone["untrained_accuracy"], "it learned nothing, so nothing was compared"
    weights = load_file(tmp_path / "single" / "weights.safetensors")["layer1.weight"]
    step = np.unique(np.abs(np.diff(np.unique(weights)))).min()
    np.testing.assert_allclose(weights / step, np.round(weights / step), atol=1e-3, err_msg="not a chip's weights")


def test_nothing_is_left_of_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "store" / RESULTS
    with Store(path) as store:
        assert store.append({"key": "a", "value": 0.1})
        assert store.append({"key": "b", "value": "ü"})
    path.write_bytes(path.read_bytes() + b'{"key": "c", "val')
    assert [row["key"] for row in read_rows(path)] == ["a", "b"]
    with Store(path) as store:
        assert store.keys == {"a", "b"}
        assert not store.append({"key": "b", "value": "again"})
        assert store.append({"key": "c", "value": 3})
    assert [row["value"] for row in read_rows(path)] == [0.1, "ü", 3]


def test_two_sweeps_do_not_write_one_store(tmp_path: Path) -> None:
    path = tmp_path / RESULTS
    with Store(path), pytest.raises(PlasticError, match="another sweep is writing"), Store(path):
        pass


@pytest.mark.parametrize("content", [b"not json\n", b"3\n", b'{"other": 1}\n'])
def test_a_file_that_is_no_store_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_bytes(content)
    with pytest.raises(PlasticError, match="line 1"):
        read_rows(tmp_path / RESULTS)


def test_progress_counts_what_was_there_and_what_is_done(tiny: Path) -> None:
    seen: list[SweepProgress] = []
    run_sweep(tiny, report=seen.append)
    assert [p.members for p in seen] == list(range(0, 21, 2))
    assert seen[-1].work == seen[-1].work_in_all > 0
    again: list[SweepProgress] = []
    run_sweep(tiny, resume=True, report=again.append)
    assert [(p.members, p.work_in_all) for p in again] == [(20, 0)]


def sweep_process(file: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "plastic.cli", "sweep", str(file), "--out", str(out), "--resume", *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=file.parent)


def rows_after(out: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until the store has more than `count` bytes, as long as the process lives."""
    store = out / RESULTS
    while process.poll() is None and (not store.exists() or store.stat().st_size <= count):
        time.sleep(0.005)


def test_a_sweep_killed_three_times_ends_as_if_it_had_not_been(tiny: Path, whole: Path, tmp_path: Path) -> None:
    """SIGKILL after some rows, then a torn line; the numbers are those of an undisturbed run, byte for byte."""
    tiny.write_text(LONGER)
    killed = tmp_path / "killed"
    sizes: list[int] = []
    for delay in (0.0, 0.03, 0.11):
        process = sweep_process(tiny, killed)
        rows_after(killed, sizes[-1] if sizes else 0, process)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it had ended before it was killed"
        with (killed / RESULTS).open("ab") as file:
            file.write(b'{"key": "torn", "arm"')
        sizes.append((killed / RESULTS).stat().st_size)
    assert 0 < len(read_rows(killed / RESULTS)) < 20
    run_sweep(tiny, out=killed, resume=True)
    assert numbers(killed) == numbers(whole)
    assert len(numbers(killed)) == 20


def children(parent: int) -> list[int]:
    """Process ids of the workers that a process has started."""
    listing = subprocess.run(["ps", "-ww", "-o", "pid=,args=", "--ppid", str(parent)], capture_output=True, text=True)
    return [int(line.split()[0]) for line in listing.stdout.splitlines() if "spawn_main" in line]


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs ps and /proc")
def test_a_killed_worker_process_costs_no_result(tiny: Path, whole: Path, tmp_path: Path) -> None:
    """Two processes, one killed at work, give the numbers of a sweep in one process."""
    tiny.write_text(LONGER)
    out = tmp_path / "out"
    process = sweep_process(tiny, out, "--workers", "2")
    rows_after(out, 0, process)
    workers = children(process.pid)
    assert workers, "no worker was found to be killed"
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    assert numbers(out) == numbers(whole)


def replaced(old: str, new: str) -> str:
    assert old in TINY
    return TINY.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid TOML"),
        ("", "has no 'name'"),
        (replaced('name = "tiny"', 'name = "../../elsewhere"'), "'../../elsewhere'; it names a folder"),
        (replaced('name = "tiny"', 'name = "/tmp"'), "'/tmp'; it names a folder"),
        (replaced('name = "tiny"', 'name = ".."'), "'..'; it names a folder"),
        (replaced("group = 2", "group = 0"), "'group'"),
        (replaced("group = 2", "groups = 2"), "unknown entry 'groups'"),
        (replaced('rule = "none"', 'rule = "nonesuch"'), "unknown rule 'nonesuch'"),
        (replaced("width = 12", "widht = 12"), "unknown setting 'widht'"),
        (replaced("width = 12", 'width = "12"'), "must be int"),
        (replaced("seed = [0, 1, 2]", "seed = []"), "has no values"),
        (replaced('arms = ["clapp"]', 'arms = ["clap"]'), "names the arm 'clap'"),
        (replaced('"invariance"', '"variance"'), "unknown measure 'variance'"),
        (replaced('name = "untrained"', 'name = "clapp"'), "same name"),
        (replaced("batch = 16", "batch = 0"), "--batch is 0"),
        (replaced("[40, 60]", "[40, 100]"), "this RHM has 108 different strings"),
        (replaced("synonyms = 3", "synonyms = 7"), "no such RHM"),
    ],
)  # fmt: skip
def test_bad_sweeps_are_refused_in_one_sentence(
    text: str, message: str, tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_text(text)
    assert main(["sweep", str(tiny)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_results_are_not_added_to_unless_asked(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_sweep(tiny, out=Path("here"))
    before = (Path("here") / RESULTS).read_bytes()
    assert main(["sweep", str(tiny), "--out", "here"]) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(["sweep", str(tiny), "--out", "here", "--resume", "--json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said == {"sweep": "tiny", "results": "here/results.jsonl", "networks": 20, "failed": 0}
    assert (Path("here") / RESULTS).read_bytes() == before


@pytest.mark.parametrize("backend", ["rate", "snntorch"])
def test_a_network_that_diverges_is_a_row_that_says_so(backend: str, tiny: Path) -> None:
    """Spiking too, though it falls silent, so that its probes are no more than those of chance."""
    text = (
        TINY.replace("[0, 1, 2]", "[0, 1]")
        .replace("[40, 60]", "40")
        .replace("learning_rate = 0.01", 'learning_rate = 1e38\noptimizer = "sgd"')
    )
    if backend != "rate":
        text = text.replace('"rate"', f'"{backend}"').replace(', "invariance"', "")
    tiny.write_text(text)
    _, rows = run_sweep(tiny)
    trained = [row for row in rows if row["arm"] != "untrained"]
    assert all("diverged" in row["failed"] for row in trained)
    assert all("course" in row for row in rows if row["arm"] == "untrained")
